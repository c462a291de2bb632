"""Tasks that may run for a limited time, and how workers end."""

from __future__ import annotations

import asyncio
import os
import time

import numpy as np
import pytest
from functions import fail_until, inc, slow_square, wait_for

import rask
from rask.distributed import Client, KilledWorker, LocalCluster, Nanny


def forever(path=None):
    if path is not None:
        with open(path, "w") as file:
            file.write(str(os.getpid()))
    while True:
        time.sleep(0.01)


def slow_once(path):
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) == 1:
        time.sleep(3600)
    return "done"


async def wait_forever(path):
    try:
        await asyncio.sleep(3600)
    finally:
        open(path, "w").close()


@pytest.fixture(scope="module")
def threads():
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False) as cluster:
        yield cluster


@pytest.fixture
def local(threads):
    with Client(threads, set_as_default=False) as client:
        yield client


def sleep_until(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def test_a_task_over_its_time_fails_and_its_thread_is_replaced(local, tmp_path):
    gate = str(tmp_path / "gate")
    stuck = [local.submit(sleep_until, gate, task_timeout="0.1s", pure=False) for _ in range(3)]
    for future in stuck:
        with pytest.raises(TimeoutError, match=r"0\.1 seconds, its task_timeout"):
            future.result(timeout=30)
    # Both threads of the worker are stuck; others have taken their places.
    assert local.gather(local.map(inc, range(20), task_timeout=30)) == list(range(1, 21))
    open(gate, "w").close()
    assert local.gather(local.map(slow_square, range(20))) == [x * x for x in range(20)]


def test_time_counts_for_one_run_and_retries_are_for_it(local, tmp_path):
    path = str(tmp_path / "count")
    future = local.submit(slow_once, path, task_timeout=0.2, retries=1)
    assert future.result(timeout=30) == "done"
    with rask.annotate(task_timeout="0.1s"):
        future = local.submit(forever_but_gated, str(tmp_path / "gate"))
    with pytest.raises(TimeoutError):
        future.result(timeout=30)
    open(tmp_path / "gate", "w").close()


def forever_but_gated(path):
    sleep_until(path)


def test_coroutines_over_their_time_are_cancelled(local, tmp_path):
    path = tmp_path / "ended"
    future = local.submit(wait_forever, str(path), task_timeout="0.1s")
    with pytest.raises(TimeoutError):
        future.result(timeout=30)
    wait_for(path.exists)


def takes_it(x, task_timeout):
    return x, task_timeout


def test_a_function_with_such_a_parameter_gets_it(local):
    assert local.submit(takes_it, 1, task_timeout=5).result() == (1, 5)
    with pytest.raises(ValueError, match="task_timeout must be between"):
        local.submit(inc, 1, task_timeout=0)
    with pytest.raises(ValueError, match="not a duration"):
        local.submit(inc, 1, task_timeout="soon")


def is_running(process):
    return os.path.exists(f"/proc/{process}")


@pytest.mark.parametrize("executor", ["process", "default"])
def test_what_runs_in_a_process_of_its_own_is_killed(own_cluster, tmp_path, executor):
    with Client(own_cluster, set_as_default=False) as client:
        path = tmp_path / "process"
        future = client.submit(forever, str(path), executor=executor, task_timeout="3s")
        with pytest.raises(TimeoutError):
            future.result(timeout=30)
        process = int(path.read_text())
        wait_for(lambda: not is_running(process))
        assert client.gather(client.map(inc, range(10))) == list(range(1, 11))


def test_retries_of_tasks_that_raise_still_work_beside_limits(local, tmp_path):
    path = str(tmp_path / "tries")
    assert local.submit(fail_until, path, 2, retries=2, task_timeout=30).result() == "done"


def stop_itself():
    os.abort()


def test_nannies_say_how_workers_ended(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        future = client.submit(stop_itself, priority=10)
        with pytest.raises(Exception, match=r"signal 6 \(SIGABRT\)"):
            future.result(timeout=60)
        ends = [end for nanny in own_cluster.workers.values() for end in nanny.ends]
        assert ends.count("signal 6 (SIGABRT)") == 4


def take_memory(nbytes: int) -> int:
    """Holds so much memory until it is stopped."""
    taken = [np.ones(1 << 20, dtype="u1") for _ in range(nbytes >> 20)]
    while True:
        taken[0] += 1


def test_a_process_over_its_memory_limit_is_replaced(strict_client):
    before = strict_client.run(os.getpid)
    greedy = strict_client.submit(take_memory, 500 << 20)
    with pytest.raises(KilledWorker, match="take_memory") as raised:
        greedy.result(timeout=60)
    # 95 % of the limit are 380 MiB.
    assert "380.0 MiB are allowed" in str(raised.value)
    strict_client.wait_for_workers(1, timeout=30)
    assert strict_client.submit(abs, -1).result(timeout=30) == 1
    assert set(strict_client.run(os.getpid).values()).isdisjoint(before.values())


def test_no_limit_is_kept_where_none_is_wanted():
    with rask.config.set({"distributed.worker.memory.terminate": False}):
        assert Nanny("tcp://127.0.0.1:1", memory_limit="1 GiB").memory_terminate_bytes == 0
    assert Nanny("tcp://127.0.0.1:1", memory_limit=0).memory_terminate_bytes == 0
    with rask.config.set({"distributed.worker.memory.terminate": 0.5}):
        nanny = Nanny("tcp://127.0.0.1:1", memory_limit="1 GiB")
        assert nanny.memory_terminate_bytes == 1 << 29
