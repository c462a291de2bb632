"""Superfluous copies of values are dropped."""

from __future__ import annotations

import functions
import pytest

import rask
from rask.distributed import Client, LocalCluster, wait


@pytest.fixture(scope="module")
def both():
    config = {"distributed.scheduler.active-memory-manager.interval": "20ms"}
    with (
        rask.config.set(config),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(both):
    with Client(both, set_as_default=False) as client:
        yield client
        client.amm.stop()


def holder_count(client, future):
    (holders,) = client.who_has([future]).values()
    return len(holders)


def needed_on_both(client):
    """A value that tasks on both workers have needed."""
    first, second = client.scheduler_info()["workers"]
    value = client.submit(functions.big, 1000, workers=[first], pure=False)
    used = [client.submit(len, value, workers=[w], pure=False) for w in (first, second)]
    wait(used)
    functions.wait_for(lambda: holder_count(client, value) == 2)
    return value


def test_a_run_drops_what_no_task_needs(client):
    value = needed_on_both(client)
    assert client.amm.running() is False
    assert client.amm.run_once() is None
    assert holder_count(client, value) == 1
    assert len(value.result()) == 1000
    assert client.amm.running() is False


def test_it_runs_between_start_and_stop(client):
    value = needed_on_both(client)
    client.amm.start()
    assert client.amm.running() is True
    functions.wait_for(lambda: holder_count(client, value) == 1)
    client.amm.stop()
    assert client.amm.running() is False
    assert len(value.result()) == 1000


def test_copies_that_were_asked_for_stay(client):
    value = client.submit(functions.big, 1000, pure=False)
    client.replicate([value])
    client.amm.run_once()
    assert holder_count(client, value) == 2


def test_of_an_asynchronous_client(both):
    import asyncio

    async def steer():
        async with Client(both, asynchronous=True, set_as_default=False) as client:
            await client.amm.start()
            before = await client.amm.running()
            await client.amm.stop()
            return before, await client.amm.running()

    assert asyncio.run(steer()) == (True, False)
