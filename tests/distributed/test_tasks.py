"""What tasks may do besides returning a value: wait, ask for others, be coroutines, move on."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from functions import inc, slow_square, wait_for

import rask
from rask.distributed import (
    Client,
    LocalCluster,
    Reschedule,
    Worker,
    get_client,
    get_worker,
    worker_client,
)


async def meet(path, count):
    """Ends when `count` of these have begun."""
    with open(path, "a") as file:
        file.write("x")
    while os.path.getsize(path) < count:
        await asyncio.sleep(0.01)
    return get_worker().name


def test_coroutines_run_beside_each_other_and_beside_threads(client, tmp_path):
    path = str(tmp_path / "meeting")
    futures = [client.submit(meet, path, 50, pure=False) for _ in range(50)]
    assert client.submit(inc, 1, pure=False).result(timeout=30) == 2
    assert set(client.gather(futures)) <= {0, 1}


async def fail_later(x):
    await asyncio.sleep(0)
    raise KeyError(x)


def test_a_coroutine_that_raises_fails_its_task(client):
    with pytest.raises(KeyError, match="lost"):
        client.submit(fail_later, "lost").result()


async def wait_until_cancelled(begun, cancelled):
    begun.touch()
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        cancelled.touch()
        raise


def test_cancelling_a_coroutine_stops_it(client, tmp_path):
    begun, cancelled = tmp_path / "begun", tmp_path / "cancelled"
    future = client.submit(wait_until_cancelled, begun, cancelled)
    wait_for(begun.exists)
    future.cancel()
    wait_for(cancelled.exists)


def run_on_the_second(marker):
    if get_worker().name == 0:
        raise Reschedule()
    return get_worker().name


def test_reschedule_runs_a_task_elsewhere(client):
    assert client.gather([client.submit(run_on_the_second, at) for at in range(4)]) == [1] * 4


def total(numbers):
    with worker_client() as client:
        return sum(client.gather(client.map(inc, numbers, pure=False)))


def test_nested_submits_from_more_tasks_than_threads(client):
    futures = client.map(total, [[at, at + 1] for at in range(20)])
    assert client.gather(futures) == [2 * at + 3 for at in range(20)]


def fibonacci(n):
    if n < 2:
        return n
    with worker_client() as client:
        return sum(
            client.gather([client.submit(fibonacci, n - 1), client.submit(fibonacci, n - 2)])
        )


def test_tasks_submit_tasks_submit_tasks(client):
    assert client.submit(fibonacci, 8).result(timeout=60) == 21


def client_id():
    return get_client().id


def test_a_worker_has_one_client(client):
    ids = client.gather([client.submit(client_id, pure=False) for _ in range(20)])
    assert len(set(ids)) <= 2


def thread_name(_=None):
    return threading.current_thread().name


def test_tasks_choose_executors():
    with (
        LocalCluster(n_workers=0, processes=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        pool = ThreadPoolExecutor(1, thread_name_prefix="mine")
        worker = Worker(
            cluster.scheduler_address,
            security=cluster.security,
            nthreads=2,
            executor={"mine": pool},
            name="alice",
        )
        worker._ensure_started()
        try:
            client.wait_for_workers(1)
            assert client.submit(thread_name, executor="mine").result().startswith("mine")
            assert client.submit(thread_name, executor="offload").result().startswith("rask-off")
            with rask.annotate(executor="mine"):
                named = client.map(thread_name, range(3))
            assert all(name.startswith("mine") for name in client.gather(named))
            assert client.submit(os.getpid, executor="process").result() != os.getpid()
            with (
                rask.annotate(executor="mine"),
                pytest.raises(NotImplementedError, match="submit and client"),
            ):
                client.compute(rask.delayed(inc)(1))
            with pytest.raises(ValueError, match="no executor named 'gpu'; it has: actor, default"):
                client.submit(inc, 1, executor="gpu").result()
            assert set(worker.executors) >= {"mine", "offload", "process"}
        finally:
            worker._ensure_closed()
            pool.shutdown()


def sleep_and_tell(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(1000)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as file:
        return file.read().split(")")[1].split()[0] != "Z"


def test_a_task_in_a_process_can_be_killed(client, tmp_path):
    path = tmp_path / "pid"
    future = client.submit(sleep_and_tell, str(path), executor="process")
    wait_for(lambda: path.exists() and path.read_text())
    process = int(path.read_text())
    assert is_running(process)
    client.cancel(future, force=True)
    wait_for(lambda: not is_running(process))
    assert client.submit(inc, 5, executor="process").result() == 6


def test_a_task_on_a_thread_is_killed_with_its_process_if_nothing_else_runs_there(
    own_cluster, tmp_path
):
    with Client(own_cluster, set_as_default=False) as client:
        path = tmp_path / "pid"
        future = client.submit(sleep_and_tell, str(path))
        wait_for(lambda: path.exists() and path.read_text())
        process = int(path.read_text())
        client.cancel(future, force=True)
        wait_for(lambda: not is_running(process))
        assert client.gather(client.map(slow_square, range(10))) == [x * x for x in range(10)]


def test_run_calls_functions_on_workers(client):
    workers = list(client.scheduler_info()["workers"])
    pids = client.run(os.getpid)
    assert set(pids) == set(workers) and len(set(pids.values())) == 2
    names = client.run(lambda dask_worker: dask_worker.name, workers=[workers[0]])
    assert list(names) == [workers[0]]
    assert client.run(os.getpid, wait=False) is None

    async def later(x):
        await asyncio.sleep(0)
        return x

    assert set(client.run(later, 5).values()) == {5}


def test_run_and_errors(client):
    def fail(dask_worker):
        if dask_worker.name == 0:
            raise ZeroDivisionError("no")
        return 1

    with pytest.raises(ZeroDivisionError):
        client.run(fail)
    answers = client.run(fail, on_error="return")
    assert sorted(type(answer).__name__ for answer in answers.values()) == [
        "ZeroDivisionError",
        "int",
    ]
    assert list(client.run(fail, on_error="ignore").values()) == [1]
    with pytest.raises(ValueError, match="there is no worker 'nobody'"):
        client.run(os.getpid, workers=["nobody"])
    with pytest.raises(ValueError, match="on_error"):
        client.run(os.getpid, on_error="explode")


def look_around():
    worker = get_worker()
    return {
        "key": worker.get_current_task(),
        "executing": worker.state.executing,
        "threads": worker.nthreads,
        "address": worker.address,
        "folder": os.path.isdir(worker.local_directory),
        "data": dict(worker.data),
    }


def test_a_worker_says_about_itself(client):
    held = client.submit(inc, 41, workers=["0"])
    held.result()
    seen = client.submit(look_around, key="looking", workers=["0"]).result()
    assert seen["key"] == "looking"
    assert seen["executing"] == ["looking"]
    assert seen["threads"] == 1
    assert seen["address"] in client.scheduler_info()["workers"]
    assert seen["folder"]
    assert seen["data"][held.key] == 42


def test_outside_of_workers_there_is_none():
    with pytest.raises(ValueError, match="no worker"):
        get_worker()
