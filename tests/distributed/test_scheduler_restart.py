"""The scheduler is killed while work runs, and started again with its journal."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import functions
import numpy as np
import pytest

import rask.array as da
from rask.distributed import Client, Security, WorkerPlugin, get_worker

LIMIT = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """A scheduler with a journal and two workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.token = folder / "token"
        self.token.write_text("a token for this test only")
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.scheduler = self.start_scheduler()
        self.workers = [self.start_worker(name) for name in ("one", "two")]

    def start_scheduler(self) -> subprocess.Popen:
        command = ["scheduler", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--journal", str(self.folder / "journal"), "--token-file", str(self.token)]
        return self.start("rask.cli", *command)

    def start_worker(self, name: str) -> subprocess.Popen:
        command = [self.address, "--name", name, "--nthreads", "1"]
        return self.start("rask.distributed.worker", *command, "--token-file", str(self.token))

    def start(self, module: str, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-m", module, *arguments], env=self.environment)

    def kill_scheduler(self) -> None:
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()

    def connect(self) -> Client:
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                client = Client(
                    self.address,
                    security=Security(token_file=str(self.token)),
                    set_as_default=False,
                )
            except (OSError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                continue
            client.wait_for_workers(2, timeout=LIMIT)
            return client

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()


@pytest.fixture
def restartable(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def run_count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def test_ten_thousand_tasks_go_on_and_nothing_is_run_twice(restartable, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    gate = tmp_path / "gate"
    halves = {"folder": str(marks), "gate": str(gate), "half": 5_000}
    with restartable.connect() as client:
        futures = client.map(functions.mark_in_two_halves, range(10_000), pure=False, **halves)
        deadline = time.monotonic() + LIMIT
        while run_count(marks) < 2_000 and time.monotonic() < deadline:
            pass
        restartable.kill_scheduler()
        assert run_count(marks) <= 5_000
        gate.touch()
        restartable.scheduler = restartable.start_scheduler()
        assert client.gather(futures) == [i + 1 for i in range(10_000)]
        # A worker may have been stopped between the mark of a task and its end in no place.
        assert run_count(marks) == 10_000


def test_futures_of_before_are_used_after(restartable):
    with restartable.connect() as client:
        before = client.submit(functions.big, 1_000_000)
        array = client.persist(da.arange(1_000_000, chunks=100_000) * 2)
        assert before.result().nbytes == 8_000_000
        restartable.kill_scheduler()
        later = client.submit(np.sum, before)
        restartable.scheduler = restartable.start_scheduler()
        assert later.result(timeout=LIMIT) == 1_000_000
        assert client.compute(array.sum()).result(timeout=LIMIT) == 2 * sum(range(1_000_000))


def test_a_client_that_left_with_the_scheduler_is_forgotten_and_others_go_on(restartable):
    with restartable.connect() as stays, restartable.connect() as leaves:
        kept = stays.submit(functions.inc, 1)
        lost = leaves.submit(functions.inc, 2)
        assert stays.gather(kept) == 2 and leaves.gather(lost) == 3
        restartable.kill_scheduler()
        leaves.close()
        restartable.scheduler = restartable.start_scheduler()
        assert stays.submit(functions.inc, kept).result(timeout=LIMIT) == 3


def test_without_a_journal_the_error_says_what_to_do(tmp_path):
    cluster = Cluster(tmp_path)
    try:
        with cluster.connect() as client:
            future = client.submit(functions.inc, 1, pure=False)
            assert future.result() == 2
            cluster.kill_scheduler()
            (tmp_path / "journal" / "journal").unlink()
            cluster.scheduler = cluster.start_scheduler()
            with pytest.raises(Exception, match="a scheduler with a journal remembers"):
                client.submit(functions.inc, future).result(timeout=LIMIT)
    finally:
        cluster.close()


class Mark(WorkerPlugin):
    def setup(self, worker):
        worker.mark = "set by a plugin"


def test_plugins_outlive_the_scheduler_and_who_registered_them(restartable):
    with restartable.connect() as client:
        client.register_plugin(Mark(), name="mark")
    restartable.kill_scheduler()
    restartable.scheduler = restartable.start_scheduler()
    with restartable.connect() as client:
        restartable.workers.append(restartable.start_worker("three"))
        client.wait_for_workers(3, timeout=LIMIT)
        marks = client.run(lambda dask_worker: dask_worker.mark, workers=["three"])
        assert list(marks.values()) == ["set by a plugin"]


def log_news(text):
    get_worker().log_event("news", text)
    return text


def test_subscribers_hear_of_what_comes_after_the_restart(restartable):
    with restartable.connect() as client:
        news: queue.Queue = queue.Queue()
        client.subscribe_topic("news", news.put)
        assert client.submit(log_news, "before").result() == "before"
        assert news.get(timeout=LIMIT)[1] == "before"
        restartable.kill_scheduler()
        restartable.scheduler = restartable.start_scheduler()
        assert client.submit(log_news, "after").result(timeout=LIMIT) == "after"
        assert news.get(timeout=LIMIT)[1] == "after"
        assert client.get_versions()["scheduler"]["packages"]["rask"]
        assert any("the scheduler listens" in line for _, line in client.get_scheduler_logs())
