"""How fast the machines of a cluster are, measured by their workers."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from typing import Any

from rask import _core
from rask.distributed._utils import parse_bytes

__all__ = ["measure"]

SIZES = {
    "disk": ("1 kiB", "100 kiB", "1 MiB", "10 MiB", "100 MiB"),
    "memory": ("2 kiB", "10 kiB", "100 kiB", "1 MiB", "10 MiB"),
    "network": ("1 kiB", "10 kiB", "100 kiB", "1 MiB", "10 MiB", "50 MiB"),
}
#: Seconds for each size.
SECONDS = {"disk": 1.0, "memory": 0.2, "network": 1.0}


def measure(
    worker: Any, what: str, other: str | None, sizes: tuple[str, ...], seconds: float
) -> dict[str, float]:
    """Bytes a second by size.

    Parameters
    ----------
    worker : Worker
    what : {"disk", "memory", "network"}
    other : str or None
        Address of the worker to which data are sent, and which sends them back.
    sizes : tuple of str
    seconds : float
        For each size.
    """
    steps = {"disk": _disk, "memory": _memory, "network": _network}[what]
    return {size: steps(worker, other, parse_bytes(size), seconds) for size in sizes}


def _repeat(step: Callable[[], int], seconds: float) -> float:
    start = time.perf_counter()
    total = 0
    while True:
        total += step()
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return total / elapsed


def _disk(worker: Any, other: str | None, size: int, seconds: float) -> float:
    data = random.randbytes(size)
    with tempfile.TemporaryDirectory(dir=worker.local_directory) as folder:

        def step() -> int:
            with open(os.path.join(folder, str(random.randrange(100))), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            return size

        return _repeat(step, seconds)


def _memory(worker: Any, other: str | None, size: int, seconds: float) -> float:
    data = random.randbytes(size)

    def step() -> int:
        for _ in range(16):
            data[:-1]
        return 16 * size

    return _repeat(step, seconds)


def _network(worker: Any, other: str | None, size: int, seconds: float) -> float:
    payload = _core.Payload(random.randbytes(size))

    def step() -> int:
        worker._caller.call(other, "echo", "", payload).result(60.0)
        return 2 * size

    return _repeat(step, seconds)
