"""The same with ``await``."""

from __future__ import annotations

import asyncio

import pytest
from functions import fail, inc

from rask.distributed import Client, LocalCluster, as_completed, wait


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_futures_are_awaitable(cluster):
    async def main():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            future = client.submit(inc, 1)
            assert await future == 2
            assert await future.result() == 2
            assert await client.gather(client.map(inc, range(5))) == [1, 2, 3, 4, 5]
            with pytest.raises(ValueError, match="cannot do 1"):
                await client.submit(fail, 1)
            scattered = await client.scatter(5)
            assert await client.submit(inc, scattered) == 6

    run(main())


def test_as_completed_and_wait(cluster):
    async def main():
        client = await Client(cluster, asynchronous=True, set_as_default=False)
        futures = client.map(inc, range(10))
        seen = [await future async for future in as_completed(futures)]
        assert sorted(seen) == list(range(1, 11))
        done, not_done = await wait(futures)
        assert len(done) == 10 and not not_done
        info = await client.scheduler_info()
        assert len(info["workers"]) == 2
        await client.close()

    run(main())


def test_an_asynchronous_cluster():
    async def main():
        async with (
            LocalCluster(
                n_workers=1, threads_per_worker=1, processes=False, asynchronous=True
            ) as cluster,
            Client(cluster, asynchronous=True, set_as_default=False) as client,
        ):
            assert await client.submit(inc, 1) == 2

    run(main())
