"""Overhead a task: many tiny Python functions, on threads and on a cluster of two processes."""

from __future__ import annotations

import time

from benchmarks.cases.libraries import local_cluster, module_of


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


def case_map_gather(library: str, scale: float) -> dict:
    """``client.map`` over 50,000 integers, gathered, on two worker processes."""
    count = int(50_000 * scale)
    client, cluster = local_cluster(library)
    client.gather(client.map(inc, range(100)))
    start = time.perf_counter()
    result = client.gather(client.map(inc, range(count), pure=False))
    seconds = time.perf_counter() - start
    assert result == list(range(1, count + 1))
    client.close()
    cluster.close()
    return {"seconds": seconds, "microseconds_a_task": 1e6 * seconds / count}


def case_submit_round_trip(library: str, scale: float) -> dict:
    """One ``client.submit(inc, i).result()`` after another; the median round trip."""
    client, cluster = local_cluster(library)
    trips = []
    for i in range(max(20, int(300 * scale))):
        start = time.perf_counter()
        assert client.submit(inc, i, pure=False).result() == i + 1
        trips.append(time.perf_counter() - start)
    client.close()
    cluster.close()
    return {"seconds": sorted(trips)[len(trips) // 2]}
