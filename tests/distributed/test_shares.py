"""Shares: clients side by side, weights and quotas."""

from __future__ import annotations

import os
import signal
import time

import functions
import numpy as np
import pytest

from rask.distributed import Client, LocalCluster, as_completed, wait

LIMIT = 60.0

SHARES = {
    "heavy": {"weight": 3},
    "light": {"weight": 1},
    "narrow": {"tasks": 1},
    "small": {"memory": "1 MiB"},
}


@pytest.fixture(scope="module")
def cluster():
    options = {"shares": SHARES}
    with LocalCluster(n_workers=2, threads_per_worker=1, scheduler_kwargs=options) as cluster:
        yield cluster


def connect(cluster, share=None):
    return Client(
        cluster.scheduler_address,
        security=cluster.security,
        share=share,
        set_as_default=False,
        timeout=LIMIT,
    )


def rest(seconds, _=None):
    time.sleep(seconds)
    return os.getpid()


def zeros(nbytes, _=None):
    return np.zeros(nbytes, dtype="u1")


def test_shares_and_what_they_did_are_shown(cluster):
    with (
        connect(cluster, "heavy") as one,
        connect(cluster, "heavy") as two,
        connect(cluster) as own,
    ):
        assert one.submit(functions.inc, 1).result(LIMIT) == 2
        shares = two.shares()
        assert shares["heavy"]["weight"] == 3.0
        assert shares["heavy"]["clients"] == 2
        assert shares["heavy"]["own"]
        assert shares["heavy"]["ended"] >= 1
        assert shares["small"]["nbytes_max"] == 2**20
        assert shares["narrow"]["tasks_max"] == 1
        [name] = [name for name, share in own.shares().items() if share["own"]]
        assert name.startswith("client-")
        assert name in two.shares()


def test_a_share_goes_when_its_clients_do(cluster):
    with connect(cluster, "passing") as client:
        assert "passing" in client.shares()
    with connect(cluster) as client:
        deadline = time.monotonic() + LIMIT
        while "passing" in client.shares():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_short_job_ends_while_a_long_one_runs(cluster):
    with connect(cluster) as one, connect(cluster) as two:
        long = one.map(rest, [0.02] * 200, range(200))
        next(iter(as_completed(long)))
        began = time.monotonic()
        short = two.map(rest, [0.02] * 10, range(1000, 1010))
        wait(short, timeout=LIMIT)
        took = time.monotonic() - began
        done = sum(future.done() for future in long)
        # Alone it takes 0.1 s, the long job 2 s.
        assert done < 150, f"{done} of 200 tasks of the long job had ended first, after {took} s"
        del long


def test_weights_say_how_much_of_the_work_is_whose(cluster):
    with connect(cluster, "heavy") as heavy, connect(cluster, "light") as light:
        before = heavy.shares()
        jobs = [client.map(rest, [0.01] * 400, range(400), pure=False) for client in (heavy, light)]
        queue = as_completed(jobs[0])
        for _ in range(150):
            next(queue)
        after = heavy.shares()
        seconds = {
            name: after[name]["seconds"] - before[name]["seconds"] for name in ("heavy", "light")
        }
        assert 2.0 < seconds["heavy"] / seconds["light"] < 4.5, seconds
        del jobs, queue


def test_a_quota_of_tasks(cluster):
    with connect(cluster, "narrow") as client:
        futures = client.map(rest, [0.05] * 6, range(6))
        next(iter(as_completed(futures)))
        share = client.shares()["narrow"]
        assert share["processing"] <= 1
        assert share["held_back_by"] == "tasks"
        wait(futures, timeout=LIMIT)


def test_values_released_make_room_in_a_quota_of_memory(cluster):
    with connect(cluster, "small") as client:
        first = client.map(zeros, [2**19] * 2, range(2))
        wait(first, timeout=LIMIT)
        second = client.submit(zeros, 2**19, 7)
        deadline = time.monotonic() + LIMIT
        while client.shares()["small"]["held_back_by"] != "memory":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not second.done()
        del first
        assert len(second.result(LIMIT)) == 2**19


def test_a_quota_of_memory_that_cannot_be_met_is_an_error(cluster):
    with connect(cluster, "small") as client:
        parts = client.map(zeros, [2**19] * 8, range(8))
        total = client.submit(functions.count, parts)
        del parts
        with pytest.raises(MemoryError, match=r'share "small" may hold 1\.0 MiB'):
            total.result(LIMIT)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="could ever run"):
        LocalCluster(n_workers=0, scheduler_kwargs={"shares": {"a": {"tasks": 0}}})
    with pytest.raises(ValueError, match="weight"):
        LocalCluster(n_workers=0, scheduler_kwargs={"shares": {"a": {"weight": -1}}})
    with pytest.raises(ValueError, match="'speed' is none of"):
        LocalCluster(n_workers=0, scheduler_kwargs={"shares": {"a": {"speed": 2}}})
    with pytest.raises(TypeError, match="share must be"):
        Client("tcp://127.0.0.1:1", share=7)


def test_shares_outlive_the_scheduler():
    options = {"shares": SHARES}
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, journal=True, scheduler_kwargs=options
        ) as cluster,
        connect(cluster, "heavy") as client,
    ):
        futures = client.map(rest, [0.02] * 20, range(20))
        next(iter(as_completed(futures)))
        os.kill(cluster.scheduler.pid, signal.SIGKILL)
        share = client.shares()["heavy"]
        assert share["own"]
        assert share["weight"] == 3.0
        wait(futures, timeout=LIMIT)
        assert client.shares()["heavy"]["tasks"] == 20
