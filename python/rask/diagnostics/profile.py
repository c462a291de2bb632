"""Profiles of local computations: tasks, resources, sizes of results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from rask.callbacks import Callback

__all__ = ["CacheProfiler", "Profiler", "ResourceProfiler"]


class TaskData(NamedTuple):
    """One task: its key, its layer's name, when it ran (seconds), and on which thread."""

    key: tuple[str, int]
    task: str
    start_time: float
    end_time: float
    worker_id: int


class Profiler(Callback):
    """Records when each task ran and on which thread, in `results`.

    Examples
    --------
    >>> import rask
    >>> with Profiler() as profile:
    ...     _ = rask.delayed(sum)([1, 2]).compute()
    >>> len(profile.results)
    1
    """

    def __init__(self) -> None:
        super().__init__()
        self.results: list[TaskData] = []
        self._running: dict[tuple[str, int], float] = {}

    def __enter__(self) -> Profiler:
        self.clear()
        super().__enter__()
        return self

    def _pretask(self, key: tuple[str, int], graph: Any, state: dict) -> None:
        self._running[key] = time.perf_counter()

    def _posttask(
        self, key: tuple[str, int], value: Any, graph: Any, state: dict, worker: int
    ) -> None:
        ended = time.perf_counter()
        started = self._running.pop(key, ended)
        self.results.append(TaskData(key, key[0], started, ended, worker))

    def clear(self) -> None:
        """Forget what was recorded."""
        self.results.clear()
        self._running.clear()


class ResourceData(NamedTuple):
    """One sample: time in seconds, resident memory in MB, processor use in percent of one core."""

    time: float
    mem: float
    cpu: float


class ResourceProfiler(Callback):
    """Samples this process's memory and processor use while computations run, in `results`.

    Parameters
    ----------
    dt : float
        Seconds between samples.
    """

    def __init__(self, dt: float = 1) -> None:
        super().__init__()
        self.results: list[ResourceData] = []
        self._dt = dt
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def _start(self, graph: Any) -> None:
        self.close()
        stop = self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, args=(stop,), daemon=True)
        self._thread.start()

    def _finish(self, graph: Any, state: dict, failed: bool) -> None:
        self.close()

    def _sample(self, stop: threading.Event) -> None:
        before = time.perf_counter(), time.process_time()
        while True:
            stopped = stop.wait(self._dt)
            now = time.perf_counter(), time.process_time()
            cpu = 100 * (now[1] - before[1]) / max(now[0] - before[0], 1e-9)
            self.results.append(ResourceData(now[0], resident_bytes() / 1e6, cpu))
            before = now
            if stopped:
                return

    def clear(self) -> None:
        """Forget what was recorded."""
        self.results.clear()

    def close(self) -> None:
        """Stop sampling."""
        if self._stop is not None and self._thread is not None:
            self._stop.set()
            self._thread.join()
        self._stop = self._thread = None


def resident_bytes() -> int:
    """Bytes of this process that are in memory."""
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    import os

    return pages * os.sysconf("SC_PAGE_SIZE")


class CacheData(NamedTuple):
    """One result: its key, its layer's name, its metric, and when it was made."""

    key: tuple[str, int]
    task: str
    metric: float
    cache_time: float


class CacheProfiler(Callback):
    """Records a metric of every task's result, in `results`.

    Parameters
    ----------
    metric : callable, optional
        A function of a result; by default every result counts one.
    metric_name : str, optional
        What the metric is called.
    """

    def __init__(
        self, metric: Callable[[Any], float] | None = None, metric_name: str | None = None
    ) -> None:
        super().__init__()
        self.results: list[CacheData] = []
        self._metric = metric or (lambda value: 1)
        self._metric_name = metric_name or getattr(metric, "__name__", "count")

    def _posttask(
        self, key: tuple[str, int], value: Any, graph: Any, state: dict, worker: int
    ) -> None:
        self.results.append(CacheData(key, key[0], self._metric(value), time.perf_counter()))

    def clear(self) -> None:
        """Forget what was recorded."""
        self.results.clear()
