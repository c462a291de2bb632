"""The same with ``await``."""

from __future__ import annotations

import asyncio

import pytest
from functions import fail, inc, wait_for_file

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


def test_many_iterations_wait_at_once(cluster, tmp_path):
    """Waiting takes no thread: more iterate than the event loop's executor has threads."""
    release = tmp_path / "release"

    async def follow(futures):
        return [await future async for future in as_completed(futures)]

    async def main():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            waiting = [client.submit(wait_for_file, str(release), at) for at in range(80)]
            following = [asyncio.ensure_future(follow([future])) for future in waiting]
            # What needs a thread is not held up.
            assert len((await client.scheduler_info())["workers"]) == 2
            release.touch()
            assert await asyncio.gather(*following) == [[at] for at in range(80)]

    run(main())


def test_the_condition_is_notified(cluster, tmp_path):
    async def main():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            release = tmp_path / "release"
            slow = client.submit(wait_for_file, str(release), 1)
            order = as_completed([slow])
            assert order.condition is order.condition
            seen = asyncio.Event()

            async def watch():
                async with order.condition:
                    await order.condition.wait_for(order.has_ready)
                seen.set()

            watching = asyncio.ensure_future(watch())
            await asyncio.sleep(0)
            assert not seen.is_set() and not order.has_ready()
            release.touch()
            await seen.wait()
            assert await order.__anext__() == slow
            # Also for futures that are added later, or that are done already.
            order.add(slow)
            async with order.condition:
                await order.condition.wait_for(order.has_ready)
            await watching

    run(main())


def test_an_iteration_has_a_time_limit(cluster, tmp_path):
    async def main():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            slow = client.submit(wait_for_file, str(tmp_path / "never"))
            with pytest.raises(TimeoutError, match="not done after"):
                async for _ in as_completed([slow], timeout=0.05):
                    raise AssertionError
            await client.cancel([slow])
            (tmp_path / "never").touch()

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
