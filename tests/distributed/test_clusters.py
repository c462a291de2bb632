"""Clusters, schedulers, nannies and workers as objects."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from functions import inc

from rask.distributed import (
    Client,
    Environ,
    LocalCluster,
    Nanny,
    ProcessInterface,
    Scheduler,
    SpecCluster,
    Status,
    Worker,
)


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_scheduler_worker_and_nanny_with_await(tmp_path):
    file = tmp_path / "scheduler.json"

    async def main():
        async with Scheduler(port=0, scheduler_file=str(file)) as scheduler:
            assert scheduler.status == Status.running
            worker = await Worker(scheduler_file=str(file), nthreads=1, name="alice")
            async with (
                Nanny(scheduler.address, nthreads=1, name="bob", env={"COLOUR": "red"}) as nanny,
                Client(scheduler.address, asynchronous=True) as client,
            ):
                assert await client.submit(inc, 1, workers=["alice"]) == 2
                colour = client.submit(os.getenv, "COLOUR", workers=["bob"])
                assert await colour == "red"
                assert set(scheduler.workers) == {worker.address, nanny.worker_address}
                before = nanny.pid
                assert await nanny.restart() == "OK"
                assert nanny.pid != before
                assert await client.submit(os.getpid, workers=["bob"]) == nanny.pid
            await worker.close()
            assert worker.status == "closed"

    run(main())


def test_a_cluster_scales():
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False) as cluster:
        assert cluster.plan == cluster.requested == cluster.observed == {0}
        cluster.scale(3)
        cluster.wait_for_workers(3, timeout=30)
        assert cluster.plan == {0, 1, 2}
        cluster.scale(cores=2)
        wait_for(lambda: len(cluster.observed) == 2)
        cluster.sync(cluster.scale_down, [0])
        assert cluster.plan == cluster.observed == {1}
        with Client(cluster, set_as_default=False) as client:
            assert client.submit(inc, 1).result() == 2
        assert "workers=1" in repr(cluster)
        assert "Workers" in cluster._repr_html_()
    assert cluster.status == "closed"


def test_workers_are_specified_one_by_one():
    scheduler = {"cls": Scheduler, "options": {"port": 0}}
    workers = {
        "alice": {"cls": Worker, "options": {"nthreads": 1}},
        "bob": {"cls": "rask.distributed.Worker", "options": {"nthreads": 2}},
    }
    with SpecCluster(workers, scheduler, name="mine") as cluster:
        assert cluster.name == "mine"
        info = cluster.scheduler_info["workers"].values()
        assert {worker["name"]: worker["nthreads"] for worker in info} == {"alice": 1, "bob": 2}
        with pytest.raises(ValueError, match="no specification of new workers"):
            cluster.scale(3)
        with pytest.raises(NotImplementedError):
            SpecCluster.from_name("mine")


class Pair(ProcessInterface):
    """Two workers at a time."""

    def __init__(self, scheduler, name=None, nthreads=1, **options):
        super().__init__()
        self.name = name
        self.made = [
            Worker(scheduler, name=f"{name}{suffix}", nthreads=nthreads, **options)
            for suffix in ("-a", "-b")
        ]

    async def start(self):
        for worker in self.made:
            await worker
        await super().start()

    async def close(self):
        for worker in self.made:
            await worker.close()
        await super().close()


def test_an_entry_may_be_several_workers():
    async def main():
        spec = {"cls": Pair, "options": {"nthreads": 1}, "group": ["-a", "-b"]}
        async with SpecCluster({0: spec}, worker=spec, asynchronous=True) as cluster:
            assert cluster.plan == cluster.requested == cluster.observed == {"0-a", "0-b"}
            await cluster.scale(2)
            assert cluster.observed == {"0-a", "0-b", "1-a", "1-b"}
            await cluster.scale_down(["0-b"])
            assert cluster.observed == {"1-a", "1-b"}
            async with Client(cluster, asynchronous=True, set_as_default=False) as client:
                assert await client.submit(inc, 1) == 2

    run(main())


class Failing(ProcessInterface):
    async def start(self):
        raise OSError("no machine left")

    def __init__(self, scheduler, name=None):
        super().__init__()


def test_a_worker_that_does_not_start_is_told():
    with pytest.raises(OSError, match="no machine left"):
        SpecCluster({0: {"cls": Failing}})


def test_a_process_that_dies_at_its_start_is_told():
    with pytest.raises(RuntimeError, match="worker 0 does not start"):
        LocalCluster(n_workers=1, preload=["/no/such/file.py"])


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="no arguments named colour"):
        LocalCluster(n_workers=1, colour="red")


def test_environments_and_restarts(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        first, second = own_cluster.workers.values()
        client.register_plugin(Environ({"COLOUR": 5}))
        assert set(client.run(os.getenv, "COLOUR").values()) == {"5"}
        before = second.pid
        outcome = client.restart_workers([first.worker_address])
        assert set(outcome.values()) == {"OK"}
        assert second.pid == before
        assert set(client.run(os.getenv, "COLOUR").values()) == {"5"}
        assert set(client.run(os.getpid, nanny=True).values()) == {os.getpid()}
        with pytest.raises(ValueError, match="no worker 'nobody'"):
            client.restart_workers(["nobody"])


def test_a_worker_ends_with_its_lifetime_and_is_replaced():
    with LocalCluster(
        n_workers=1, threads_per_worker=1, lifetime="0.5s", lifetime_restart=True
    ) as cluster:
        nanny = cluster.workers[0]
        first = nanny.pid
        wait_for(lambda: nanny.pid != first)
        assert nanny.ends[0] == "exit code 75"


def test_preloads_are_set_up_and_torn_down(tmp_path):
    preload = tmp_path / "preloaded.py"
    preload.write_text(
        f"""
def dask_setup(worker):
    worker.greeting = "hello"

def dask_teardown(worker):
    open({str(tmp_path / "ended")!r}, "w").close()
"""
    )
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, preload=[str(preload)]) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert list(client.run(lambda dask_worker: dask_worker.greeting).values()) == ["hello"]
    assert (tmp_path / "ended").exists()
