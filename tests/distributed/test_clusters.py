"""Clusters, schedulers, nannies and workers as objects."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest
from functions import begin_and_wait, inc, wait_for

from rask.distributed import (
    Client,
    Environ,
    LocalCluster,
    Nanny,
    ProcessInterface,
    Scheduler,
    SpecCluster,
    SSHCluster,
    Status,
    SubprocessCluster,
    Worker,
)


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


def test_who_waits_for_futures_of_a_cluster_that_is_closed_waits_no_longer(tmp_path):
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False) as cluster:
        owner = Client(cluster, set_as_default=False)
        other = Client(cluster.scheduler_address, set_as_default=False)
        gate = tmp_path / "gate"
        blocked = owner.submit(begin_and_wait, str(tmp_path / "begun"), str(gate))
        wait_for((tmp_path / "begun").exists)
        waiting = other.submit(inc, 1)
        with ThreadPoolExecutor(2) as threads:
            ended = [threads.submit(future.result) for future in (blocked, waiting)]
            cluster.close()
            gate.touch()
            for outcome in ended:
                with pytest.raises(CancelledError, match="the client was closed"):
                    outcome.result(30)
        assert owner.status == other.status == "closed"
        assert owner.cluster is cluster
        with pytest.raises(RuntimeError, match="the client is closed"):
            owner.submit(inc, 2)
        owner.close()


def test_a_client_that_made_its_cluster_outlives_it():
    client = Client(n_workers=1, threads_per_worker=1, processes=False, set_as_default=False)
    assert client.submit(inc, 1).result() == 2
    client.cluster.close()
    assert client.status == "closed"
    client.close()


def test_what_makes_no_cluster_and_no_client_is_refused():
    with pytest.raises(TypeError, match="n_workers must be a whole number, not '2'"):
        LocalCluster(n_workers="2")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="n_workers must be at least 0"):
        LocalCluster(n_workers=-1)
    with pytest.raises(ValueError, match="threads_per_worker must be at least 1"):
        LocalCluster(threads_per_worker=0)
    with pytest.raises(TypeError, match="not of int"):
        Client(5)


def test_clients_are_not_sent():
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False) as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(TypeError, match=r"variable 'client'.*get_client\(\)"),
    ):
        client.submit(lambda: client)


def test_clusters_leave_logging_to_the_program(capfd):
    root = logging.getLogger()
    before = list(root.handlers)
    root.handlers.clear()
    try:
        with (
            LocalCluster(n_workers=1, threads_per_worker=1) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            # Where a handler is, `logging.basicConfig` does nothing.
            assert root.handlers == []
            client.submit(warn_of, "many rows").result()
            logs = next(iter(client.get_worker_logs().values()))
            assert any("WARNING - many rows" in line for _, line in logs)
        logging.getLogger("analysis").warning("few rows")
    finally:
        root.handlers[:] = before
    assert capfd.readouterr().err.splitlines() == ["many rows", "few rows"]


def warn_of(text):
    logging.getLogger("analysis").warning(text)


def test_workers_are_specified_one_by_one():
    scheduler = {"cls": Scheduler, "options": {"port": 0}}
    workers = {
        "alice": {"cls": Worker, "options": {"nthreads": 1}},
        "bob": {"cls": "rask.distributed.Worker", "options": {"nthreads": 2}},
    }
    with SpecCluster(workers, scheduler, name="mine") as cluster:
        assert cluster.name == "mine"
        cluster.name = "ours"
        assert "SpecCluster(ours" in repr(cluster)
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


def test_states_of_processes_are_checked():
    async def main():
        process = ProcessInterface()
        assert process.status == Status.created == "created"
        async with process:
            assert process.status == Status.running
            with pytest.raises(TypeError, match="Expected Status; got 'closing'"):
                process.status = "closing"
        assert process.status == Status.closed
        await process.finished()

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


def test_scheduler_and_workers_as_programs():
    with (
        SubprocessCluster(n_workers=1, threads_per_worker=1) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert cluster.observed == {0}
        assert client.submit(os.getpid).result() != os.getpid()
        cluster.scale(2)
        cluster.wait_for_workers(2, timeout=60)
        assert client.gather(client.map(inc, range(10))) == list(range(1, 11))
        with pytest.raises(ZeroDivisionError):
            client.run_on_scheduler(lambda: 1 / 0)


def test_a_program_that_does_not_start_says_why():
    with pytest.raises(RuntimeError, match=r"(?s)SubprocessScheduler ended.*unexpected argument"):
        SubprocessCluster(n_workers=1, scheduler_kwargs={"colour": "red"})
    with pytest.raises(RuntimeError, match=r"(?s)SubprocessWorker ended.*unrecognized arguments"):
        SubprocessCluster(n_workers=1, worker_kwargs={"colour": "red"})


@pytest.fixture
def fake_ssh(tmp_path, monkeypatch):
    """A program named ssh that runs the remote command here."""
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c "$1"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    monkeypatch.setenv("PYTHONPATH", path)


def test_a_cluster_by_ssh(fake_ssh):
    with (
        SSHCluster(
            ["127.0.0.1", "127.0.0.1"],
            connect_options={"known_hosts": None, "username": "me"},
            worker_options={"nthreads": 1, "n_workers": 2},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert cluster.plan == cluster.observed == {"0-0", "0-1"}
        assert client.gather(client.map(inc, range(10))) == list(range(1, 11))
        pids = client.run(os.getpid, nanny=True)
        assert len(set(pids.values())) == 1
        lines = [Path(f"/proc/{process}/cmdline").read_text() for process in pids.values()]
        assert not any(cluster.security.token in line for line in lines)
        started = [
            process.process.pid for process in (*cluster.workers.values(), cluster.scheduler)
        ]
    for process in started:
        wait_for(lambda process=process: not os.path.exists(f"/proc/{process}"))


def test_wrong_options_of_ssh_are_refused():
    with pytest.raises(ValueError, match="at least one host"):
        SSHCluster([])
    with pytest.raises(TypeError, match="passwords belong into keys"):
        SSHCluster(["localhost"], connect_options={"password": "secret"})
    with pytest.raises(RuntimeError, match="2 connect_options for 1 hosts"):
        SSHCluster(["localhost"], connect_options=[{}, {}])


SSHD = "/usr/sbin/sshd"


@pytest.fixture
def sshd(tmp_path):
    """Connect options of an ssh server of this test, and a Python that finds this package."""
    import socket
    import subprocess

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True
        )
    (tmp_path / "user.pub").rename(tmp_path / "authorized")
    config = tmp_path / "config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nUsePAM no\n"
        f"AuthorizedKeysFile {tmp_path}/authorized\nStrictModes no\nPermitRootLogin yes\n"
        f"PidFile none\n"
    )
    os.makedirs("/run/sshd", exist_ok=True)
    server = subprocess.Popen([SSHD, "-D", "-f", str(config), "-E", str(tmp_path / "log")])
    path = os.pathsep.join(entry for entry in sys.path if entry)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={path!r} exec {sys.executable} "$@"\n')
    python.chmod(0o755)

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens)
    yield {"port": port, "client_keys": tmp_path / "user", "known_hosts": None}, str(python)
    server.terminate()
    server.wait()


@pytest.mark.skipif(
    not os.path.exists(SSHD) or os.getuid() != 0, reason="needs an ssh server of its own"
)
def test_a_cluster_by_a_real_ssh_server(sshd):
    options, python = sshd
    with (
        SSHCluster(
            ["127.0.0.1", "127.0.0.1"],
            connect_options=options,
            worker_options={"nthreads": 1},
            remote_python=python,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert client.gather(client.map(inc, range(10))) == list(range(1, 11))
        connections = client.run(lambda: os.environ["SSH_CONNECTION"])
        assert all(text.endswith(f"127.0.0.1 {options['port']}") for text in connections.values())
        pids = list(client.run(os.getpid).values())
    for process in pids:
        wait_for(lambda process=process: not os.path.exists(f"/proc/{process}"))


def log_something(text):
    import logging

    logging.getLogger("my.work").warning("%s at work", text)


def test_logs_of_workers(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        client.submit(log_something, "alice", workers=["0"]).result()
        logs = client.get_worker_logs(n=5)
        assert len(logs) == 2
        entries = [entry for lines in logs.values() for entry in lines]
        [(level, line)] = [entry for entry in entries if "my.work" in entry[1]]
        assert level == "WARNING" and line.endswith("my.work - WARNING - alice at work")
        assert set(client.get_worker_logs(nanny=True)) == set(logs)
        assert any(
            "alice at work" in text for text in own_cluster.get_logs(scheduler=False).values()
        )
