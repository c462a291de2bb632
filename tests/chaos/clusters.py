"""A cluster on hosts of its own, whose processes and links tests disturb."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from hosts import Hosts

from rask.distributed import Client, Security

WORKERS = ["one", "two", "three"]
# A worker of which the scheduler hears nothing for so long is given up.
SILENT_SECONDS = 3


def slow_square(x: int) -> int:
    time.sleep(0.002)
    return x * x


def make(count: int) -> np.ndarray:
    return np.arange(count)


def total(array: np.ndarray) -> int:
    return int(array.sum())


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
            arguments = ["rask.cli", "scheduler", "--host", host]
            arguments += ["--worker-timeout", str(SILENT_SECONDS)]
            arguments += ["--journal", str(self.folder / "journal")]
            arguments += ["--recovery-timeout", "5", "--allowed-failures", "100"]
        else:
            arguments = ["rask.distributed.worker", self.address, "--name", name]
            arguments += ["--nthreads", "1", "--listen", f"tcp://{host}:0"]
        command = [*self.hosts.command(name), sys.executable, "-m", *arguments]
        self.processes[name] = subprocess.Popen(
            [*command, "--token-file", str(self.token)],
            env=self.environment,
            stderr=self.log(name).open("ab"),
        )

    def log(self, name: str) -> Path:
        """What a process has written to its standard error."""
        return self.folder / f"{name}.log"

    def kill(self, name: str) -> None:
        process = self.processes[name]
        process.kill()
        process.wait()
        self.start(name)

    def stop(self, name: str, seconds: float) -> None:
        self.freeze(name)
        time.sleep(seconds)
        self.thaw(name)

    def freeze(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGCONT)

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
