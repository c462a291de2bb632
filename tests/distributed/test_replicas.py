"""Copies of values on several workers."""

from __future__ import annotations

import functions
import numpy as np
import pytest

from rask.distributed import Client, LocalCluster, wait


@pytest.fixture(scope="module")
def four():
    with LocalCluster(n_workers=4, threads_per_worker=1, processes=False) as cluster:
        yield cluster


@pytest.fixture
def client(four):
    with Client(four) as client:
        yield client


def holder_counts(client, futures):
    return [len(holders) for holders in client.who_has(futures).values()]


def test_replicate_makes_copies(client):
    futures = client.map(functions.big, [1000, 2000], pure=False)
    client.replicate(futures, n=3)
    assert holder_counts(client, futures) == [3, 3]
    client.replicate(futures)
    assert holder_counts(client, futures) == [4, 4]
    with pytest.raises(ValueError, match="at least 1"):
        client.replicate(futures, n=0)


def test_values_are_taken_in_while_all_threads_are_busy(client, tmp_path):
    go = tmp_path / "go"
    busy = [client.submit(functions.wait_for_file, str(go), number) for number in range(12)]
    values = [np.full(1000, number) for number in range(8)]
    scattered = client.scatter(values)
    wait(scattered, timeout=30)
    assert not any(future.done() for future in busy)
    # Each worker in its turn.
    holders = client.who_has(scattered).values()
    assert sorted(holder_counts(client, scattered)) == [1] * 8
    assert len({holder for places in holders for holder in places}) == 4
    for value, back in zip(values, client.gather(scattered), strict=True):
        np.testing.assert_array_equal(value, back)
    first = client.submit(np.sum, scattered[3])
    go.touch()
    assert client.gather(busy) == list(range(12))
    assert first.result() == 3000


def test_replicate_to_named_workers(client):
    future = client.submit(functions.big, 10, pure=False)
    address = sorted(client.scheduler_info()["workers"])[-1]
    client.replicate([future], workers=[address])
    (holders,) = client.who_has([future]).values()
    assert address in holders


def test_scatter_broadcasts(client):
    future = client.scatter(np.arange(1000), broadcast=True)
    assert holder_counts(client, [future]) == [4]
    np.testing.assert_equal(future.result(), np.arange(1000))
    two = client.scatter([1, 2], broadcast=2)
    assert holder_counts(client, two) == [2, 2]


def test_rebalance_spreads_what_one_worker_holds(client):
    address = sorted(client.scheduler_info()["workers"])[0]
    futures = client.map(functions.big, range(100_000, 100_008), workers=[address], pure=False)
    wait(futures)
    client.rebalance(futures)
    holders = [tuple(names) for names in client.who_has(futures).values()]
    assert all(len(names) == 1 for names in holders)
    assert {holders.count(names) for names in set(holders)} == {2}
    assert client.gather(client.map(len, futures)) == list(range(100_000, 100_008))
