"""What a client asks of the whole cluster: stories of tasks, dumps, versions, benchmarks."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from rask import _core
from rask._core import Future
from rask.distributed._context import key_of

if TYPE_CHECKING:
    from rask.distributed.widgets import SchedulerInfo

__all__ = ["StateMethods"]

#: For the answers of workers to a dump.
_WORKER_SECONDS = 60.0


class StateMethods:
    """Methods of `Client`."""

    _core: Any
    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    _targets: Callable[..., dict[str, str]]
    _ask_all: Callable[..., dict[str, Any]]
    _caller: Any
    _events: Any
    _addresses: Callable[..., dict[int, str]]
    security: Any
    scheduler_address: Any
    get_events: Any
    futures_of: Callable[..., Any]

    def _repr_html_(self) -> str:
        from rask.distributed.widgets import client_html

        return client_html(self)

    @property
    def _inspector(self) -> Any:
        self._check_running()
        return _core.Inspector(self._core)

    # ----------------------------------------------------------------- story

    def story(self, *keys_or_stimuli: Any, on_error: str = "raise") -> Any:
        """What tasks went through, as far as scheduler and workers remember it.

        The scheduler remembers the last 65,536 changes of tasks' states or more, a worker 20,000
        steps; also of tasks that are gone.

        Parameters
        ----------
        *keys_or_stimuli
            Keys, futures, names of layers (for all their blocks), and stimuli as they stand in
            stories, for everything that followed from them.
        on_error : {"raise", "ignore"}
            What to do about workers that do not answer.

        Returns
        -------
        list of tuple
            ``("scheduler", key, start, finish, {}, stimulus, time)`` for changes of state, and
            ``(worker address, key, step, stimulus, time)``; times are seconds since the epoch.
            Stimuli of a worker end with its number and a number of its own.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.submit(sum, [1, 2], key="three").result()
        ...     [line[2:4] for line in client.story("three") if line[0] == "scheduler"]
        3
        [('released', 'waiting'), ('waiting', 'queued'), ('queued', 'processing'),
         ('processing', 'memory'), ('memory', 'released'), ('released', 'forgotten')]
        """
        if on_error not in ("raise", "ignore"):
            raise ValueError(f"on_error must be 'raise' or 'ignore', not {on_error!r}")
        layers, keys = _parse_keys(keys_or_stimuli)

        def story() -> list[tuple[Any, ...]]:
            lines: list[tuple[Any, ...]] = [
                ("scheduler", *line) for line in self._scheduler_story(layers, keys)
            ]
            payload = _core.Payload((layers, keys))
            raising = "raise" if on_error == "raise" else "ignore"
            answers = self._ask_all(self._targets(None, False), "story", "", payload, raising)
            for address, steps in answers.items():
                lines += ((address, *step) for step in steps)
            return lines

        return self._either(story)

    def _scheduler_story(
        self, layers: list[str], keys: list[tuple[str, int]], everything: bool = False
    ) -> list[tuple[Any, ...]]:
        changes, _, _ = self._inspector.story(layers, keys, layers, everything)
        return [
            (key_of(layer, block, numbered), start, finish, {}, stimulus, seconds)
            for layer, block, numbered, start, finish, _, stimulus, seconds in changes
        ]

    def call_stack(self, futures: Any = None, keys: Any = None) -> Any:
        """Where the tasks are that run now: their call stacks.

        Told are tasks in Python on the workers' own threads, not coroutines and not those in other
        executors.

        Parameters
        ----------
        futures : futures or collections, optional
            Only these tasks, and those that they wait for; default: all that run.
        keys : list of keys, optional
            The same by key.

        Returns
        -------
        dict
            By worker address, of those that run any, and key: a tuple of lines, the innermost call
            last.

        Examples
        --------
        >>> import time
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     future = client.submit(time.sleep, 0.5, key="sleeping")
        ...     stacks = client.call_stack()
        """
        wanted: list[Any] | None = None
        if futures is not None or keys is not None:
            wanted = [] if futures is None else [future.key for future in self.futures_of(futures)]
            wanted += [] if keys is None else list(keys)

        def stacks() -> dict[str, dict[Any, tuple[str, ...]]]:
            chosen = None if wanted is None else self._needed_by(wanted)
            payload = _core.Payload(None)
            answers = self._ask_all(self._targets(None, False), "call-stack", "", payload, "raise")
            found = {
                address: {
                    key: calls for key, calls in tasks.items() if chosen is None or key in chosen
                }
                for address, tasks in answers.items()
            }
            return {address: tasks for address, tasks in found.items() if tasks}

        return self._either(stacks)

    def _needed_by(self, keys: list[Any]) -> set[Any]:
        """These keys, and those of what they need."""
        tasks, _ = self._inspector.dump()
        names = [key_of(task["layer"], task["block"], task["numbered"]) for task in tasks]
        positions = {key: at for at, key in enumerate(names)}
        stack = [positions[key] for key in keys if key in positions]
        seen = set(stack)
        while stack:
            fresh = [at for at in tasks[stack.pop()]["inputs"] if at not in seen]
            seen.update(fresh)
            stack += fresh
        return {names[at] for at in seen}

    # ------------------------------------------------------------------ info

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

    # ------------------------------------------------------------------ dump

    def dump_cluster_state(
        self,
        filename: str = "rask-cluster-dump",
        write_from_scheduler: bool | None = None,
        exclude: Collection[str] = (),
        format: str = "msgpack",
        **storage_options: Any,
    ) -> Any:
        """Write the state of scheduler and workers to a file, for looking into it later.

        The file holds ``"scheduler"`` (tasks with what they need and where they are, workers, events,
        changes of tasks' states, log lines), ``"workers"`` by address (tasks, steps, log lines,
        configuration) and ``"versions"``. Tokens, passwords and keys are left out. Tasks' functions
        and values are not in it. Read it with `rask.distributed.cluster_dump.DumpArtefact`.

        Parameters
        ----------
        filename : str
            A path, or a URL for `fsspec`; ``.msgpack.gz`` or ``.yaml`` is appended.
        write_from_scheduler : bool, optional
            Whether the file is written on the scheduler's machine, by the helper process there.
            Default: here, also to URLs, since the scheduler has no credentials of yours.
        exclude : collection of str
            Names of entries to leave out, at any depth.
        format : {"msgpack", "yaml"}
        **storage_options
            For `fsspec.open`.
        """
        from rask.distributed.cluster_dump import suffixed

        url = suffixed(str(filename), format)
        excluded = set(exclude)
        self._check_running()
        return self._either(
            self._dump_cluster_state,
            url,
            bool(write_from_scheduler),
            excluded,
            format,
            storage_options,
        )

    def _dump_cluster_state(
        self,
        url: str,
        at_scheduler: bool,
        exclude: set[str],
        format: str,
        storage_options: dict[str, Any],
    ) -> None:
        from rask.distributed import cluster_dump

        if at_scheduler:
            data = cluster_dump.encode(self._cluster_state(exclude), format, self._secrets)
            call = (cluster_dump.write_bytes, (url, data, storage_options), {})
            _core.Runtime(self._core).helper("run", "", _core.Payload(call))
            return
        # Whether the file can be written is known before anything is collected.
        with cluster_dump.opened(url, "wb", **storage_options) as file:
            state = self._cluster_state(exclude)
            file.write(cluster_dump.encode(state, format, self._secrets))

    @property
    def _secrets(self) -> list[str]:
        token = self.security.token
        return [token] if token else []

    def _cluster_state(self, exclude: Collection[str]) -> dict[str, Any]:
        from rask.distributed.cluster_dump import redact, without

        targets = self._targets(None, False)
        calls = {
            address: self._caller.call(address, "dump", "", _core.Payload(None))
            for address in targets
        }
        scheduler = self._scheduler_state()
        workers: dict[str, Any] = {}
        deadline = time.monotonic() + _WORKER_SECONDS
        for address, call in calls.items():
            try:
                workers[address] = call.result(max(0.0, deadline - time.monotonic()))
            except Exception as error:
                workers[address] = repr(error)
        state = {
            "scheduler": scheduler,
            "workers": workers,
            "versions": self._versions_of([]),
        }
        for worker in workers.values():
            if isinstance(worker, dict):
                worker["config"] = redact(worker.get("config", {}))
        return without(state, exclude)

    def _scheduler_state(self) -> dict[str, Any]:
        tasks, figures = self._inspector.dump()
        addresses = self._addresses()
        keys = [str(key_of(task["layer"], task["block"], task["numbered"])) for task in tasks]
        workers, count, clients = self._core.info()
        events: dict[str, list[Any]] = {}
        for topic, seconds, _, message in self._events.of(None):
            events.setdefault(topic, []).append((seconds, message))
        return {
            "type": "Scheduler",
            "id": self.scheduler_address,
            "address": self.scheduler_address,
            "tasks": {
                key: _describe_task(key, task, keys, addresses)
                for key, task in zip(keys, tasks, strict=True)
            },
            "task_count": count,
            "clients": clients,
            "workers": {worker["address"]: dict(worker) for worker in workers},
            "events": events,
            "transition_log": [
                (str(key), start, finish, recommended, stimulus, seconds)
                for key, start, finish, recommended, stimulus, seconds in self._scheduler_story(
                    [], [], True
                )
            ],
            "log": [list(line) for line in self._events.scheduler_logs(0)],
            **figures,
        }

    # -------------------------------------------------------------- versions

    def get_versions(self, check: bool = False, packages: Any = None) -> Any:
        """Versions of what scheduler, workers and client run on.

        Parameters
        ----------
        check : bool
            Whether to warn of differences.
        packages : list of str, optional
            Further packages. The scheduler runs no Python of its own, and knows of none.

        Returns
        -------
        dict
            ``"scheduler"``, ``"client"``, and ``"workers"`` by address: each with ``"host"`` and
            ``"packages"``.

        Warns
        -----
        VersionMismatchWarning
            With `check`: a table of what differs.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     versions = client.get_versions(check=True)
        >>> sorted(versions)
        ['client', 'scheduler', 'workers']
        """
        from rask.distributed._versions import VersionMismatchWarning, error_message

        self._check_running()
        extra = list(packages or [])

        def versions() -> dict[str, Any]:
            found = self._versions_of(extra)
            message = error_message(found["scheduler"], found["workers"], found["client"])
            if check and message:
                warnings.warn(message, VersionMismatchWarning, stacklevel=4)
            return found

        return self._either(versions)

    def _versions_of(self, packages: list[str]) -> dict[str, Any]:
        from rask.distributed._versions import get_versions, unpack_versions

        scheduler, _ = self._inspector.versions()
        payload = _core.Payload(packages)
        workers = self._ask_all(self._targets(None, False), "versions", "", payload, "ignore")
        return {
            "scheduler": unpack_versions(scheduler),
            "workers": workers,
            "client": get_versions(packages),
        }

    def _check_versions(self) -> None:
        """Warn if scheduler or workers run on something else than this client."""
        from rask.distributed._versions import VersionMismatchWarning, describe_mismatches

        if not self._events.is_known:
            return
        report = describe_mismatches(*self._inspector.versions())
        if report:
            warnings.warn(report, VersionMismatchWarning, stacklevel=4)

    def _on_versions(self, event: tuple[float, Any]) -> None:
        """Warn of a worker that joined later and runs on something else than this client."""
        from rask.distributed._versions import (
            VersionMismatchWarning,
            describe_mismatches,
            group_of_event,
        )

        group = group_of_event(event[1])
        report = "" if group is None else describe_mismatches([], [group])
        if report:
            warnings.warn(report, VersionMismatchWarning, stacklevel=1)

    # ------------------------------------------------------------ benchmarks

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


def _parse_keys(given: tuple[Any, ...]) -> tuple[list[str], list[tuple[str, int]]]:
    """Names of layers (or stimuli), and keys of single blocks.

    Raises
    ------
    TypeError
        For what is no key.
    """
    layers: list[str] = []
    keys: list[tuple[str, int]] = []
    for item in given:
        key = item.key if isinstance(item, Future) else item
        if isinstance(key, str):
            layers.append(key)
        elif isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], int):
            keys.append((str(key[0]), key[1]))
        else:
            raise TypeError(
                "a story is of keys (strings, or tuples of a layer's name and a block's number), "
                f"futures or stimuli, not of {item!r}"
            )
    return layers, keys


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


def _describe_task(
    key: str, task: dict[str, Any], keys: list[str], addresses: dict[int, str]
) -> dict[str, Any]:
    where = [addresses.get(number, f"worker {number}") for number in task["workers"]]
    state = task["state"]
    return {
        "key": key,
        "state": state,
        "prefix": task["operation"],
        "group": task["layer"],
        "nbytes": task["nbytes"],
        "priority": task["priority"],
        "retries": task["retries"],
        "suspicious": task["suspicious"],
        "waiting_on": task["missing"] if state == "waiting" else 0,
        "dependencies": [keys[at] for at in task["inputs"]],
        "who_has": where if state == "memory" else [],
        "processing_on": where[0] if state != "memory" and where else None,
        "who_wants": [f"client-{number}" for number in task["clients"]],
        "exception": task["exception"],
    }
