"""Workers that die, connections that lie."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest
from functions import inc, kill_own_process, slow_square

from rask.distributed import Client, KilledWorker, LocalCluster, Security, as_completed


def worker_pids(client):
    return [worker["pid"] for worker in client.scheduler_info()["workers"].values()]


def test_killing_a_worker_changes_no_answer(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        squares = client.map(slow_square, range(100))
        sums = [client.submit(sum, squares[start : start + 10]) for start in range(0, 100, 10)]
        victims = worker_pids(client)
        for count, _ in enumerate(as_completed(squares)):
            if count in (10, 40):
                os.kill(victims.pop(), signal.SIGKILL)
        assert client.gather(squares) == [x * x for x in range(100)]
        expected = [sum(x * x for x in range(start, start + 10)) for start in range(0, 100, 10)]
        assert client.gather(sums) == expected


def test_a_dead_worker_is_replaced(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        before = worker_pids(client)
        os.kill(before[0], signal.SIGKILL)
        while len(pids := worker_pids(client)) < 2 or before[0] in pids:
            client.submit(slow_square, 1, pure=False).result()
        assert client.gather(client.map(inc, range(10))) == list(range(1, 11))


def test_a_task_that_kills_its_workers_is_given_up(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        innocent = client.map(slow_square, range(40))
        future = client.submit(kill_own_process, priority=10)
        with pytest.raises(KilledWorker, match="kill_own_process") as raised:
            future.result(timeout=60)
        assert "signal 9 (SIGKILL)" in str(raised.value)
        assert client.gather(innocent) == [x * x for x in range(40)]


def test_restart_cancels_and_replaces(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        before = set(worker_pids(client))
        future = client.submit(inc, 1)
        assert future.result() == 2
        client.restart()
        assert future.cancelled()
        assert not before & set(worker_pids(client))
        assert client.submit(inc, 5).result() == 6


def test_a_wrong_token_is_refused(cluster):
    for security in (Security(), Security(token="guess")):
        with pytest.raises(PermissionError, match="token"):
            Client(cluster.scheduler_address, security=security, set_as_default=False)


def test_the_right_token_is_accepted(cluster):
    with Client(
        cluster.scheduler_address, security=cluster.security, set_as_default=False
    ) as client:
        assert client.submit(inc, 1).result() == 2
        assert client.gather(client.map(inc, range(1000))) == list(range(1, 1001))


@pytest.mark.parametrize("garbage", [b"", b"GET / HTTP/1.1\r\n\r\n" * 10, b"RASK" + b"\xff" * 500])
def test_garbage_costs_only_its_connection(cluster, client, garbage):
    host, port = cluster.scheduler_address.removeprefix("tcp://").split(":")
    worker = next(iter(client.scheduler_info()["workers"]))
    worker_host, worker_port = worker.removeprefix("tcp://").split(":")
    for address in ((host, int(port)), (worker_host, int(worker_port))):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address, timeout=5) as connection,
        ):
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert client.submit(inc, 1, pure=False).result() == 2


def test_encrypted_cluster():
    security = Security.temporary()
    with LocalCluster(n_workers=1, threads_per_worker=1, security=security) as cluster:
        assert cluster.scheduler_address.startswith("tls://")
        with Client(cluster, set_as_default=False) as client:
            assert client.gather(client.map(inc, range(100))) == list(range(1, 101))
        with Client(cluster.scheduler_address, security=security, set_as_default=False) as client:
            assert client.submit(sum, list(range(100_000))).result() == 4999950000


def test_no_scheduler_is_told():
    with pytest.raises(OSError, match=r"127\.0\.0\.1:1"):
        Client("tcp://127.0.0.1:1", timeout=0.2, set_as_default=False)


def test_a_closed_client_says_so(cluster):
    client = Client(cluster, set_as_default=False)
    future = client.submit(inc, 1)
    client.close()
    assert client.status == "closed"
    with pytest.raises(RuntimeError, match="closed"):
        client.submit(inc, 1)
    assert future.status in ("finished", "lost")


def start_program(*arguments, **environment):
    import subprocess
    import sys

    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-m", "rask.cli", *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def test_scheduler_and_worker_programs(tmp_path):
    import json
    import time

    file, token = tmp_path / "scheduler.json", tmp_path / "token"
    token.write_text("a secret of this test\n")
    scheduler = start_program(
        "scheduler", "--host", "127.0.0.1", "--port", "0",
        f"--scheduler-file={file}", f"--token-file={token}",
    )  # fmt: skip
    worker = None
    try:
        while not file.exists() or not file.read_text():
            assert scheduler.poll() is None
            time.sleep(0.01)
        address = json.loads(file.read_text())["address"]
        worker = start_program("worker", address, "--nworkers=2", f"--token-file={token}")
        security = Security(token_file=str(token))
        with Client(scheduler_file=str(file), security=security, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=30)
            assert client.gather(client.map(inc, range(100))) == list(range(1, 101))
            victims = worker_pids(client)
            os.kill(victims[0], signal.SIGKILL)
            while len(pids := worker_pids(client)) < 2 or victims[0] in pids:
                client.submit(slow_square, 1, pure=False).result()
    finally:
        for program in filter(None, (worker, scheduler)):
            program.terminate()
            assert program.wait(timeout=20) == 0


_KILL_ONE = """
import os, signal, sys, time
from rask.distributed import Client, LocalCluster

with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
    processes = lambda: {worker["pid"] for worker in client.scheduler_info()["workers"].values()}
    before = processes()
    os.kill(min(before), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while len(now := processes()) < 2 or now == before:
        assert time.monotonic() < deadline
    # A worker that has hardly started is ended by a signal.
    print("closing", file=sys.stderr, flush=True)
"""


def test_there_is_one_warning_for_the_death_of_a_worker():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _KILL_ONE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told, _ = done.stderr.split("closing")
    [warning] = [line for line in told.splitlines() if "WARNING" in line]
    assert "a worker is lost" in warning and "signal 9 (SIGKILL)" in warning
