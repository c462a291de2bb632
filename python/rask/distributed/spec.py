"""Clusters whose processes this program starts and ends."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import copy
import importlib
import math
import time
import weakref
from collections.abc import Generator
from typing import Any, ClassVar

from rask.distributed._clients import disconnect_clients
from rask.distributed._loop import in_thread, sync
from rask.distributed._node import Node, Status
from rask.distributed._utils import parse_bytes
from rask.distributed._worker_options import import_term
from rask.distributed.cluster_base import Cluster
from rask.distributed.security import Security

__all__ = ["SpecCluster"]

_RETIRE_SECONDS = 60.0


_CLOSE_SECONDS = 30.0


_POLL_SECONDS = 0.01


class SpecCluster(Cluster):
    """A cluster of a scheduler and workers that are specified one by one.

    Parameters
    ----------
    workers : dict, optional
        Specifications by name: ``{"cls": class, "options": {…}}``. The class is called with the
        scheduler's address and the options; what it makes is awaited, and closed at the end. An
        entry that makes several workers names them by ``"group"``: suffixes of the entry's name.
    scheduler : dict, optional
        The same for the scheduler; default: a `Scheduler` of this process.
    worker : dict, optional
        The specification of workers that `scale` adds.
    asynchronous : bool
        Whether the cluster is awaited, and its methods too.
    security : Security, optional
    name : str, optional
    shutdown_on_close : bool
        Whether to close the cluster when the program ends.
    shutdown_scheduler : bool
        Whether to close the scheduler with the cluster.

    Examples
    --------
    >>> from rask.distributed import Client, Scheduler, SpecCluster, Worker
    >>> scheduler = {"cls": Scheduler, "options": {"port": 0}}
    >>> workers = {"alice": {"cls": Worker, "options": {"nthreads": 1}}}
    >>> with SpecCluster(workers, scheduler) as cluster, Client(cluster) as client:
    ...     sorted(cluster.plan), client.submit(sum, [1, 2]).result()
    (['alice'], 3)
    """

    _instances: ClassVar[weakref.WeakSet[SpecCluster]] = weakref.WeakSet()

    def __init__(
        self,
        workers: dict[Any, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
        worker: dict[str, Any] | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        security: Any = None,
        silence_logs: Any = False,
        name: str | None = None,
        shutdown_on_close: bool = True,
        scheduler_sync_interval: Any = 1,
        shutdown_scheduler: bool = True,
    ) -> None:
        self.security = security or Security.with_token()
        super().__init__(asynchronous, loop, name=name)
        self.scheduler_spec = copy.copy(scheduler)
        self.worker_spec: dict[Any, Any] = copy.copy(workers) or {}
        self.new_spec = copy.copy(worker)
        self.workers: dict[Any, Any] = {}
        self.shutdown_on_close = shutdown_on_close
        self.shutdown_scheduler = shutdown_scheduler
        #: Of entries that are several workers, also when they are no longer specified.
        self._suffixes: dict[Any, list[str]] = {}
        self._i = 0
        self._lock: asyncio.Lock | None = None
        self._correcting: asyncio.Task[None] | None = None
        self._instances.add(self)
        if not self.asynchronous:
            try:
                sync(self.loop, self._begin)
            except BaseException:
                sync(self.loop, self._close)
                raise

    # ------------------------------------------------------------------ life

    async def _begin(self) -> None:
        await self._start()
        # What the first call needs is imported while the workers start.
        loop = asyncio.get_running_loop()
        imported = loop.run_in_executor(None, importlib.import_module, "cloudpickle")
        await self._correct_state()
        await imported

    async def _start(self) -> None:
        """Start the scheduler. Subclasses that make it themselves call this afterwards."""
        if self.status == Status.running:
            return
        if self.status == Status.closed:
            raise ValueError("the cluster is closed")
        self._lock = asyncio.Lock()
        self.status = Status.starting
        try:
            if self.scheduler is None:
                spec = self.scheduler_spec or _default_scheduler(self.security)
                made = _make(spec["cls"], (), _with_security(spec, self.security))
                self.scheduler = made
            await self.scheduler
        except BaseException:
            self.status = Status.failed
            raise
        own = getattr(self.scheduler, "security", None)
        if isinstance(own, Security):
            self.security = own
        self.status = Status.running

    def _correct_state(self) -> asyncio.Task[None]:
        """Start and end workers until they are as specified."""
        if self._correcting is None:
            self._correcting = asyncio.ensure_future(self._correct())
        return self._correcting

    async def _correct(self) -> None:
        assert self._lock is not None
        async with self._lock:
            self._correcting = None
            await self._close_workers([n for n in self.workers if n not in self.worker_spec])
            names = [name for name in self.worker_spec if name not in self.workers]
            made = {name: self._make_worker(name) for name in names}
            self.workers.update(made)
            outcomes = await asyncio.gather(
                *(_await(worker) for worker in made.values()), return_exceptions=True
            )
            failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
            for name, outcome in zip(names, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    self.workers.pop(name, None)
                    self.worker_spec.pop(name, None)
            if failed:
                raise failed[0]

    def _make_worker(self, name: Any) -> Any:
        spec = self.worker_spec[name]
        self._suffixes[name] = list(spec.get("group") or ())
        options = {"name": name, **_with_security(spec, self.security)}
        address = getattr(self.scheduler, "contact_address", None) or self.scheduler.address
        worker = _make(spec["cls"], (address,), options)
        with contextlib.suppress(AttributeError):
            worker._cluster = weakref.ref(self)
        return worker

    async def _close_workers(self, names: list[Any]) -> None:
        if not names:
            return
        if self.status == Status.running:
            await self._retire(names)
        leaving = [self.workers.pop(name) for name in names]
        for name in names:
            self._suffixes.pop(name, None)
        for worker in leaving:
            if isinstance(worker, Node):
                worker._begin_close()
        await asyncio.gather(*(worker.close() for worker in leaving), return_exceptions=True)

    async def _retire(self, names: list[Any]) -> None:
        """Let the scheduler move what only these workers hold to others."""
        leaving = {text for name in names for text in self._names_of(name)}
        leaving &= {str(name) for name in self._observed_text()}
        if not leaving:
            return
        try:
            await in_thread(self._ask().retire, sorted(leaving))
        except OSError:
            return
        deadline = time.monotonic() + _RETIRE_SECONDS
        while leaving & self._observed_text() and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)

    def _observed_text(self) -> set[str]:
        return {str(worker["name"]) for worker in self.scheduler_info["workers"].values()}

    def _names_of(self, name: Any) -> list[str]:
        """Names at the scheduler of the workers of an entry."""
        spec = self.worker_spec.get(name) or {}
        group = self._suffixes.get(name) or spec.get("group")
        return [f"{name}{suffix}" for suffix in group] if group else [str(name)]

    async def _close(self) -> None:
        if self.status in (Status.closed, Status.closing):
            while self.status == Status.closing:
                await asyncio.sleep(_POLL_SECONDS)
            return
        self.status = Status.closing
        if self._adaptive is not None:
            self._adaptive.stop()
        self.worker_spec.clear()
        await in_thread(self._disconnect_clients)
        if self._lock is not None:
            async with self._lock:
                await self._close_workers(list(self.workers))
        self._close_observer()
        if self.scheduler is not None and self.shutdown_scheduler:
            with contextlib.suppress(OSError):
                await self.scheduler.close()
        self.status = Status.closed
        self._instances.discard(self)

    def _disconnect_clients(self) -> None:
        if self.scheduler is not None and self.shutdown_scheduler:
            # It has no address if it has not started.
            with contextlib.suppress(ValueError):
                disconnect_clients(self.scheduler_address)

    def _close_now(self) -> None:
        """End at the end of the program, when no further thread can be started."""
        if self.status in (Status.closed, Status.created):
            return
        self.status = Status.closing
        self._disconnect_clients()
        nodes = [worker for worker in self.workers.values() if isinstance(worker, Node)]
        for worker in nodes:
            worker._begin_close()
        for worker in nodes:
            worker._ensure_closed()
        others = [worker for worker in self.workers.values() if not isinstance(worker, Node)]
        for process in [*others, self.scheduler]:
            if isinstance(process, Node):
                process._ensure_closed()
            elif process is not None and not self.called_from_running_loop:
                with contextlib.suppress(Exception):
                    sync(self.loop, process.close, callback_timeout=_CLOSE_SECONDS)
        self.status = Status.closed

    def __await__(self) -> Generator[Any, Any, Any]:
        async def begin() -> Any:
            if self.status == Status.created:
                await self._start()
            await self._correct_state()
            return self

        return begin().__await__()

    async def __aenter__(self) -> Any:
        try:
            return await self
        except BaseException:
            await self._close()
            raise

    # -------------------------------------------------------------- scaling

    def _threads_per_worker(self) -> int:
        """Threads of each new worker."""
        options = self._new_options("cores")
        for name in ("nthreads", "ncores", "threads", "cores"):
            if options.get(name):
                return int(options[name])
        raise ValueError("scale(cores=…) needs nthreads in the specification of new workers")

    def _memory_per_worker(self) -> int:
        """Bytes of each new worker."""
        options = self._new_options("memory")
        for name in ("memory_limit", "memory"):
            if options.get(name) and options[name] != "auto":
                return parse_bytes(options[name])
        raise ValueError("scale(memory=…) needs memory_limit in the specification of new workers")

    def _new_options(self, what: str) -> dict[str, Any]:
        if not self.new_spec:
            raise ValueError(f"scale({what}=…) needs the specification of new workers: worker=…")
        return self.new_spec.get("options", {})

    def scale(self, n: int = 0, memory: Any = None, cores: int | None = None) -> Any:
        """Have this many workers; those that are too many leave once their data is elsewhere.

        Parameters
        ----------
        n : int
        memory : str or int, optional
            At least so many workers that they have this memory together.
        cores : int, optional
            At least so many workers that they have these threads together.
        """
        n = self._workers_for(n, memory, cores)
        self._set_count(n)
        return self._apply()

    def _workers_for(self, n: int, memory: Any, cores: int | None) -> int:
        if memory is not None:
            n = max(n, math.ceil(parse_bytes(memory) / self._memory_per_worker()))
        if cores is not None:
            n = max(n, math.ceil(cores / self._threads_per_worker()))
        return int(n)

    def _set_count(self, n: int) -> None:
        if len(self.worker_spec) > n:
            there = self._observed_text()
            absent = [name for name in self.worker_spec if not there & set(self._names_of(name))]
            while len(self.worker_spec) > n and absent:
                del self.worker_spec[absent.pop()]
        while len(self.worker_spec) > n:
            self.worker_spec.popitem()
        while len(self.worker_spec) < n:
            if self.new_spec is None:
                raise ValueError("the cluster has no specification of new workers: worker=…")
            self.worker_spec.update(self.new_worker_spec())

    def _apply(self) -> Any:
        """Begin to correct the state; in asynchronous clusters what is returned may be awaited."""
        if self.called_from_running_loop:
            return self._correct_state()

        def begin() -> None:
            task = self._correct_state()
            task.add_done_callback(_report_failure)

        self.loop.call_soon_threadsafe(begin)
        return None

    def adapt(self, Adaptive: Any = None, **kwargs: Any) -> Any:
        """Have as many workers as there is work for.

        Parameters
        ----------
        Adaptive : class, optional
            Default: `rask.distributed.Adaptive`, which takes the keyword arguments.
        minimum, maximum : int
            Workers.
        minimum_cores, maximum_cores : int
            The same as threads.
        minimum_memory, maximum_memory : str or int
            The same as memory of the workers together.
        """
        for bound, round_ in (("minimum", math.ceil), ("maximum", math.floor)):
            choose = max if bound == "minimum" else min
            cores, memory = kwargs.pop(f"{bound}_cores", None), kwargs.pop(f"{bound}_memory", None)
            known = kwargs.get(bound, 0 if bound == "minimum" else math.inf)
            if cores is not None:
                known = choose(known, round_(cores / self._threads_per_worker()))
            if memory is not None:
                known = choose(known, round_(parse_bytes(memory) / self._memory_per_worker()))
            kwargs[bound] = known
        return super().adapt(Adaptive, **kwargs)

    scale_up = scale

    async def scale_down(self, workers: Any) -> None:
        """Let these workers leave, by name."""
        entries = {text: name for name in self.worker_spec for text in self._names_of(name)}
        for worker in workers:
            self.worker_spec.pop(entries.get(str(worker), worker), None)
        await self._correct_state()

    def _new_worker_name(self, worker_number: int) -> Any:
        """The name of the next worker; subclasses may choose others."""
        return worker_number

    def new_worker_spec(self) -> dict[Any, Any]:
        """Name and specification of the next worker."""
        while self._new_worker_name(self._i) in self.worker_spec:
            self._i += 1
        return {self._new_worker_name(self._i): self.new_spec}

    @property
    def _supports_scaling(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return bool(self.new_spec)

    @property
    def plan(self) -> set[Any]:
        """Names of the workers that there should be."""
        return self._expand(self.worker_spec)

    @property
    def requested(self) -> set[Any]:
        """Names of the workers that have been asked for."""
        return self._expand(name for name in self.workers if name in self.worker_spec)

    @property
    def observed(self) -> set[Any]:
        """Names of the workers that are there."""
        names = {str(name): name for name in self.plan | set(self.workers)}
        return {names.get(text, text) for text in self._observed_text()}

    def _expand(self, names: Any) -> set[Any]:
        expanded: set[Any] = set()
        for name in list(names):
            grouped = "group" in (self.worker_spec.get(name) or {})
            expanded.update(self._names_of(name) if grouped else [name])
        return expanded

    @classmethod
    def from_name(cls, name: str) -> Any:
        """The cluster of this name, where a resource manager knows it.

        Raises
        ------
        NotImplementedError
            In classes whose clusters end with the program.
        """
        raise NotImplementedError(
            f"{cls.__name__} keeps no record of clusters by name: connect with Client(address)"
        )


def _make(kind: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    made = import_term(kind) if isinstance(kind, str) else kind
    return made(*args, **options)


def _default_scheduler(security: Security) -> dict[str, Any]:
    from rask.distributed.scheduler import Scheduler

    return {"cls": Scheduler, "options": {"port": 0, "security": security}}


def _with_security(spec: dict[str, Any], security: Security) -> dict[str, Any]:
    """The options of a specification, with the cluster's secrets for classes that take them."""
    options = dict(spec.get("options") or {})
    kind = import_term(spec["cls"]) if isinstance(spec["cls"], str) else spec["cls"]
    if "security" not in options and isinstance(kind, type) and issubclass(kind, Node):
        options["security"] = security
    return options


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _report_failure(task: asyncio.Task[None]) -> None:
    import logging

    if not task.cancelled() and task.exception() is not None:
        logging.getLogger("rask.distributed.cluster").error(
            "a worker could not be started or ended", exc_info=task.exception()
        )


def close_all() -> None:
    """End the clusters that are to end with the program."""
    for cluster in list(SpecCluster._instances):
        if cluster.shutdown_on_close:
            with contextlib.suppress(Exception):
                cluster._close_now()


atexit.register(close_all)
