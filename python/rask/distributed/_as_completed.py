"""Futures in the order in which they are done."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from rask._core import CompletionQueue, Future
from rask.distributed._futures import call_on_completion, stop_listening, watch, watch_one
from rask.distributed._utils import parse_seconds, seconds_left
from rask.distributed.actor import BaseActorFuture

__all__ = ["as_completed"]

AnyFuture = Future | BaseActorFuture[Any]


class as_completed:
    """Iterate over futures in the order in which they are done.

    Parameters
    ----------
    futures : iterable of Future or ActorFuture
    loop : asyncio event loop, optional
        On which `condition` is notified, where it is not asked for in a coroutine.
    with_results : bool
        Whether to give ``(future, result)`` instead of futures.
    raise_errors : bool
        With results: whether to raise what a task raised, or to give ``(type, exception,
        traceback)`` as its result.
    timeout : float or str, optional
        For the whole iteration.

    Examples
    --------
    >>> from rask.distributed import Client, as_completed
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     futures = client.map(abs, [-1, -2, -3])
    ...     sorted(future.result() for future in as_completed(futures))
    [1, 2, 3]
    """

    def __init__(
        self,
        futures: Iterable[AnyFuture] | None = None,
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
        self._waiting: dict[int, AnyFuture] = {}
        self._ready: list[AnyFuture] = []
        self._next_token = 0
        self._notifier = _Notifier(loop)
        self.update(futures or ())

    def update(self, futures: Iterable[AnyFuture]) -> None:
        """Add futures."""
        added = list(futures)
        for future in added:
            if not isinstance(future, (Future, BaseActorFuture)):
                raise TypeError(f"Input must be a future, got {future!r}")
        first = self._next_token
        self._next_token += len(added)
        self._waiting.update(enumerate(added, first))
        watch(added, self._queue, first)
        self._notifier.follow(added)

    def add(self, future: AnyFuture) -> None:
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

    @property
    def condition(self) -> asyncio.Condition:
        """Notified whenever a future is done, for coroutines that wait for that beside other things.

        It belongs to the event loop on which it is first asked for; asked for outside of any, to the
        ``loop`` that was given.
        """
        return self._notifier.condition(list(self._waiting.values()))

    def _take(self, seconds: float) -> None:
        for token in self._queue.take(seconds):
            future = self._waiting.pop(token, None)
            if future is not None:
                self._ready.append(future)

    def _overdue(self) -> TimeoutError:
        return TimeoutError(f"futures not done after {self._timeout} seconds")

    def _await_ready(self) -> None:
        while not self._ready:
            self._take(seconds_left(self._deadline))
            is_overdue = self._deadline is not None and time.monotonic() >= self._deadline
            if is_overdue and not self._ready:
                raise self._overdue()

    def _present(self, future: AnyFuture) -> Any:
        if not self.with_results:
            return future
        if isinstance(future, BaseActorFuture):
            return future, self._outcome_of_call(future)
        if future.status in ("cancelled", "lost"):
            return future, future._exception()
        if self.raise_errors or future.status == "finished":
            return future, future._result()
        error = future._exception()
        return future, (type(error), error, error.__traceback__)

    def _outcome_of_call(self, future: BaseActorFuture[Any]) -> Any:
        try:
            return future.result()
        except Exception as error:
            if self.raise_errors:
                raise
            return type(error), error, error.__traceback__

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

    async def _await_notice(self) -> None:
        condition = self.condition
        left = None if self._deadline is None else self._deadline - time.monotonic()
        async with condition:
            waiting = condition.wait_for(lambda: self.has_ready() or self.is_empty())
            try:
                await asyncio.wait_for(waiting, left)
            except TimeoutError:
                raise self._overdue() from None

    async def __anext__(self) -> Any:
        if not self.has_ready() and not self.is_empty():
            await self._await_notice()
        if self.is_empty():
            raise StopAsyncIteration
        future = self._ready.pop(0)
        return await asyncio.to_thread(self._present, future)


class _Notifier:
    """A condition of an event loop that is notified when futures are done.

    Nothing is listened to before somebody asks for the condition.
    """

    def __init__(self, loop: Any) -> None:
        self._given = loop if isinstance(loop, asyncio.AbstractEventLoop) else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._condition: asyncio.Condition | None = None
        self._token: int | None = None
        self._told = False

    def condition(self, waiting: list[AnyFuture]) -> asyncio.Condition:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = self._loop or self._given
        if self._condition is None or loop is not self._loop:
            self._condition, self._loop = asyncio.Condition(), loop
            self._told = False
            self.follow(waiting)
        return self._condition

    def follow(self, futures: list[AnyFuture]) -> None:
        if self._loop is None or not futures:
            return
        if self._token is None:
            # Whoever iterates may go away before the futures are done.
            self._token = call_on_completion(_weakly(self))
            weakref.finalize(self, stop_listening, self._token)
        for future in futures:
            watch_one(future, None, self._token)

    def tell(self) -> None:
        """Called on another thread for each future that is done."""
        loop = self._loop
        if loop is None or self._told or loop.is_closed():
            return
        self._told = True
        try:
            loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            # The loop was closed just now: nobody waits.
            self._told = False

    def _begin(self) -> None:
        self._told = False
        task = asyncio.ensure_future(self._notify())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def _notify(self) -> None:
        condition = self._condition
        if condition is not None:
            async with condition:
                condition.notify_all()


#: The event loop refers to tasks weakly.
_tasks: set[asyncio.Task[None]] = set()


def _weakly(notifier: _Notifier) -> Callable[[], None]:
    found = weakref.ref(notifier)

    def tell() -> None:
        notifier = found()
        if notifier is not None:
            notifier.tell()

    return tell
