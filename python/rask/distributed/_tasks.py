"""What tasks may ask of the worker that runs them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["get_client", "get_worker", "rejoin", "secede", "worker_client"]


def get_worker() -> Any:
    """The worker of this process.

    Raises
    ------
    ValueError
        If this process is no worker.
    """
    module = sys.modules.get("rask.distributed.worker")
    worker = getattr(module, "_current", None)
    if worker is None:
        raise ValueError("no worker found: this process is not a worker's")
    return worker


def get_client(
    address: str | None = None, timeout: Any = None, resolve_address: bool = True
) -> Any:
    """A client of the cluster that runs this task; outside of tasks the default client."""
    from rask.distributed.client import default_client

    try:
        worker = get_worker()
    except ValueError:
        return default_client()
    return worker._get_client()


@contextlib.contextmanager
def worker_client(timeout: Any = None, separate_thread: bool = True) -> Iterator[Any]:
    """A client inside of a task; while it is used, another task may run in the task's place."""
    client = get_client()
    if separate_thread:
        secede()
    try:
        yield client
    finally:
        if separate_thread:
            rejoin()


def secede() -> None:
    """Let another task run in the place of this one, which goes on beside it."""
    from rask import _core

    _core.secede()


def rejoin() -> None:
    """Take a place again after `secede`."""
    from rask import _core

    _core.rejoin()
