"""Waiting for several futures."""

from __future__ import annotations

import asyncio
import time
from collections import namedtuple
from typing import Any

from rask._core import CompletionQueue, Future
from rask.distributed._arguments import futures_of
from rask.distributed._futures import wait_async
from rask.distributed._submission import is_collection
from rask.distributed._utils import parse_seconds, seconds_left
from rask.distributed.exceptions import CancelledError

__all__ = ["DoneAndNotDoneFutures", "fire_and_forget", "wait"]

DoneAndNotDoneFutures = namedtuple("DoneAndNotDoneFutures", "done not_done")
#: Keys that an error names.
_NAMED_MAX = 10


def wait(fs: Any, timeout: Any = None, return_when: str = "ALL_COMPLETED") -> Any:
    """Wait until all futures, or the first, are done.

    Parameters
    ----------
    fs : futures, persisted collections, or containers of these
    timeout : float or str, optional
    return_when : {"ALL_COMPLETED", "FIRST_COMPLETED"}

    Returns
    -------
    done, not_done : sets of Future

    Raises
    ------
    TimeoutError
    CancelledError
        If futures are cancelled or released.
    """
    futures = futures_of(fs if isinstance(fs, Future) or is_collection(fs) else list(fs))
    if return_when not in ("ALL_COMPLETED", "FIRST_COMPLETED"):
        raise ValueError("return_when must be 'ALL_COMPLETED' or 'FIRST_COMPLETED'")
    if futures and futures[0].client.asynchronous:
        return _wait_async(futures, parse_seconds(timeout), return_when)
    if not futures:
        return DoneAndNotDoneFutures(set(), set())
    _wait_sync(futures, parse_seconds(timeout), return_when)
    return _split(futures)


def _wait_sync(futures: list[Future], timeout: float | None, return_when: str) -> None:
    if return_when == "ALL_COMPLETED":
        futures[0].client._core.wait_all(futures, timeout)
        return
    queue = CompletionQueue()
    futures[0].client._core.watch(futures, queue, 0)
    deadline = None if timeout is None else time.monotonic() + timeout
    while not queue.take(seconds_left(deadline)):
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(f"no future done after {timeout} seconds")


async def _wait_async(futures: list[Future], timeout: float | None, return_when: str) -> Any:
    waiting = [asyncio.ensure_future(wait_async(future)) for future in futures]
    done, pending = await asyncio.wait(waiting, timeout=timeout, return_when=return_when)
    for task in pending:
        task.cancel()
    if not done or (return_when == "ALL_COMPLETED" and pending):
        raise TimeoutError(f"futures not done after {timeout} seconds")
    return _split(futures)


def _split(futures: list[Future]) -> DoneAndNotDoneFutures:
    done = {future for future in futures if future.done()}
    if cancelled := [future for future in done if future.cancelled()]:
        raise _cancellation(cancelled)
    return DoneAndNotDoneFutures(done, {future for future in futures if future not in done})


def _cancellation(futures: list[Future]) -> CancelledError:
    """What is raised for futures that will never be done."""
    if len(futures) == 1:
        return futures[0]._exception()
    keys = ", ".join(str(future.key) for future in futures[:_NAMED_MAX])
    more = ", …" if len(futures) > _NAMED_MAX else ""
    return CancelledError(f"{len(futures)} futures were cancelled or released: {keys}{more}")


def fire_and_forget(obj: Any) -> None:
    """Run tasks to their end even if all their futures go away.

    Parameters
    ----------
    obj : Future, or nested lists of futures
    """
    for future in futures_of(obj):
        future.client._core.keep(future)
