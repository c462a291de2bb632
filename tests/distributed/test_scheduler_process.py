"""A local cluster whose scheduler is a process, which is started again when it is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import functions
import pytest

import rask.array as da
import rask.dataframe as dd
from rask.distributed import Client, LocalCluster, SchedulerProcess

LIMIT = 60.0


@pytest.fixture(scope="module")
def journaled():
    with LocalCluster(n_workers=2, threads_per_worker=1, journal=True) as cluster:
        yield cluster


@pytest.fixture
def client(journaled):
    with Client(journaled, set_as_default=False) as client:
        yield client


def kill(cluster: LocalCluster) -> None:
    """Kill the scheduler and wait until another process runs."""
    killed = cluster.scheduler.pid
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + LIMIT
    while cluster.scheduler.pid in (killed, None):
        assert time.monotonic() < deadline, cluster.scheduler.ends


def run_count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def test_work_survives_several_kills_and_nothing_is_run_twice(journaled, client, tmp_path):
    futures = client.map(functions.mark, range(3_000), folder=str(tmp_path), pure=False)
    for count in (500, 1_500):
        deadline = time.monotonic() + LIMIT
        while run_count(tmp_path) < count and time.monotonic() < deadline:
            pass
        kill(journaled)
    assert client.gather(futures) == [i + 1 for i in range(3_000)]
    assert run_count(tmp_path) == 3_000
    assert "signal 9 (SIGKILL)" in journaled.scheduler.ends


def test_arrays_and_tables_survive_a_kill(journaled, client):
    array = da.arange(4_000_000, chunks=50_000)
    total = client.compute((array * 2 + 1).sum())
    table = dd.from_dict({"key": [i % 7 for i in range(70_000)], "x": range(70_000)}, npartitions=8)
    means = client.compute(table.groupby("key").x.mean())
    kill(journaled)
    assert total.result(timeout=LIMIT) == 4_000_000 * 3_999_999 + 4_000_000
    assert list(means.result(timeout=LIMIT).sort_index()) == [34_996.5 + k for k in range(7)]


def test_the_cluster_knows_its_workers_after_a_kill(journaled, client):
    before = {w["name"] for w in journaled.scheduler_info["workers"].values()}
    kill(journaled)
    client.wait_for_workers(2, timeout=LIMIT)
    assert {w["name"] for w in journaled.scheduler_info["workers"].values()} == before


def test_a_journal_needs_worker_processes():
    with pytest.raises(ValueError, match="end with it"):
        LocalCluster(n_workers=1, processes=False, journal=True)


def test_a_port_that_is_taken_is_an_error(journaled):
    port = int(journaled.scheduler_address.rsplit(":", 1)[1])
    scheduler = SchedulerProcess(port=port)

    async def start() -> None:
        await scheduler

    import asyncio

    with pytest.raises(RuntimeError, match=f"does not start on 127.0.0.1:{port}"):
        asyncio.run(start())
