"""Plain task graphs: values, nesting, errors, and agreement with stock Dask."""

from __future__ import annotations

import operator
import threading

import dask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rask
from rask import local, threaded
from rask.diagnostics import CacheProfiler, Callback, Profiler, ProgressBar, ResourceProfiler


def inc(x):
    return x + 1


@pytest.mark.parametrize("get", [threaded.get, local.get_sync, rask.get])
def test_nesting_and_arguments(get):
    graph = {
        "x": 1,
        ("y", 0): (inc, "x"),
        "z": (operator.add, ("y", 0), 10),
        "alias": "z",
        "sum": (sum, ["x", ("y", 0), "z"]),
        "nested": (list, [[("y", 0)], "text"]),
    }
    assert get(graph, ["z", ["sum", [("y", 0)]], "alias"]) == (12, (15, (2,)), 12)
    assert get(graph, "nested") == [[2], "text"]
    with pytest.raises(KeyError, match="missing"):
        get(graph, "missing")


@st.composite
def random_graphs(draw):
    count = draw(st.integers(1, 40))
    graph = {}
    for number in range(count):
        sources = draw(st.lists(st.integers(0, number - 1), max_size=4)) if number else []
        graph[("t", number)] = (sum, [("t", source) for source in sources] + [number])
    return graph


@settings(max_examples=50, deadline=None)
@given(random_graphs())
def test_random_graphs_agree_with_dask(graph):
    keys = list(graph)
    assert threaded.get(graph, keys) == dask.get(graph, keys)


def test_many_threads_share_the_engine():
    """Several threads may compute at once, and tasks may compute in turn."""

    def nested(n):
        return threaded.get({"a": (inc, n)}, "a")

    graph = {("x", i): (nested, i) for i in range(50)}
    answers = {}

    def run(number):
        answers[number] = threaded.get(graph, list(graph))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(4), tuple(range(1, 51)))


def test_cycle_is_reported():
    with pytest.raises(RuntimeError, match="cycle"):
        threaded.get({"a": (inc, "b"), "b": (inc, "a")}, "a")


def test_tasks_run_on_several_threads():
    barrier = threading.Barrier(2, timeout=20)

    def meet():
        return barrier.wait() in (0, 1)

    assert all(threaded.get({"a": (meet,), "b": (meet,)}, ["a", "b"], num_workers=2))


def test_callbacks_and_profilers(capsys):
    seen = []
    watch = Callback(
        start=lambda graph: seen.append(("start", graph.total)),
        posttask=lambda key, value, graph, state, worker: seen.append(value),
        finish=lambda graph, state, failed: seen.append(("finish", failed)),
    )
    graph = {"a": 1, "b": (inc, "a")}
    with watch:
        threaded.get(graph, "b")
    assert seen[0][0] == "start"
    assert 2 in seen
    assert seen[-1] == ("finish", False)
    with Profiler() as profile, CacheProfiler() as cache, ResourceProfiler(dt=0.01) as resources:
        threaded.get(graph, "b")
    assert len(profile.results) == len(cache.results) >= 1
    assert all(task.end_time >= task.start_time for task in profile.results)
    assert resources.results
    assert resources.results[-1].mem > 1
    with ProgressBar():
        threaded.get(graph, "b")
    assert "100% Completed" in capsys.readouterr().out


def test_unknown_scheduler_is_refused():
    with pytest.raises(ValueError, match="no scheduler is named 'thread'"):
        rask.delayed(inc)(1).compute(scheduler="thread")


def test_callable_scheduler():
    """A function in the form of Dask's schedulers may run Rask's graphs."""
    assert rask.delayed(inc)(1).compute(scheduler=dask.get) == 2
