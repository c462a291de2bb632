"""Locks, semaphores, events, queues, variables, datasets, metadata."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading

import functions
import numpy as np
import pandas as pd
import pytest

import rask
import rask.array as da
import rask.bag as db
import rask.dataframe as dd
from rask.distributed import (
    Client,
    Event,
    Lock,
    MultiLock,
    Queue,
    Semaphore,
    Variable,
    wait,
)

LIMIT = 30


@pytest.fixture
def other(cluster):
    with Client(cluster, set_as_default=False) as other:
        yield other


# ---------------------------------------------------------------------- locks


def test_a_lock_has_one_holder(client, other):
    first, second = Lock("x", client=client), Lock("x", client=other)
    assert first.acquire()
    assert second.locked()
    assert not second.acquire(blocking=False)
    assert not second.acquire(timeout=0.05)
    first.release()
    assert second.acquire(timeout=LIMIT)
    second.release()
    assert not first.locked()
    with pytest.raises(RuntimeError, match="released too often"):
        first.release()


def test_tasks_add_to_a_counter_under_a_lock(client, tmp_path):
    path = tmp_path / "counter"
    path.write_text("0")
    futures = client.map(functions.count_up, [str(path)] * 20, pure=False)
    client.gather(futures)
    assert path.read_text() == "20"


def test_a_lock_is_free_when_its_client_is_gone(cluster, client):
    with Client(cluster, set_as_default=False) as short:
        Lock("left", client=short).acquire()
        assert not Lock("left", client=client).acquire(blocking=False)
    assert Lock("left", client=client).acquire(timeout=LIMIT)


def test_a_semaphore_counts_leases(client, other):
    mine, theirs = Semaphore(2, "two", client=client), Semaphore(2, "two", client=other)
    assert mine.acquire() and theirs.acquire()
    assert mine.get_value() == 2
    assert not mine.acquire(timeout=0.05)
    theirs.close()
    assert mine.acquire(timeout=LIMIT)
    mine.close()
    assert mine.get_value() == 0


def test_several_locks_are_taken_at_once(client, other):
    both = MultiLock(["a", "b"], client=client)
    assert both.acquire() and both.locked()
    one = MultiLock(["b", "c"], client=other)
    assert not one.acquire(timeout=0.05)
    assert one.acquire(num_locks=1, timeout=LIMIT)
    one.release()
    both.release()
    assert one.acquire(timeout=LIMIT)
    one.release()
    with pytest.raises(ValueError, match="num_locks"):
        both.acquire(num_locks=3)


# --------------------------------------------------------------------- events


def test_events_wake_who_waits(client):
    event = Event("go", client=client)
    assert not event.is_set()
    assert not event.wait(timeout=0.05)
    future = client.submit(functions.wait_for_event, "go")
    event.set()
    assert future.result(timeout=LIMIT) is True
    event.clear()
    assert not event.is_set()


# --------------------------------------------------------------------- queues


def test_queues_hand_over_values_and_futures(client, other):
    mine, theirs = Queue("q", client=client), Queue("q", client=other)
    future = client.submit(functions.inc, 1, pure=False)
    mine.put({"number": 5, "future": [future]})
    del future
    gc.collect()
    item = theirs.get(timeout=LIMIT)
    assert item["number"] == 5
    assert item["future"][0].client is other
    assert item["future"][0].result(timeout=LIMIT) == 2
    assert other.submit(functions.inc, item["future"][0]).result(timeout=LIMIT) == 3


def test_queues_keep_order_and_size(client):
    queue = Queue("sized", client=client, maxsize=2)
    queue.put(1)
    queue.put(2)
    assert queue.qsize() == 2
    with pytest.raises(TimeoutError):
        queue.put(3, timeout=0.05)
    assert queue.get() == 1
    queue.put(3)
    assert queue.get(batch=2) == [2, 3]
    assert queue.get(batch=True) == []
    with pytest.raises(TimeoutError):
        queue.get(timeout=0.05)
    queue.close()


def test_who_waits_for_a_closed_queue_is_told(client):
    queue = Queue("closing", client=client)
    problems: list[BaseException] = []
    started = threading.Event()

    def take() -> None:
        started.set()
        try:
            queue.get(timeout=LIMIT)
        except RuntimeError as error:
            problems.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    started.wait(LIMIT)
    while not problems:
        queue.close()
    thread.join(LIMIT)
    assert "was closed" in str(problems[0])


def test_tasks_send_through_a_queue(client):
    queue = Queue("from-tasks", client=client)
    futures = client.map(functions.put_in_queue, range(10), name="from-tasks", pure=False)
    assert sorted(queue.get(timeout=LIMIT) for _ in range(10)) == list(range(10))
    client.gather(futures)


# ------------------------------------------------------------------ variables


def test_variables_keep_futures_alive(cluster, client):
    with Client(cluster, set_as_default=False) as short:
        future = short.submit(functions.inc, 41, pure=False)
        Variable("answer", client=short).set(future)
    variable = Variable("answer", client=client)
    assert variable.get(timeout=LIMIT).result(timeout=LIMIT) == 42
    variable.set("text")
    assert variable.get() == "text"
    variable.delete()
    with pytest.raises(TimeoutError):
        variable.get(timeout=0.05)


def test_they_are_pickled_by_name(client):
    for shared in (Lock("p"), Semaphore(3, "p"), Event("p"), Queue("p"), Variable("p")):
        copy = pickle.loads(pickle.dumps(shared))
        assert (type(copy), copy.name) == (type(shared), "p")
    assert pickle.loads(pickle.dumps(MultiLock(["a", "b"]))).names == ["a", "b"]


def test_asynchronous_use(cluster):
    async def use() -> list:
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            lock, queue = Lock("async", client=client), Queue("async", client=client)
            seen = []

            async def work(number: int) -> None:
                async with lock:
                    await queue.put(number)

            await asyncio.gather(*[work(number) for number in range(20)])
            for _ in range(20):
                seen.append(await queue.get(timeout=LIMIT))
            return seen

    assert sorted(asyncio.run(use())) == list(range(20))


# ------------------------------------------------------------------- datasets


def test_datasets_outlive_their_publisher(cluster, client):
    frame = pd.DataFrame({"x": range(10), "y": list("ab" * 5)})
    with Client(cluster) as short:
        short.publish_dataset(
            array=short.persist(da.arange(20, chunks=5) + 1),
            frame=dd.from_pandas(frame, npartitions=3),
            bag=db.from_sequence(range(6), npartitions=2).map(functions.inc),
            plain={"numbers": [1, 2], "future": short.submit(functions.inc, 1)},
            delayed=rask.delayed(functions.inc)(4),
        )
        with pytest.raises(KeyError, match="already"):
            short.publish_dataset(array=1)
    assert client.list_datasets() == ("array", "bag", "delayed", "frame", "plain")
    with client.as_current():
        np.testing.assert_equal(client.get_dataset("array").compute(), np.arange(20) + 1)
        assert client.datasets["array"][3:5].sum().compute() == 9
        pd.testing.assert_frame_equal(client.get_dataset("frame").compute(), frame)
        assert client.get_dataset("bag").compute() == [1, 2, 3, 4, 5, 6]
        assert client.get_dataset("delayed").compute() == 5
        plain = client.get_dataset("plain")
        assert plain["numbers"] == [1, 2] and plain["future"].result() == 2
    for name in client.list_datasets():
        client.unpublish_dataset(name)
    with pytest.raises(KeyError, match="no dataset"):
        client.get_dataset("array")
    assert client.get_dataset("array", default=None) is None


def test_datasets_have_namespaces(client):
    client.publish_dataset(1, name="one/x")
    client.publish_dataset(2, name="two/x")
    assert client.list_datasets(namespace="one") == ("one/x",)
    client.publish_dataset(3, name="one/x", override=True)
    assert client.datasets["one/x"] == 3
    del client.datasets["one/x"], client.datasets["two/x"]
    assert len(client.datasets) == 0


def test_metadata(client, other):
    client.set_metadata(["run", "user"], "me")
    client.set_metadata(["run", "tries"], 3)
    assert other.get_metadata(["run", "user"]) == "me"
    assert other.get_metadata("run") == {"user": "me", "tries": 3}
    assert other.get_metadata("nothing", default=None) is None
    with pytest.raises(KeyError):
        other.get_metadata("nothing")


def test_what_items_refer_to_is_released_with_them(client):
    future = client.submit(functions.inc, 5, pure=False)
    wait([future])
    variable = Variable("released", client=client)
    variable.set(future)
    key = str(future.key)
    del future
    gc.collect()

    def is_held() -> bool:
        return any(key in str(keys) for keys in client.has_what().values())

    assert is_held()
    variable.delete()
    while is_held():
        pass
