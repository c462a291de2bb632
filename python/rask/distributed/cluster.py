"""A cluster of processes on this machine."""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import sys
import time
import weakref
from typing import Any

from rask import _core
from rask.distributed._utils import cpu_count, memory_bytes, parse_bytes
from rask.distributed.security import Security
from rask.distributed.worker import Worker

__all__ = ["LocalCluster"]

_clusters: weakref.WeakSet[LocalCluster] = weakref.WeakSet()


class LocalCluster:
    """A scheduler in this process, and workers in processes of their own or on threads here.

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
    silence_logs, dashboard_address, …
        Accepted for compatibility.

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
        resources: dict[str, float] | None = None,
        local_directory: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            unexpected = ", ".join(sorted(kwargs))
            raise TypeError(f"LocalCluster has no arguments named {unexpected}")
        self.processes = True if processes is None else processes
        workers, threads = _share(n_workers, threads_per_worker, self.processes)
        self.name = name or f"LocalCluster-{os.getpid()}"
        self.asynchronous = asynchronous
        self.security = _security(security)
        self.status = "created"
        self._threads = threads
        self._memory_limit = _limit(memory_limit, threads)
        self._resources = resources or {}
        self._local_directory = local_directory
        self._allowed_failures = (scheduler_kwargs or {}).get("allowed_failures", 3)
        scheme = (protocol or self.security.scheme).removesuffix("://")
        self._scheduler_listen = f"{scheme}://{host or ip or '127.0.0.1'}:{scheduler_port}"
        self._n_workers = workers
        self._next_name = 0
        self.workers: dict[int, Any] = {}
        self._scheduler: Any = None
        if not asynchronous:
            self._start()

    def _start(self) -> None:
        self._scheduler = _core.SchedulerHandle(
            self._scheduler_listen, self.security._core, self._allowed_failures
        )
        self.status = "running"
        _clusters.add(self)
        self._scale(self._n_workers)
        self._await_workers(self._n_workers)

    # -------------------------------------------------------------- workers

    def _add_worker(self) -> None:
        name = self._next_name
        self._next_name += 1
        if self.processes:
            self.workers[name] = _core.Supervisor(
                sys.executable, self._worker_arguments(name), self._environment()
            )
        else:
            worker = Worker(
                self.scheduler_address,
                security=self.security,
                name=name,
                nthreads=self._threads,
                memory_limit=self._memory_limit,
                resources=self._resources,
                local_directory=self._local_directory,
            )
            worker._ensure_started()
            self.workers[name] = _Here(worker)

    def _worker_arguments(self, name: int) -> list[str]:
        arguments = [
            "-m",
            "rask.distributed.worker",
            self.scheduler_address,
            "--supervised",
            f"--name={name}",
            f"--nthreads={self._threads}",
            f"--memory-limit={self._memory_limit}",
        ]
        if self._resources:
            pairs = ",".join(f"{key}={amount}" for key, amount in self._resources.items())
            arguments.append(f"--resources={pairs}")
        if self._local_directory:
            arguments.append(f"--local-directory={self._local_directory}")
        return arguments

    def _environment(self) -> list[tuple[str, str]]:
        path = os.pathsep.join(entry for entry in sys.path if entry) or os.getcwd()
        values = {"PYTHONPATH": os.pathsep.join([path, os.getcwd()])}
        for library in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            if library not in os.environ:
                values[library] = "1"
        values.update(self.security.environment())
        return list(values.items())

    def _await_workers(self, count: int, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while self._scheduler.worker_count < count:
            self._check_workers()
            if time.monotonic() > deadline:
                there = self._scheduler.worker_count
                raise TimeoutError(f"{there} of {count} workers started in {seconds} seconds")
            time.sleep(0.005)

    def _check_workers(self) -> None:
        if not self.processes:
            return
        for name, worker in self.workers.items():
            if worker.pid is None and len(worker.ends) >= 5:
                self._close()
                raise RuntimeError(
                    f"worker {name} does not start: {worker.ends[-1]}; its messages are on "
                    "standard error"
                )

    def scale(self, n: int = 0, memory: Any = None, cores: int | None = None) -> Any:
        """Have this many workers; those that are too many are stopped."""
        if cores is not None:
            n = max(n, math.ceil(cores / self._threads))
        if memory is not None and self._memory_limit:
            n = max(n, math.ceil(parse_bytes(memory) / self._memory_limit))
        return self._either(self._scale, n)

    def _scale(self, n: int) -> None:
        while len(self.workers) < n:
            self._add_worker()
        while len(self.workers) > n:
            _, worker = self.workers.popitem()
            worker.stop()

    # ----------------------------------------------------------------- life

    @property
    def scheduler_address(self) -> str:
        """Where the scheduler listens."""
        return self._scheduler.address if self._scheduler is not None else "<not started>"

    @property
    def dashboard_link(self) -> str | None:
        """Where the dashboard is; None, because there is none yet."""
        return None

    def get_client(self) -> Any:
        """A client of this cluster."""
        from rask.distributed.client import Client

        return Client(self, asynchronous=self.asynchronous)

    def wait_for_workers(self, n_workers: int = 1, timeout: Any = None) -> Any:
        """Wait until there are at least this many workers."""
        return self._either(self._await_workers, n_workers, float(timeout or 60.0))

    def _either(self, function: Any, *args: Any) -> Any:
        return asyncio.to_thread(function, *args) if self.asynchronous else function(*args)

    def close(self, timeout: Any = None) -> Any:
        """Stop workers and scheduler."""
        return self._either(self._close)

    def _close(self) -> None:
        if self.status in ("closed", "created"):
            self.status = "closed"
            return
        self.status = "closed"
        for worker in self.workers.values():
            worker.stop()
        for worker in self.workers.values():
            try:
                worker.wait(10.0)
            except TimeoutError:
                continue
        self.workers.clear()
        self._scheduler.stop()
        _clusters.discard(self)

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._close()

    def __await__(self) -> Any:
        async def start() -> LocalCluster:
            if self.status == "created":
                await asyncio.to_thread(self._start)
            return self

        return start().__await__()

    async def __aenter__(self) -> LocalCluster:
        return await self

    async def __aexit__(self, *exception: Any) -> None:
        await asyncio.to_thread(self._close)

    def __repr__(self) -> str:
        return (
            f"LocalCluster({self.scheduler_address!r}, workers={len(self.workers)}, "
            f"threads={len(self.workers) * self._threads}, {self.status})"
        )


class _Here:
    """A worker of this process, as the cluster ends them."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def stop(self) -> None:
        self.worker._ensure_closed()

    def wait(self, timeout: float) -> None:
        self.worker._ended.wait(timeout)


def _share(
    n_workers: int | None, threads_per_worker: int | None, processes: bool
) -> tuple[int, int]:
    """Workers and threads of each: as many workers as threads each, roughly, above four cores."""
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


def _limit(memory_limit: Any, threads: int) -> int:
    if memory_limit in (None, 0):
        return 0
    if memory_limit == "auto":
        return int(memory_bytes() * min(1.0, threads / cpu_count()))
    if isinstance(memory_limit, float) and 0 < memory_limit <= 1:
        return int(memory_bytes() * memory_limit)
    return parse_bytes(memory_limit)


def _security(security: Security | bool | None) -> Security:
    if security is True:
        return Security.temporary()
    if isinstance(security, Security):
        return security
    return Security.with_token()


@atexit.register
def _close_all() -> None:
    for cluster in list(_clusters):
        cluster._close()
