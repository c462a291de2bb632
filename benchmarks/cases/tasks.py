"""Overhead a task: many tiny Python functions, on threads."""

from __future__ import annotations

import time

from benchmarks.cases.libraries import module_of


def inc(x: int) -> int:
    return x + 1


def case_threads_inc(library: str, scale: float) -> dict:
    """100,000 independent calls as a plain graph, on the threads of the process."""
    count = int(100_000 * scale)
    threaded = module_of(library, "threaded")
    graph = {("x", i): (inc, i) for i in range(count)}
    keys = list(graph)
    start = time.perf_counter()
    result = threaded.get(graph, keys)
    seconds = time.perf_counter() - start
    assert list(result) == list(range(1, count + 1))
    return {"seconds": seconds, "microseconds_a_task": 1e6 * seconds / count}


def case_delayed_inc(library: str, scale: float) -> dict:
    """20,000 delayed calls, built and computed together."""
    count = int(20_000 * scale)
    root = module_of(library)
    start = time.perf_counter()
    result = root.compute(*[root.delayed(inc)(i) for i in range(count)])
    seconds = time.perf_counter() - start
    assert list(result) == list(range(1, count + 1))
    return {"seconds": seconds, "microseconds_a_task": 1e6 * seconds / count}
