"""`as_completed` and the executor of `concurrent.futures`."""

from __future__ import annotations

import concurrent.futures
import re
import time

import pytest
from functions import inc, wait_for_file

from rask.distributed import CancelledError, CompatibleExecutor, as_completed, rpc, wait


def nap(seconds):
    time.sleep(seconds)
    return seconds


def invert(x):
    return 1 / x


def test_batches_and_counts(client):
    futures = client.map(inc, range(10), pure=False)
    order = as_completed(futures[:5])
    order.update(futures[5:9])
    order.add(futures[9])
    assert order.count() == 10 and not order.is_empty()
    batches = list(order.batches())
    assert sorted(future.result() for batch in batches for future in batch) == list(range(1, 11))
    assert order.is_empty() and order.next_batch() == []


def test_futures_may_be_added_on_the_way(client):
    order = as_completed([client.submit(inc, 0)])
    seen = []
    for future in order:
        seen.append(future.result())
        if future.result() < 5:
            order.add(client.submit(inc, future.result()))
    assert seen == [1, 2, 3, 4, 5]


def test_results_and_errors(client):
    futures = [client.submit(invert, 0), client.submit(invert, 1)]
    results = {f.key: r for f, r in as_completed(futures, with_results=True, raise_errors=False)}
    kind, error, traceback = results[futures[0].key]
    assert kind is ZeroDivisionError and isinstance(error, kind) and traceback is not None
    assert results[futures[1].key] == 1.0
    with pytest.raises(ZeroDivisionError):
        list(as_completed(futures, with_results=True))


def test_limits_and_misuse(client, tmp_path):
    slow = client.submit(wait_for_file, str(tmp_path / "release"))
    with pytest.raises(TimeoutError):
        list(as_completed([slow], timeout=0.05))
    order = as_completed([slow])
    assert not order.has_ready() and order.next_batch(block=False) == []
    order.clear()
    assert order.is_empty()
    with pytest.raises(TypeError, match="must be a future"):
        as_completed([1])
    slow.cancel()
    (tmp_path / "release").touch()
    ((future, outcome),) = list(as_completed([slow], with_results=True))
    assert future is slow and isinstance(outcome, concurrent.futures.CancelledError)


class Doubler:
    def double(self, x):
        return 2 * x

    def invert(self, x):
        return 1 / x


def test_calls_of_actors_are_futures_too(client):
    doubler = client.submit(Doubler, actor=True).result()
    calls = [doubler.double(at) for at in range(5)]
    mixed = [*calls, client.submit(inc, 9)]
    assert sorted(future.result() for future in as_completed(mixed)) == [0, 2, 4, 6, 8, 10]
    order = as_completed(calls, with_results=True)
    assert sorted(value for _, value in order) == [0, 2, 4, 6, 8]
    with pytest.raises(ZeroDivisionError):
        list(as_completed([doubler.invert(0)], with_results=True))
    ((_, (kind, _, _)),) = as_completed([doubler.invert(0)], with_results=True, raise_errors=False)
    assert kind is ZeroDivisionError


def test_waiting_for_what_was_cancelled(client, tmp_path):
    path = tmp_path / "release"
    slow = client.map(wait_for_file, [str(path), str(path)], pure=False)
    client.cancel(slow)
    path.touch()
    for futures, said in ((slow[:1], slow[0].key), (slow, "2 futures were cancelled")):
        with pytest.raises(CancelledError, match=re.escape(str(said))):
            wait(futures, timeout=10)


def test_executor(client):
    with client.get_executor(pure=False) as executor:
        made = [executor.submit(inc, i) for i in range(5)]
        done, pending = concurrent.futures.wait(made)
        assert sorted(future.result() for future in done) == [1, 2, 3, 4, 5] and not pending
        assert list(executor.map(pow, [2, 3], [3, 2])) == [8, 9]
        assert isinstance(executor.submit(invert, 0).exception(), ZeroDivisionError)
        with pytest.raises(TimeoutError):
            list(executor.map(nap, [5], timeout=0.05))
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(inc, 1)
    with pytest.raises(TypeError, match="unsupported"):
        client.get_executor(colour="red")


def test_cancelling_through_the_executor(client):
    executor = client.get_executor(pure=False)
    blocker = [executor.submit(nap, 0.2) for _ in range(4)]
    waiting = executor.submit(nap, 5)
    assert waiting.cancel()
    assert [future.result() for future in blocker] == [0.2] * 4
    executor.shutdown()


def test_names_of_other_days(client):
    import asyncio

    with pytest.raises(RuntimeError, match="get_executor"):
        CompatibleExecutor()

    async def ask():
        async with rpc(client.scheduler_address, security=client.security) as scheduler:
            with pytest.raises(AttributeError, match="no handler"):
                scheduler.add(x=1)
            return await scheduler.identity()

    assert asyncio.run(ask())["address"] == client.scheduler_address


@pytest.mark.timeout(60)
def test_many_small_rounds_go_on(client):
    """The scheduler's thread gives up pickled arguments while this one asks it to watch others."""
    for number in range(200):
        futures = client.map(inc, range(number, number + 50), pure=False)
        results = [future.result() for future in as_completed(futures)]
        assert sorted(results) == list(range(number + 1, number + 51))
