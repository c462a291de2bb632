"""A cluster of processes on this machine."""

from __future__ import annotations

import operator
import os
from typing import Any

from rask.distributed._utils import cpu_count, memory_limit_bytes
from rask.distributed.nanny import Nanny
from rask.distributed.scheduler import Scheduler
from rask.distributed.scheduler_process import SchedulerProcess
from rask.distributed.security import Security
from rask.distributed.spec import SpecCluster
from rask.distributed.worker import Worker

__all__ = ["LocalCluster"]


class LocalCluster(SpecCluster):
    """A scheduler in this process or in one of its own, and workers in processes of their own or on threads here.

    Parameters
    ----------
    n_workers : int, optional
        Default: such that each has a few threads, see `threads_per_worker`.
    threads_per_worker : int, optional
        Default: all processors divided among the workers.
    processes : bool
        Whether workers are processes. A process that dies is replaced.
    memory_limit : str, int, float or None
        Of each worker: a size, a fraction of the machine's memory, ``"auto"`` for an equal share
        of it, None for no limit.
    host : str
        The interface to listen on.
    scheduler_port : int
        0 chooses a free one.
    security : Security or bool, optional
        Token and certificates; by default a fresh token and no encryption, with True also fresh
        certificates.
    worker_class : class, optional
        Default: `Nanny` for processes, else `Worker`.
    journal : bool or str, optional
        Have the scheduler in a process of its own, with a journal, and start it again when it dies:
        clients and workers come back, and nothing that is still held is made anew. True for a
        folder that is removed at the end, or a folder, with whose work the cluster goes on.
    scheduler_kwargs : dict, optional
        Further arguments of `Scheduler`, or with a journal of `SchedulerProcess`.
    silence_logs, dashboard_address, …
        Accepted for compatibility.
    **worker_kwargs
        Further arguments of `Worker` and `Nanny`: ``resources``, ``local_directory``, ``env``,
        ``preload``, ``lifetime``, ….

    Examples
    --------
    >>> from rask.distributed import Client, LocalCluster
    >>> with LocalCluster(n_workers=2, threads_per_worker=1) as cluster:
    ...     with Client(cluster) as client:
    ...         sum(client.gather(client.map(abs, range(-3, 3))))
    9
    """

    def __init__(
        self,
        name: str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool | None = None,
        loop: Any = None,
        start: Any = None,
        host: str | None = None,
        ip: str | None = None,
        scheduler_port: int = 0,
        silence_logs: Any = None,
        dashboard_address: Any = None,
        worker_dashboard_address: Any = None,
        diagnostics_port: Any = None,
        services: Any = None,
        worker_services: Any = None,
        service_kwargs: Any = None,
        asynchronous: bool = False,
        security: Security | bool | None = None,
        protocol: str | None = None,
        blocked_handlers: Any = None,
        interface: str | None = None,
        worker_class: Any = None,
        scheduler_kwargs: dict[str, Any] | None = None,
        scheduler_sync_interval: Any = None,
        memory_limit: Any = "auto",
        journal: bool | str | os.PathLike[str] | None = None,
        **worker_kwargs: Any,
    ) -> None:
        if processes is None:
            processes = worker_class is None or issubclass(worker_class, Nanny)
        self.processes = processes
        count, threads = _share(n_workers, threads_per_worker, processes)
        own = _security(security)
        kind = worker_class or (Nanny if processes else Worker)
        _check_options(kind, worker_kwargs)
        options = {
            "nthreads": threads,
            "memory_limit": memory_limit_bytes(memory_limit, threads),
            "protocol": protocol,
            "interface": interface,
            "host": host or ip,
            "security": own,
            **worker_kwargs,
        }
        worker = {"cls": kind, "options": {k: v for k, v in options.items() if v is not None}}
        in_process = journal is None or journal is False
        if not in_process and not processes:
            raise ValueError(
                "journal= is for clusters whose workers are processes: with processes=False they "
                "are threads of this process, and end with it"
            )
        scheduler = {
            "cls": Scheduler if in_process else SchedulerProcess,
            "options": {
                "host": host or ip,
                "port": scheduler_port,
                "protocol": protocol,
                "interface": interface,
                "security": own,
                "dashboard_address": dashboard_address,
                **({} if in_process else {"journal": None if journal is True else journal}),
                **(scheduler_kwargs or {}),
            },
        }
        super().__init__(
            workers=dict.fromkeys(range(count), worker),
            scheduler=scheduler,
            worker=worker,
            asynchronous=asynchronous,
            loop=loop,
            security=own,
            name=name or f"LocalCluster-{os.getpid()}",
        )

    async def start_worker(self, name: Any = None, **kwargs: Any) -> Any:
        """Start one more worker, with other options than the others.

        Returns
        -------
        Nanny or Worker
        """
        assert self.new_spec is not None
        [(free, spec)] = self.new_worker_spec().items()
        key = free if name is None else name
        options = {**spec["options"], **kwargs}
        self.worker_spec[key] = {"cls": spec["cls"], "options": options}
        await self._correct_state()
        return self.workers[key]


def _check_options(kind: Any, given: dict[str, Any]) -> None:
    """Refuse arguments that no worker has, before anything is started."""
    import inspect

    if kind not in (Nanny, Worker):
        return
    known = set(inspect.signature(Worker).parameters)
    if kind is Nanny:
        known |= set(inspect.signature(Nanny).parameters)
    unknown = sorted(set(given) - known)
    if unknown:
        raise TypeError(f"LocalCluster has no arguments named {', '.join(unknown)}")


def _share(
    n_workers: int | None, threads_per_worker: int | None, processes: bool
) -> tuple[int, int]:
    """Workers and threads of each: as many workers as threads each, roughly, above four cores.

    Raises
    ------
    TypeError
        For what is no whole number.
    ValueError
        For fewer than no workers, or than one thread.
    """
    for name, given, least in (
        ("n_workers", n_workers, 0),
        ("threads_per_worker", threads_per_worker, 1),
    ):
        if given is None:
            continue
        try:
            count = operator.index(given)
        except TypeError:
            raise TypeError(f"{name} must be a whole number, not {given!r}") from None
        if count < least:
            raise ValueError(f"{name} must be at least {least}, not {given}")
    cores = cpu_count()
    if n_workers is None and threads_per_worker is None:
        if not processes:
            return 1, cores
        n_workers = cores if cores <= 4 else max(n for n in range(1, cores + 1) if _fits(n, cores))
    if n_workers is None:
        n_workers = max(1, cores // (threads_per_worker or 1)) if processes else 1
    if threads_per_worker is None:
        threads_per_worker = max(1, cores // max(1, n_workers))
    return n_workers, threads_per_worker


def _fits(workers: int, cores: int) -> bool:
    return cores % workers == 0 and workers * workers <= cores * 1.5


def _security(security: Security | bool | None) -> Security:
    if security is True:
        return Security.temporary()
    if isinstance(security, Security):
        return security
    return Security.with_token()
