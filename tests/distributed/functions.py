"""Functions that workers import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def inc(x):
    return x + 1


def add(x, y, z=0):
    return x + y + z


def fail(x):
    raise ValueError(f"cannot do {x}")


def process(_=None):
    return os.getpid()


def wait_for_file(path, value=None):
    while not Path(path).exists():
        time.sleep(0.005)
    return value


def begin_and_wait(begun, gate):
    """Leave a file, and wait for another."""
    Path(begun).touch()
    wait_for_file(gate)


def fail_until(path, times):
    """Raise `times` times; a file counts."""
    with open(path, "a") as file:
        file.write("x")
    if Path(path).stat().st_size <= times:
        raise OSError("not yet")
    return "done"


def kill_own_process(_=None):
    os.kill(os.getpid(), signal.SIGKILL)


def slow_square(x, seconds=0.02):
    time.sleep(seconds)
    return x * x


def mark(x, folder):
    """Leave a file for every time it is run."""
    with open(Path(folder) / f"{x}-{os.getpid()}-{time.monotonic_ns()}", "x"):
        return x + 1


def mark_in_two_halves(x, folder, gate, half):
    """As `mark`; the second half waits for a file."""
    if x >= half:
        wait_for_file(gate)
    return mark(x, folder)


def big(count):
    import numpy as np

    return np.ones(count)


def count(values):
    return len(values)


def count_up(path):
    """Add one to the number in a file; only right if nobody else does so at the same time."""
    from rask.distributed import Lock

    with Lock("counter"):
        number = int(Path(path).read_text())
        Path(path).write_text(str(number + 1))


def wait_for_event(name):
    from rask.distributed import Event

    return Event(name).wait(timeout=30)


def put_in_queue(item, name):
    from rask.distributed import Queue

    Queue(name).put(item)


def take_for_a_while(nbytes, seconds=0.5):
    """Hold so much memory for a while, and return a small value."""
    taken = bytearray(b"x") * nbytes
    time.sleep(seconds)
    return taken[0]


def noise(seed, nbytes):
    """Bytes that do not compress."""
    import numpy as np

    return np.random.default_rng(seed).integers(0, 256, nbytes, dtype="u1")


def total(array):
    return int(array.sum())


def wait_for(find, seconds=30.0):
    """Ask again and again until there is an answer that is true; the answer."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found
