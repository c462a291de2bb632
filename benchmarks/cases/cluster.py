"""What a cluster of two processes costs a task: maps, chains, and graphs of 100,000 tasks."""

from __future__ import annotations

import operator
import os
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from benchmarks.cases.libraries import local_cluster, module_of
from benchmarks.cases.tasks import inc


@contextmanager
def ray_session():
    """Ray with two worker processes, started and warm."""
    import ray  # pyright: ignore[reportMissingImports]

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    warm = ray.remote(inc)
    ray.get([warm.remote(i) for i in range(200)])
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def session(library: str):
    """A client of two warm worker processes."""
    client, cluster = local_cluster(library)
    client.gather(client.map(inc, range(100)))
    try:
        yield client
    finally:
        client.close()
        cluster.close()


def result_of(seconds: float, count: int) -> dict:
    return {"seconds": seconds, "microseconds_a_task": round(1e6 * seconds / count, 3)}


def case_cluster_map(library: str, scale: float) -> dict:
    """``client.map`` over 100,000 integers, gathered."""
    count = int(100_000 * scale)
    expected = list(range(1, count + 1))
    if library == "ray":
        with ray_session() as ray:
            task = ray.remote(inc)
            start = time.perf_counter()
            result = ray.get([task.remote(i) for i in range(count)])
            seconds = time.perf_counter() - start
    else:
        with session(library) as client:
            start = time.perf_counter()
            result = client.gather(client.map(inc, range(count), pure=False))
            seconds = time.perf_counter() - start
    assert result == expected
    return result_of(seconds, count)


