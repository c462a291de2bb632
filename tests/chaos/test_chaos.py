"""Real work on hosts of their own, while processes are killed and stopped and links are cut."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rask.array as da
import rask.dataframe as dd
from rask.distributed import Client, Security

sys.path.insert(0, str(Path(__file__).parent))

from hosts import Hosts, are_possible

pytestmark = pytest.mark.skipif(
    not are_possible(), reason="network namespaces need root and the program ip"
)

WORKERS = ["one", "two", "three"]
LIMIT = 120.0


def slow_square(x: int) -> int:
    time.sleep(0.002)
    return x * x


class Cluster:
    """A scheduler with a journal and three workers, each on a host of its own."""

    def __init__(self, folder: Path) -> None:
        self.hosts = Hosts(["scheduler", *WORKERS])
        self.folder = folder
        self.token = folder / "token"
        self.token.write_text("known to this test only")
        self.address = f"tcp://{self.hosts.addresses['scheduler']}:8786"
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.processes: dict[str, subprocess.Popen] = {}
        self.lock = threading.Lock()
        for name in ["scheduler", *WORKERS]:
            self.start(name)

    def start(self, name: str) -> None:
        host = self.hosts.addresses[name]
        if name == "scheduler":
            arguments = ["rask.cli", "scheduler", "--host", host, "--worker-timeout", "3"]
            arguments += ["--journal", str(self.folder / "journal")]
            arguments += ["--recovery-timeout", "5", "--allowed-failures", "100"]
        else:
            arguments = ["rask.distributed.worker", self.address, "--name", name]
            arguments += ["--nthreads", "1", "--listen", f"tcp://{host}:0"]
        command = [*self.hosts.command(name), sys.executable, "-m", *arguments]
        self.processes[name] = subprocess.Popen(
            [*command, "--token-file", str(self.token)],
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, name: str) -> None:
        process = self.processes[name]
        process.kill()
        process.wait()
        self.start(name)

    def stop(self, name: str, seconds: float) -> None:
        process = self.processes[name]
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def cut_off(self, name: str, seconds: float) -> None:
        self.hosts.cut(name)
        time.sleep(seconds)
        self.hosts.mend(name)

    def close(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.hosts.close()


class Trouble:
    """What goes wrong, one thing after another, in an order that the seed gives."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)
        self.ended = threading.Event()
        self.seen: list[str] = []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        deeds = ["kill", "stop", "cut", "kill scheduler", "cut for long"]
        self.random.shuffle(deeds)
        while not self.ended.wait(0.7):
            deed = deeds[len(self.seen) % len(deeds)]
            name = self.random.choice(WORKERS)
            if deed == "kill":
                self.cluster.kill(name)
            elif deed == "stop":
                self.cluster.stop(name, 1.0)
            elif deed == "cut":
                self.cluster.cut_off(name, 1.0)
            elif deed == "cut for long":
                self.cluster.cut_off(name, 5.0)
            else:
                self.cluster.kill("scheduler")
            self.seen.append(deed)

    def __enter__(self) -> Trouble:
        self.thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ended.set()
        self.thread.join(30)


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def connect(cluster: Cluster) -> Client:
    deadline = time.monotonic() + 30
    while True:
        try:
            security = Security(token_file=str(cluster.token))
            client = Client(cluster.address, security=security)
        except OSError:
            if time.monotonic() > deadline:
                raise
            continue
        client.wait_for_workers(3, timeout=30)
        return client


@pytest.mark.parametrize("seed", [1, 2])
def test_answers_are_right_whatever_fails(cluster, seed):
    frame = pd.DataFrame({"key": np.arange(20_000) % 7, "x": np.arange(20_000.0)})
    numbers = np.arange(250_000.0).reshape(500, 500)
    deadline = time.monotonic() + LIMIT
    rounds = 0
    with connect(cluster) as client, Trouble(cluster, seed) as trouble:
        while len(trouble.seen) < 6:
            assert time.monotonic() < deadline, f"stands still after {trouble.seen}"
            futures = client.map(slow_square, range(300), pure=False)
            matrix = da.from_array(numbers, chunks=(100, 100))
            total = client.compute((matrix @ matrix.T).sum())
            grouped = client.compute(dd.from_pandas(frame, npartitions=8).groupby("key").x.sum())
            values = client.gather(futures, errors="raise")
            assert values == [i * i for i in range(300)]
            np.testing.assert_allclose(total.result(timeout=60), (numbers @ numbers.T).sum())
            expected = frame.groupby("key").x.sum()
            pd.testing.assert_series_equal(grouped.result(timeout=60), expected, check_names=False)
            rounds += 1
    assert rounds > 0
