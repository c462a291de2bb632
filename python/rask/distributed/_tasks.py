"""What tasks may ask of the worker that runs them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from rask.distributed._context import find_task, find_worker

__all__ = [
    "get_client",
    "get_worker",
    "local_client",
    "rejoin",
    "secede",
    "worker_client",
]


def get_worker() -> Any:
    """The worker that runs the calling task.

    Returns
    -------
    Worker

    Raises
    ------
    ValueError
        If the calling code runs on no worker.
    """
    worker = find_worker()
    if worker is None:
        raise ValueError("no worker found: this code does not run on a worker")
    return worker


def get_client(
    address: str | None = None, timeout: Any = None, resolve_address: bool = True
) -> Any:
    """A client of the cluster that runs this task; outside of tasks the default client.

    All tasks of a worker share one client, which is made when the first asks for it. A task that
    waits for others with it gives up its place for as long as it waits. What it submits is counted
    for the task's share, and runs before what was submitted together with the task.

    Parameters
    ----------
    address : str, optional
        The scheduler's address, where the client must be one of another cluster.
    timeout : float or str, optional
        How long to try to connect.
    """
    from rask import base
    from rask.distributed.client import Client

    worker = None if isinstance(base.local_client(), Client) else find_worker()
    if worker is None:
        try:
            client = Client.current()
        except ValueError:
            if address is None:
                raise
            return Client(address, timeout=timeout)
        if address is None or client.scheduler_address == address:
            return client
        return Client(address, timeout=timeout)
    if address is not None and address != worker.scheduler_address:
        return Client(address, timeout=timeout, set_as_default=False)
    return worker._get_client(timeout)


@contextlib.contextmanager
def worker_client(timeout: Any = None, separate_thread: bool = True) -> Iterator[Any]:
    """A client inside of a task; while it is used, another task may run in the task's place.

    Parameters
    ----------
    timeout : float or str, optional
        How long to try to connect.
    separate_thread : bool
        Whether to `secede` meanwhile.

    Examples
    --------
    >>> def total(numbers):
    ...     with worker_client() as client:
    ...         squares = client.map(lambda x: x * x, numbers)
    ...         return sum(client.gather(squares))
    """
    client = get_client(timeout=timeout)
    seceded = separate_thread and secede()
    try:
        yield client
    finally:
        if seceded:
            rejoin()


def local_client(*args: Any, **kwargs: Any) -> Any:
    """The former name of `worker_client`."""
    warnings.warn("local_client has moved to worker_client", DeprecationWarning, stacklevel=2)
    return worker_client(*args, **kwargs)


def secede() -> bool:
    """Let another task run in the place of this one, which goes on beside it.

    Returns
    -------
    bool
        Whether there was a place to give up: False outside of tasks, in coroutines, which take
        none, and in a task that has seceded already.
    """
    from rask import _core

    return _core.secede()


def rejoin() -> None:
    """Take a place again after `secede`: another thread ends when it has nothing to do.

    Does nothing in a task that has not seceded.
    """
    from rask import _core

    _core.rejoin()


def current_key() -> Any:
    """The key of the task that the calling code belongs to; None outside of tasks."""
    task = find_task()
    return None if task is None else task.key
