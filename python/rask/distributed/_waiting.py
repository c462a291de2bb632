"""Waiting for several futures."""

from __future__ import annotations

import asyncio
import time
from collections import namedtuple
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from rask._core import CompletionQueue, Future
from rask.distributed._futures import wait_async
from rask.distributed._submission import is_collection
from rask.distributed._utils import parse_seconds

__all__ = ["DoneAndNotDoneFutures", "as_completed", "fire_and_forget", "wait"]

DoneAndNotDoneFutures = namedtuple("DoneAndNotDoneFutures", "done not_done")

_POLL_SECONDS = 0.25


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
    """
    from rask.distributed.client import futures_of

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
    while not queue.take(_left(deadline)):
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
    return DoneAndNotDoneFutures(done, {future for future in futures if future not in done})


def _left(deadline: float | None) -> float:
    if deadline is None:
        return _POLL_SECONDS
    return max(0.0, min(_POLL_SECONDS, deadline - time.monotonic()))


class as_completed:
    """Iterate over futures in the order in which they are done.

    Parameters
    ----------
    futures : iterable of Future
    with_results : bool
        Whether to give ``(future, result)`` instead of futures.
    raise_errors : bool
        With results: whether to raise what a task raised, or to give ``(type, exception,
        traceback)`` as its result.
    timeout : float or str, optional
        For the whole iteration.

    Examples
    --------
    >>> for future in as_completed(client.map(inc, range(3))):  # doctest: +SKIP
    ...     print(future.result())
    """

    def __init__(
        self,
        futures: Iterable[Future] | None = None,
        loop: Any = None,
        with_results: bool = False,
        raise_errors: bool = True,
        *,
        timeout: Any = None,
    ) -> None:
        self.with_results = with_results
        self.raise_errors = raise_errors
        seconds = parse_seconds(timeout)
        self._timeout = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._queue = CompletionQueue()
        self._waiting: dict[int, Future] = {}
        self._ready: list[Future] = []
        self._next_token = 0
        self.update(futures or ())

    def update(self, futures: Iterable[Future]) -> None:
        """Add futures."""
        added = list(futures)
        for future in added:
            if not isinstance(future, Future):
                raise TypeError(f"Input must be a future, got {future!r}")
        first = self._next_token
        for future in added:
            self._waiting[self._next_token] = future
            self._next_token += 1
        if added:
            added[0].client._core.watch(added, self._queue, first)

    def add(self, future: Future) -> None:
        """Add a future."""
        self.update([future])

    def count(self) -> int:
        """How many futures are still to come."""
        return len(self._waiting) + len(self._ready)

    def is_empty(self) -> bool:
        """Whether none is still to come."""
        return self.count() == 0

    def has_ready(self) -> bool:
        """Whether one is at hand."""
        self._take(0.0)
        return bool(self._ready)

    def clear(self) -> None:
        """Forget all futures."""
        self._waiting.clear()
        self._ready.clear()

    def _take(self, seconds: float) -> None:
        for token in self._queue.take(seconds):
            future = self._waiting.pop(token, None)
            if future is not None:
                self._ready.append(future)

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeoutError(f"futures not done after {self._timeout} seconds")

    def _await_ready(self) -> None:
        while not self._ready:
            self._take(_left(self._deadline))
            if not self._ready:
                self._check_time()

    def _present(self, future: Future) -> Any:
        if not self.with_results:
            return future
        if future.status in ("cancelled", "lost"):
            return future, future._exception()
        if self.raise_errors or future.status == "finished":
            return future, future._result()
        error = future._exception()
        return future, (type(error), error, error.__traceback__)

    def __repr__(self) -> str:
        return f"<as_completed: waiting={len(self._waiting)} done={len(self._ready)}>"

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.is_empty():
            raise StopIteration
        self._await_ready()
        return self._present(self._ready.pop(0))

    next = __next__

    def next_batch(self, block: bool = True) -> list[Any]:
        """All that are done, waiting for the first if `block`."""
        if block and not self.is_empty():
            self._await_ready()
        self._take(0.0)
        ready, self._ready = self._ready, []
        return [self._present(future) for future in ready]

    def batches(self) -> Iterator[list[Any]]:
        """Iterate over lists of all that are done at a time."""
        while not self.is_empty():
            yield self.next_batch(block=True)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self.is_empty():
            raise StopAsyncIteration
        await asyncio.to_thread(self._await_ready)
        future = self._ready.pop(0)
        return await asyncio.to_thread(self._present, future)


def fire_and_forget(obj: Any) -> None:
    """Run tasks to their end even if all their futures go away.

    Parameters
    ----------
    obj : Future, or nested lists of futures
    """
    from rask.distributed.client import futures_of

    for future in futures_of(obj):
        future.client._core.keep(future)