def case_cluster_round_trip(library: str, scale: float) -> dict:
    """One call submitted and waited for after another; the median round trip."""
    count = max(20, int(300 * scale))
    trips: list[float] = []

    def measure(call: Callable[[int], int]) -> None:
        for i in range(count):
            start = time.perf_counter()
            assert call(i) == i + 1
            trips.append(time.perf_counter() - start)

    if library == "ray":
        with ray_session() as ray:
            task = ray.remote(inc)
            measure(lambda i: ray.get(task.remote(i)))
    else:
        with session(library) as client:
            measure(lambda i: client.submit(inc, i, pure=False).result())
    return {"seconds": sorted(trips)[len(trips) // 2]}


def case_cluster_chain(library: str, scale: float) -> dict:
    """A chain of 1,000 futures, each the argument of the next."""
    count = max(10, int(1000 * scale))
    if library == "ray":
        with ray_session() as ray:
            task = ray.remote(inc)
            start = time.perf_counter()
            future = task.remote(0)
            for _ in range(count - 1):
                future = task.remote(future)
            result = ray.get(future)
            seconds = time.perf_counter() - start
    else:
        with session(library) as client:
            start = time.perf_counter()
            future = client.submit(inc, 0, pure=False)
            for _ in range(count - 1):
                future = client.submit(inc, future, pure=False)
            result = future.result()
            seconds = time.perf_counter() - start
    assert result == count
    return result_of(seconds, count)


def case_cluster_native(library: str, scale: float) -> dict:
    """100,000 native tasks of one element each, kept on the workers."""
    count = int(100_000 * scale)
    array = module_of(library, "array")
    distributed = module_of(library, "distributed")
    with session(library):
        start = time.perf_counter()
        held = array.ones(count, chunks=1).persist()
        distributed.wait(held)
        seconds = time.perf_counter() - start
        assert int(held[-3:].sum().compute()) == 3
    return result_of(seconds, count)


def stamp(block: Any, path: str = "") -> Any:
    """Notes the time of its first call in any process."""
    try:
        with open(path, "x") as file:
            file.write(repr(time.time()))
    except FileExistsError:
        pass
    return block


def case_cluster_million(library: str, scale: float) -> dict:
    """Time from the submission of an array graph of a million tasks to its first task's start."""
    side = int(1000 * scale**0.5)
    array = module_of(library, "array")
    with (
        session(library) as client,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
    ):
        path = os.path.join(directory, "first")
        stamped = array.ones((side, side), chunks=1).map_blocks(
            stamp, path=path, dtype=float, meta=array.ones((1, 1)).compute()[:0, :0]
        )
        start = time.time()
        held = stamped.persist(optimize_graph=False)
        deadline = time.time() + 1200
        while not (os.path.exists(path) and os.path.getsize(path)) and time.time() < deadline:
            time.sleep(0.001)
        with open(path) as file:
            seconds = float(file.read()) - start
        client.cancel(held)
    return {"seconds": seconds, "tasks": side * side}


def tree_graph(count: int) -> tuple[dict, Any, Any]:
    """Sums of pairs of about ``count / 2`` calls, down to one."""
    leaves = count // 2
    graph: dict = {("leaf", i): (inc, i) for i in range(leaves)}
    level: list[Any] = list(graph)
    depth = 0
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        made = {
            (f"sum-{depth}", i): (operator.add, *pair)
            for i, pair in enumerate(pairs)
            if len(pair) == 2
        }
        graph.update(made)
        odd = pairs[-1] if len(pairs[-1]) == 1 else []
        level = [*made, *odd]
        depth += 1
    return graph, level[0], leaves * (leaves + 1) // 2


def split(i: int, parts: int) -> list[int]:
    return [i + k for k in range(parts)]


def add_all(numbers: list[int]) -> int:
    return sum(numbers)


def shuffle_graph(count: int) -> tuple[dict, Any, Any]:
    """Every one of n outputs takes a part of every one of n inputs, as n² tasks."""
    parts = max(2, int(count**0.5))
    graph: dict = {("split", i): (split, i, parts) for i in range(parts)}
    for j in range(parts):
        for i in range(parts):
            graph["part", i, j] = (operator.getitem, ("split", i), j)
        graph["merge", j] = (add_all, [("part", i, j) for i in range(parts)])
    graph["all"] = (add_all, [("merge", j) for j in range(parts)])
    return graph, "all", sum(i + k for i in range(parts) for k in range(parts))


def add_some(*numbers: int) -> int:
    return sum(numbers) % 1_000_003


def random_graph(count: int) -> tuple[dict, Any, Any]:
    """Each task needs up to three of the thousand before it; the seed is fixed."""
    numbers = random.Random(7)
    graph: dict = {}
    made: list[int] = []
    used: set[int] = set()
    for i in range(count):
        needed = numbers.randint(1, 3) if i > 0 else 0
        needs = [i - numbers.randint(1, min(i, 1000)) for _ in range(needed)]
        used.update(needs)
        graph["node", i] = (add_some, 1, *[("node", k) for k in needs])
        made.append(add_some(1, *[made[k] for k in needs]))
    ends = [i for i in range(count) if i not in used]
    graph["end"] = (add_some, *[("node", i) for i in ends])
    return graph, "end", add_some(*[made[i] for i in ends])


def run_graph_on_ray(ray: Any, graph: dict, wanted: Any) -> Any:
    """The same tasks as Ray's: one remote call each; the graph is in order of dependence."""
    remote: dict[Callable, Any] = {}
    made: dict = {}

    def argument(value: Any) -> Any:
        return made[value] if isinstance(value, tuple) and value in made else value

    def spread(*values: int) -> int:
        return sum(values)

    def wrap(function: Callable) -> Callable:
        """Ray takes no functions of C."""
        return (
            (lambda *values: function(*values)) if function.__module__ == "_operator" else function
        )

    for key, (function, *arguments) in graph.items():
        if function is add_all:
            function, arguments = spread, arguments[0]
        if function not in remote:
            remote[function] = ray.remote(wrap(function))
        made[key] = remote[function].remote(*[argument(value) for value in arguments])
    return ray.get(made[wanted])


def run_graph(library: str, made: tuple[dict, Any, Any]) -> dict:
    graph, wanted, expected = made
    if library == "ray":
        with ray_session() as ray:
            start = time.perf_counter()
            result = run_graph_on_ray(ray, graph, wanted)
            seconds = time.perf_counter() - start
    else:
        with session(library) as client:
            start = time.perf_counter()
            result = client.get(graph, wanted)
            seconds = time.perf_counter() - start
    assert result == expected, (result, expected)
    return result_of(seconds, len(graph))


def case_cluster_tree(library: str, scale: float) -> dict:
    """A tree of sums of 100,000 tasks."""
    return run_graph(library, tree_graph(int(100_000 * scale)))


def case_cluster_wide(library: str, scale: float) -> dict:
    """A shuffle written as a graph of 100,000 tasks."""
    return run_graph(library, shuffle_graph(int(100_000 * scale)))


def case_cluster_random(library: str, scale: float) -> dict:
    """A random graph of 100,000 tasks."""
    return run_graph(library, random_graph(int(100_000 * scale)))
