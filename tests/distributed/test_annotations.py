"""Annotations of collections, which go with their layers to the cluster."""

from __future__ import annotations

import asyncio
import pickle

import numpy as np
import pandas as pd
import pytest
from functions import inc

import rask
import rask.array as da
import rask.bag as db
import rask.dataframe as dd
from rask.distributed import Client, LocalCluster, Worker, get_worker


@pytest.fixture(scope="module")
def client(narrow):
    """A client of one worker with one thread, without resources."""
    return narrow


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pair(cluster):
    with Client(cluster, set_as_default=False) as client:
        yield client


def where(block):
    """The number of the worker, for each element."""
    return np.full(block.shape, int(get_worker().name))


def join_names(block):
    """The workers of the blocks before, and this one."""
    return block * 10 + int(get_worker().name)


def test_layers_of_arrays_run_where_each_is_annotated(pair):
    for first, second in [(0, 1), (1, 0)]:
        with rask.annotate(workers=[first]):
            x = da.zeros(8, chunks=2).map_blocks(where, dtype=int)
        with rask.annotate(workers=[second]):
            y = x.map_blocks(join_names, dtype=int)
        expected = [first * 10 + second] * 8
        assert y.compute(scheduler=pair).tolist() == expected
        assert pair.compute(y).result().tolist() == expected
        assert pair.persist(y).compute(scheduler=pair).tolist() == expected


def test_slices_of_annotated_arrays_stay_annotated(pair):
    for worker in (0, 1):
        with rask.annotate(workers=str(worker)):
            x = da.zeros(8, chunks=2).map_blocks(where, dtype=int)
        assert x[::2].compute(scheduler=pair).tolist() == [worker] * 4
        assert (x + 0)[1:3].sum().compute(scheduler=pair) == 2 * worker


def note_worker(part):
    return part.assign(w=int(get_worker().name))


def test_bags_and_frames(pair):
    for worker in (0, 1):
        with rask.annotate(workers=[worker]):
            bag = db.from_sequence(range(4), npartitions=4).map(lambda _: int(get_worker().name))
            frame = dd.from_pandas(pd.DataFrame({"x": range(4)}), npartitions=2)
            frame = frame.map_partitions(note_worker, meta={"x": "i8", "w": "i8"})
        assert list(bag.compute(scheduler=pair)) == [worker] * 4
        assert frame.w.compute(scheduler=pair).tolist() == [worker] * 4


def name_after(*before):
    return [*before, int(get_worker().name)]


def test_delayed_calls_each_where_it_is_annotated(pair):
    call = rask.delayed(name_after, pure=False)
    with rask.annotate(workers=[0]):
        first = call()
    with rask.annotate(workers=[1]):
        second = call(first)
        other = call()
    with rask.annotate(workers=[0]):
        third = call(second, other)
    plain = rask.delayed(len)(third)
    assert third.compute(scheduler=pair) == [[[0], 1], [1], 0]
    assert rask.compute(plain, second, first, scheduler=pair) == (3, [[0], 1], [0])


def raise_once(path):
    with open(path, "a") as file:
        file.write("x")
        if file.tell() == 1:
            raise ConnectionError("not yet")
    return "done"


def test_retries_of_single_layers(pair, tmp_path):
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    with rask.annotate(retries=1, retry_delay="10ms"):
        patient = rask.delayed(raise_once)(one)
    hasty = rask.delayed(raise_once)(two)
    assert rask.delayed(inc)(rask.delayed(len)(patient)).compute(scheduler=pair) == 5
    with pytest.raises(ConnectionError):
        hasty.compute(scheduler=pair)
    # What is annotated comes before what the submission says.
    with rask.annotate(retries=0):
        never = rask.delayed(raise_once)(str(tmp_path / "three"))
    with pytest.raises(ConnectionError):
        never.compute(scheduler=pair, retries=3)


def test_resources_of_single_layers(client):
    with rask.annotate(resources={"GPU": 1}):
        needs = da.zeros(4, chunks=2) + 1
    total = needs.sum().persist(scheduler=client)
    future = client.futures_of(total)[0]
    assert future.status == "pending"
    assert (da.zeros(4, chunks=2) + 2).sum().compute(scheduler=client) == 8

    async def finish():
        options = {"security": client.security, "resources": {"GPU": 1}}
        async with Worker(client.scheduler_address, **options):
            return await asyncio.to_thread(future.result, 30)

    assert asyncio.run(finish()) == 4


def test_priorities_of_single_layers(client, tmp_path):
    log = str(tmp_path / "order")

    def note(name):
        with open(log, "a") as file:
            file.write(name)

    blocker = client.submit(wait_for_file, str(tmp_path / "go"), pure=False)
    calls = [rask.delayed(note, pure=False)("a") for _ in range(3)]
    with rask.annotate(priority=10):
        calls += [rask.delayed(note, pure=False)("b") for _ in range(3)]
    futures = client.compute(calls)
    open(tmp_path / "go", "w").close()
    client.gather([blocker, *futures])
    with open(log) as file:
        assert file.read() == "bbbaaa"


