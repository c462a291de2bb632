"""Spans: work under names, and what became of it."""

from __future__ import annotations

import asyncio
import time

import pytest

import rask
import rask.array as da
from rask.distributed import Client, get_client, span

# What is to be told of the tasks of `test_activities`, and the least seconds of it.
_TOLD = {
    ("length", "deserialize"): 1e-6,
    ("nap", "thread-noncpu"): 0.38,
    ("nap_elsewhere", "wait"): 0.15,
    ("spin", "thread-cpu"): 0.19,
}


def double(number):
    return 2 * number


def names_here():
    return rask.get_annotations().get("span", {}).get("name")


def nap(seconds):
    time.sleep(seconds)
    return b"x" * 1000


def fail():
    raise ValueError("no")


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def length(data):
    return len(data)


def nap_elsewhere(seconds):
    return len(get_client().submit(nap, seconds, pure=False).result())


def submit_more():
    return get_client().submit(double, 21, pure=False).result()


async def coroutine():
    await asyncio.sleep(0)
    return rask.get_annotations()["span"]["name"]


def test_a_span_has_its_tasks_and_their_figures(client):
    before = time.time()
    with span("naps") as span_id:
        futures = client.map(nap, [0.05] * 4, pure=False)
        client.gather(futures)
    took = time.time() - before
    found = client.get_span(span_id)
    assert found.name == ("naps",)
    assert found.annotation == {"name": ("naps",), "ids": (span_id,)}
    assert found.states["memory"] == 4
    assert sum(found.states.values()) == 4
    assert found.done
    # On two threads.
    assert 0.2 <= found.duration < 2 * took
    assert found.all_durations == {"compute": pytest.approx(found.duration)}
    assert found.nbytes_total >= 4000
    assert before - 1 < found.enqueued <= found.start < found.stop < time.time() + 1
    assert found.active_cpu_seconds >= found.duration * 0.9
    assert [n for _, _, n in found.nthreads_intervals] == [2]
    metrics = found.cumulative_worker_metrics
    of_naps = [amount for key, amount in metrics.items() if key[1] == "nap"]
    assert sum(of_naps) == pytest.approx(found.duration, rel=0.05)
    assert ("execute", "N/A", "idle or other spans", "seconds") in metrics
    [group] = found.groups
    assert (group.prefix, len(group), group.done) == ("nap", 4, True)
    del futures
    deadline = time.monotonic() + 10
    while client.get_span(span_id).states["forgotten"] < 4:
        assert time.monotonic() < deadline
    assert client.get_span(span_id).duration == pytest.approx(found.duration)


def test_activities(client):
    with span("active") as span_id:
        one, two = sorted(client.scheduler_info()["workers"])
        client.gather([client.submit(spin, 0.2, pure=False), client.submit(nap, 0.2, pure=False)])
        data = client.submit(bytes, 20_000_000, workers=[one], pure=False)
        assert client.submit(length, data, workers=[two], pure=False).result() == 20_000_000
        assert client.submit(nap_elsewhere, 0.2, pure=False).result() == 1000
    deadline = time.monotonic() + 20
    metrics: dict = {}
    # Workers tell twice a second.
    while any(metrics.get(("execute", *key, "seconds"), 0) < least for key, least in _TOLD.items()):
        assert time.monotonic() < deadline, metrics
        metrics = client.get_span(span_id).cumulative_worker_metrics
    assert metrics["execute", "nap", "thread-cpu", "seconds"] < 0.1
    assert metrics["execute", "nap_elsewhere", "thread-noncpu", "seconds"] < 0.15


def test_spans_inside_of_spans(client):
    with span("outer") as outer_id:
        one = client.submit(double, 1, pure=False)
        with span("inner", "innermost") as inner_id:
            assert names_here() == ("outer", "inner", "innermost")
            two = client.submit(double, one, pure=False)
    assert names_here() is None
    assert two.result() == 4
    outer = client.get_span(outer_id)
    inner = client.get_span(inner_id)
    assert inner.name == ("outer", "inner", "innermost")
    assert [found.name[-1] for found in outer.traverse_spans()] == ["outer", "inner", "innermost"]
    assert inner.parent.parent.id == outer_id
    assert outer.states["memory"] == 2
    assert inner.states["memory"] == 1
    assert [found.id for found in client.get_spans("inner", "outer")] == [outer_id]
    merged = type(outer).merge(outer, inner)
    assert merged.states["memory"] == 3
    assert merged.enqueued == outer.enqueued
    with pytest.raises(ValueError, match="Nothing to merge"):
        type(outer).merge()


