"""The three jobs of the demo on every engine, and with workers killed while they run."""

from __future__ import annotations

import os
import signal
import threading

import pytest

import rask
from examples.demo import arrays, data, tables, words
from rask.distributed import Client, LocalCluster

JOBS = {"tables": tables, "arrays": arrays, "words": words}


@pytest.fixture(scope="module", autouse=True)
def written_data():
    data.write_flights()
    data.write_photographs()


@pytest.fixture(scope="module")
def references():
    return {name: job.reference() for name, job in JOBS.items()}


def run_job(name: str, directory, client: Client):
    return words.run(directory, client) if name == "words" else JOBS[name].run(directory)


@pytest.mark.parametrize("name", JOBS)
def test_on_threads(name, tmp_path, references):
    with (
        Client(LocalCluster(n_workers=1, threads_per_worker=2, processes=False)) as client,
        rask.config.set({"scheduler": "threads", "memory-limit": "256MiB"}),
    ):
        answer = run_job(name, tmp_path, client)
    JOBS[name].check(answer, references[name])


class Killer:
    """Kills each worker of a cluster once, one after another, as soon as tasks are running."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.killed: list[int] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.kill_workers)

    def __enter__(self) -> Killer:
        self.pids = list(self.client.run(os.getpid).values())
        self.thread.start()
        return self

    def kill_workers(self) -> None:
        for pid in self.pids:
            if self.stop.wait(0.15):
                return
            os.kill(pid, signal.SIGKILL)
            self.killed.append(pid)

    def __exit__(self, *exception) -> None:
        self.stop.set()
        self.thread.join()


@pytest.mark.parametrize("name", JOBS)
def test_workers_killed(name, tmp_path, references):
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        with Killer(client) as killer:
            answer = run_job(name, tmp_path, client)
            while not killer.killed:
                answer = run_job(name, tmp_path, client)
    JOBS[name].check(answer, references[name])
    assert killer.killed