def wait_for_file(path):
    import os
    import time

    deadline = time.monotonic() + 30
    while not os.path.exists(path):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_functions_say_where_each_block_is_made(pair):
    with rask.annotate(workers=lambda key: (key[1] + key[2]) % 2):
        x = da.zeros((4, 4), chunks=2).map_blocks(where, dtype=int)
    expected = np.kron([[0, 1], [1, 0]], np.ones((2, 2), dtype=int)).tolist()
    assert x.compute(scheduler=pair).tolist() == expected
    assert pair.persist(x).compute(scheduler=pair).tolist() == expected
    copied = pickle.loads(pickle.dumps(x))
    assert copied.compute(scheduler=pair).tolist() == expected
    assert copied[::2].sum().compute(scheduler=pair) == 4
    with rask.annotate(workers=lambda key: [1 - key[1] % 2]):
        bag = db.from_sequence(range(4), npartitions=4).map(lambda _: int(get_worker().name))
        frame = dd.from_pandas(pd.DataFrame({"x": range(4)}), npartitions=2)
        frame = frame.map_partitions(note_worker, meta={"x": "i8", "w": "i8"})
    assert bag.compute(scheduler=pair) == [1, 0, 1, 0]
    assert frame.compute(scheduler=pair).w.tolist() == [1, 1, 0, 0]


def worker_name():
    return int(get_worker().name)


def test_functions_are_given_the_keys_of_delayed_calls(pair):
    seen = []

    def place(key):
        seen.append(key)
        return 0 if key.startswith("first") else 1

    names = ["first-a", "second", "first-b"]
    with rask.annotate(workers=place):
        calls = [rask.delayed(worker_name)(dask_key_name=name) for name in names]
        joined = rask.delayed(join)(calls)
    assert joined.compute(scheduler=pair) == [0, 1, 0]
    assert set(seen) == {*names, joined.key}


def join(values):
    return values


def test_functions_say_priorities_retries_and_resources_of_blocks(client, tmp_path):
    with rask.annotate(priority=lambda key: key[1], retries=lambda key: int(key[1] == 0)):
        x = da.zeros(4, chunks=1).map_blocks(note_and_fail_once, str(tmp_path), dtype=float)
    assert x.compute(scheduler=client).tolist() == [0, 0, 0, 0]
    with rask.annotate(resources=lambda key: {"GPU": 1} if key[1] else {}):
        x = da.zeros(2, chunks=1).map_blocks(np.negative, dtype=float)
    first, second = (client.compute(x.blocks[at]) for at in range(2))
    assert first.result() == 0
    with pytest.raises(TimeoutError):
        second.result(timeout=0.3)


def note_and_fail_once(block, folder, block_info=None):
    """The first block raises when it is first run."""
    place = block_info[0]["chunk-location"][0]
    with open(f"{folder}/{place}", "a") as file:
        file.write("x")
    with open(f"{folder}/{place}") as file:
        if place == 0 and file.read() == "x":
            raise ValueError("for the first time")
    return block


def test_functions_that_raise_or_make_no_sense_are_told_with_the_line(pair):
    for function, error, text in [
        (lambda key: key["name"], RuntimeError, "'priority' raised TypeError for the key"),
        (lambda key: "high", TypeError, "'priority' must be of type int, not 'high'"),
    ]:
        with rask.annotate(priority=function):
            x = da.ones(4, chunks=2) + 1
            call = rask.delayed(inc)(1)
        for work in (lambda x=x: x.compute(scheduler=pair), lambda x=x: pair.persist(x.sum())):
            with pytest.raises(error, match=rf"(?s){text}.*test_annotations\.py"):
                work()
        with pytest.raises(error, match=rf"(?s){text}.*test_annotations\.py"):
            call.compute(scheduler=pair)
        assert x.sum().compute(scheduler="threads") == 8
    with rask.annotate(task_timeout=lambda key: 1 + key[1]):
        x = da.ones(4, chunks=2).map_blocks(np.negative)
    with pytest.raises(NotImplementedError, match="the same for all blocks"):
        x.compute(scheduler=pair)
    with (
        rask.annotate(priority=lambda key: 1),
        pytest.raises(NotImplementedError, match="function of keys"),
    ):
        pair.submit(inc, 1)


def test_annotations_that_make_no_sense():
    for wrong in [{"priority": "high"}, {"retries": 1.5}, {"resources": 3}, {"workers": 1.5}]:
        with pytest.raises(TypeError), rask.annotate(**wrong):
            pass
    with pytest.raises(ValueError), rask.annotate(retry_delay="soon"):
        pass


def test_annotations_travel_with_pickled_collections(pair):
    with rask.annotate(workers=[1]):
        x = da.zeros(4, chunks=2).map_blocks(where, dtype=int)
    y = pickle.loads(pickle.dumps(x))
    assert y.compute(scheduler=pair).tolist() == [1] * 4


def test_annotated_alike_is_one_task(pair):
    def layers(collection):
        plan, _ = type(collection)._rask_lower([collection], True)
        return len(plan.layer_names)

    plain = layers((da.ones(4, chunks=2) + 1) * 2)
    with rask.annotate(priority=1):
        alike = layers((da.ones(4, chunks=2) + 1) * 2)
        first = da.ones(4, chunks=2) + 1
    with rask.annotate(priority=2):
        apart = layers(first * 2)
    assert plain == alike < apart