def test_collections_belong_to_where_they_were_made(client):
    with span("made") as made_id:
        x = da.ones((100, 100), chunks=(10, 10)).map_blocks(double)
    with span("submitted") as submitted_id:
        y = x.sum()
    assert client.compute(y).result() == 20_000
    made = client.get_span(made_id)
    assert made.groups
    assert any("double" in group.name for group in made.groups)
    assert client.get_span(submitted_id).duration > 0
    with span("computed") as computed_id, client.as_current():
        x.persist()
    with pytest.raises(KeyError, match="no work came"):
        client.get_span(computed_id)


def test_what_is_in_no_span_goes_where_it_is_submitted(client):
    x = da.ones((100,), chunks=(10,)).map_blocks(double)
    with span("computed") as computed_id:
        assert client.gather(client.compute(x)).sum() == 200
    assert sum(client.get_span(computed_id).states.values()) >= 10


def test_a_default_span(client):
    assert client.submit(double, 3, pure=False).result() == 6
    [*_, default] = client.get_spans("default")
    assert default.annotation is None
    assert default.name == ("default",)


def test_tasks_know_their_span_and_pass_it_on(client):
    with span("around", "here") as span_id:
        assert client.submit(names_here, pure=False).result() == ("around", "here")
        assert client.submit(coroutine, pure=False).result() == ("around", "here")
        assert client.submit(submit_more).result() == 42
    assert client.submit(names_here, pure=False).result() is None
    groups = client.get_span(span_id).groups
    assert {group.prefix for group in groups} == {
        "names_here",
        "coroutine",
        "submit_more",
        "double",
    }


def test_failures_and_code(client):
    with span("failing") as span_id:
        future = client.submit(fail, pure=False)
        assert isinstance(future.exception(), ValueError)
    found = client.get_span(span_id)
    assert found.states["erred"] == 1
    assert found.done
    [(source,)] = found.code
    assert "client.submit(fail, pure=False)" in source.code
    assert source.code.splitlines()[source.lineno_relative].strip().startswith("future =")
    assert source.filename == __file__


def test_metadata_is_kept_at_the_scheduler(client):
    with span("noted") as span_id:
        client.submit(double, 5, pure=False).result()
    found = client.get_span(span_id)
    assert found.metadata is None
    found.add_metadata({"collections": [{"type": "Array"}]})
    found.add_metadata({"collections": [{"type": "Bag"}]})
    expected = {"collections": [{"type": "Array"}, {"type": "Bag"}]}
    assert found.metadata == expected
    assert client.get_span(span_id).metadata == expected
    with pytest.raises(ValueError, match="65,536"):
        found.add_metadata({"text": ["x" * 70_000]})
    with pytest.raises(TypeError):
        found.add_metadata({"object": [object()]})


def test_what_is_no_span():
    for tags, error in [((), ValueError), (("",), ValueError), ((1,), TypeError)]:
        with pytest.raises(error), span(*tags):
            pass
    with pytest.raises(ValueError, match="64"), span(*"x" * 65):
        pass


def test_an_asynchronous_client(cluster):
    async def work():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:

            async def one(name):
                with span(name) as span_id:
                    await asyncio.sleep(0)
                    await client.submit(double, 1, pure=False)
                    await client.gather(client.map(double, range(3), pure=False))
                return span_id

            ids = await asyncio.gather(one("left"), one("right"))
            return [await client.get_span(span_id) for span_id in ids]

    left, right = asyncio.run(work())
    assert (left.name, right.name) == (("left",), ("right",))
    assert sum(left.states.values()) == sum(right.states.values()) == 4
