"""Objects that live on workers."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
from functions import inc, wait_for_file

from rask.distributed import (
    Actor,
    BaseActorFuture,
    Client,
    KilledWorker,
    get_client,
    get_worker,
)


class Counter:
    n = 0

    def __init__(self, start=0):
        self.n = start
        self.seen = []

    def increment(self):
        self.n += 1
        return self.n

    def add(self, x):
        self.n += x
        return self.n

    def note(self, item):
        self.seen.append(item)

    async def wait_for(self, value):
        while self.n < value:
            await asyncio.sleep(0.001)
        return self.n

    def fail(self):
        raise KeyError("in the actor")

    def worker(self):
        return get_worker().address

    def process(self):
        return os.getpid()


@pytest.fixture
def counter(client):
    return client.submit(Counter, actor=True).result()


def test_methods_and_attributes(counter):
    assert isinstance(counter, Actor)
    assert repr(counter).startswith("<Actor: Counter, key=Counter-")
    future = counter.increment()
    assert isinstance(future, BaseActorFuture)
    assert future.result(timeout=10) == 1 and future.done()
    assert [counter.increment().result() for _ in range(3)] == [2, 3, 4]
    assert counter.n == 4
    assert counter.seen == []
    assert "increment" in dir(counter)
    with pytest.raises(KeyError, match="in the actor"):
        counter.fail().result()
    with pytest.raises(AttributeError):
        counter.missing  # noqa: B018


def test_calls_are_begun_in_their_order(counter):
    futures = [counter.note(at) for at in range(500)]
    for future in futures:
        future.result()
    assert counter.seen == list(range(500))


def test_coroutine_methods_run_beside_others(counter):
    waiting = counter.wait_for(3)
    assert not waiting.done()
    for _ in range(3):
        counter.increment()
    assert waiting.result(timeout=10) == 3


def test_several_actors_are_several(client):
    counters = client.gather(client.map(Counter, range(10), actor=True))
    assert [counter.increment().result() for counter in counters] == list(range(1, 11))
    one, two = (client.submit(Counter, actor=True).result() for _ in range(2))
    one.increment().result()
    assert two.n == 0


def use(counter, x):
    return counter.add(x).result()


def test_tasks_use_actors(client):
    future = client.submit(Counter, actor=True)
    sums = client.gather([client.submit(use, future, at, pure=False) for at in range(20)])
    assert max(sums) == sum(range(20))
    assert future.result().n == sum(range(20))


def make_and_use():
    counter = get_client().submit(Counter, 10, actor=True, workers=[get_worker().name]).result()
    return counter.increment().result()


def test_tasks_make_actors(client):
    def nested():
        from rask.distributed import worker_client

        with worker_client() as inner:
            counter = inner.submit(Counter, 10, actor=True).result()
            return counter.increment().result()

    assert client.submit(nested).result(timeout=30) == 11


class Outer:
    def __init__(self, inner):
        self.inner = inner

    def pass_on(self, x):
        return self.inner.add(x).result()


@pytest.mark.parametrize("place", ["0", "1"])
def test_actors_use_actors(client, place):
    inner = client.submit(Counter, actor=True, workers=["0"])
    outer = client.submit(Outer, inner, actor=True, workers=[place]).result()
    assert [outer.pass_on(2).result(timeout=10) for _ in range(3)] == [2, 4, 6]
    assert inner.result().n == 6


def test_an_actor_ends_with_its_last_future(client):
    counter = client.submit(Counter, actor=True).result()
    key = counter.key
    count = lambda: sum(  # noqa: E731
        client.run(lambda dask_worker: key in dask_worker.state.actors).values()
    )
    assert count() == 1
    del counter
    for _ in range(1000):
        if count() == 0:
            break
    assert count() == 0


def test_asynchronous_use(cluster):
    async def main():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            counter = await client.submit(Counter, actor=True)
            assert await counter.increment() == 1
            assert await asyncio.gather(*(counter.add(10) for _ in range(3))) == [11, 21, 31]
            assert await counter.n == 31
            with pytest.raises(KeyError):
                await counter.fail()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_dead_worker_is_told(own_cluster, tmp_path):
    with Client(own_cluster, set_as_default=False) as client:
        future = client.submit(Counter, actor=True, workers=["0"])
        counter = future.result()
        # Another worker has fetched what stands for the actor.
        assert client.submit(use, future, 5, workers=["1"]).result() == 5
        path = str(tmp_path / "release")
        waiting = client.submit(use, future, client.submit(wait_for_file, path, 1, workers=["1"]))
        os.kill(counter.process().result(), signal.SIGKILL)
        with pytest.raises((ConnectionError, RuntimeError), match="Actor"):
            while True:
                counter.increment().result(timeout=30)
        # The worker's end is seen by calls first.
        deadline = time.monotonic() + 30
        while future.status != "error":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(KilledWorker, match="signal 9"):
            future.result()
        with pytest.raises(RuntimeError, match="Worker holding Actor was lost") as caught:
            counter.increment()
        assert isinstance(caught.value.__cause__, KilledWorker)
        (tmp_path / "release").touch()
        with pytest.raises(KilledWorker, match=f"the actor {future.key} was on 0"):
            waiting.result(timeout=30)
        client.retry(future)
        assert future.result(timeout=30).n == 0


def test_a_retired_worker_is_told(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        futures = client.map(Counter, range(2), actor=True, workers=["0"])
        counters = client.gather(futures)
        value = client.submit(inc, 1, workers=["0"])
        assert value.result() == 2
        client.retire_workers(["0"])
        for future, counter in zip(futures, counters, strict=True):
            with pytest.raises(KilledWorker, match="Its state is lost"):
                future.result(timeout=30)
            with pytest.raises(RuntimeError, match="Worker holding Actor was lost"):
                counter.increment()
        assert value.result(timeout=30) == 2
