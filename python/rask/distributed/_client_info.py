"""A cluster's scheduler and workers: what is known of them, when there are enough, how fast they are."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rask import _core
from rask.distributed._utils import parse_seconds

if TYPE_CHECKING:
    from rask.distributed.widgets import SchedulerInfo

__all__ = ["InfoMethods"]


class InfoMethods:
    """Part of `Client`."""

    _core: Any
    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    _targets: Callable[..., dict[str, str]]
    _caller: Any
    scheduler_address: Any

    def _repr_html_(self) -> str:
        from rask.distributed.widgets import client_html

        return client_html(self)

    def scheduler_info(self, n_workers: int = -1, **kwargs: Any) -> Any:
        """About the scheduler and its workers.

        Parameters
        ----------
        n_workers : int
            How many workers to describe; -1: all.

        Returns
        -------
        dict
            ``"address"``, ``"n_workers"``, ``"total_threads"``, ``"total_memory"`` and others, and
            ``"workers"`` by address.
        """

        return self._either(self._scheduler_info, n_workers)

    def _scheduler_info(self, n_workers: int) -> SchedulerInfo:
        from rask.distributed.widgets import SchedulerInfo

        workers, tasks, clients = self._core.info()
        described = workers if n_workers < 0 else workers[:n_workers]
        return SchedulerInfo(
            {
                "type": "Scheduler",
                "id": self.scheduler_address,
                "address": self.scheduler_address,
                "services": {},
                "n_workers": len(workers),
                "total_threads": sum(worker["nthreads"] for worker in workers),
                "total_memory": sum(worker["memory_limit"] for worker in workers),
                "tasks": tasks,
                "clients": clients,
                "workers": {worker["address"]: _describe_worker(worker) for worker in described},
            }
        )

    def write_scheduler_file(self, scheduler_file: str) -> None:
        """Write the scheduler's address and workers to a JSON file for ``scheduler_file=``.

        Parameters
        ----------
        scheduler_file : str
            Path of the file. It holds no token: clients need their own `Security`.

        Raises
        ------
        ValueError
            If the client was itself made from a scheduler file.
        """
        import json

        self._check_running()
        if getattr(self, "scheduler_file", None):
            raise ValueError("Scheduler file already set")
        workers, tasks, clients = self._core.info()
        described = {
            "type": "Scheduler",
            "id": self._core.address,
            "address": self._core.address,
            "tasks": tasks,
            "clients": clients,
            "workers": {worker["address"]: worker for worker in workers},
        }
        with open(scheduler_file, "w") as file:
            json.dump(described, file, indent=2)
        self.scheduler_file = scheduler_file

    def wait_for_workers(self, n_workers: int = 1, timeout: Any = None) -> Any:
        """Wait until there are at least this many workers.

        Raises
        ------
        ValueError
            If `n_workers` is not a positive whole number.
        TimeoutError
        """
        if not isinstance(n_workers, int) or isinstance(n_workers, bool) or n_workers < 1:
            raise ValueError(f"`n_workers` must be a positive integer. Instead got {n_workers}.")

        def wait() -> None:
            limit = parse_seconds(timeout)
            deadline = None if limit is None else time.monotonic() + limit
            while (there := len(self._core.info()[0])) < n_workers:
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(
                        f"Only {there}/{n_workers} workers arrived after {limit} seconds"
                    )
                time.sleep(0.01)

        return self._either(wait)

    def benchmark_hardware(self) -> Any:
        """Measure disks, memory and the network of the workers; takes about ten seconds.

        Returns
        -------
        dict
            ``"disk"``, ``"memory"`` and ``"network"``: bytes a second by size of what is written,
            copied, or sent to another worker and back, as the mean over workers. ``"network"`` is
            empty if there is only one worker.
        """
        self._check_running()
        return self._either(self._benchmark_hardware, 1.0)

    def _benchmark_hardware(self, duration: float, largest: int | None = None) -> dict[str, Any]:
        from rask.distributed._benchmarks import SECONDS, SIZES

        addresses = list(self._targets(None, False))
        random.shuffle(addresses)
        pairs = list(zip(addresses[::2], addresses[1::2], strict=False))
        found: dict[str, Any] = {}
        for what, sizes in SIZES.items():
            asked = pairs if what == "network" else [(address, None) for address in addresses]
            chosen = sizes[:largest]
            calls = [
                self._caller.call(
                    address,
                    "benchmark",
                    what,
                    _core.Payload((other, chosen, SECONDS[what] * duration)),
                )
                for address, other in asked
            ]
            rates = [call.result() for call in calls]
            found[what] = {
                size: sum(rate[size] for rate in rates) / len(rates) for size in chosen if rates
            }
        return found


def _describe_worker(worker: dict[str, Any]) -> dict[str, Any]:
    """With the names that Dask has for it, beside Rask's own."""
    host = worker["address"].rpartition("://")[2].rpartition(":")[0]
    return {
        **worker,
        "type": "Worker",
        "id": worker["name"],
        "host": host,
        "status": "paused" if worker["paused"] else "running",
        "services": {},
        "metrics": {
            "cpu": worker["cpu"],
            "memory": worker["memory"],
            "managed_bytes": worker["managed_bytes"],
            "unmanaged_bytes": worker["unmanaged_bytes"],
            "own_bytes": worker["own_bytes"],
            "spilled_bytes": {"memory": worker["nbytes"], "disk": worker["spilled_bytes"]},
            "spill_error": worker["spill_error"] or None,
            "paused": worker["paused"],
            "executing": worker["executing"],
            "in_memory": worker["in_memory"],
            "time": worker["last_seen"],
        },
    }
