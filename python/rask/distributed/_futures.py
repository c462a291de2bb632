"""What futures do in Python: callbacks, asyncio."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import threading
import types
from collections.abc import Callable, Generator
from typing import Any

from rask._core import CompletionQueue, Future

__all__ = [
    "Future",
    "add_done_callback",
    "await_future",
    "call_on_completion",
    "exception",
    "repr_html",
    "result",
    "stop_listening",
    "traceback",
    "watch",
    "watch_one",
]


class _Dispatcher:
    """Calls callbacks of futures that are done, on a thread of its own."""

    def __init__(self) -> None:
        self.queue = CompletionQueue()
        self.callbacks: dict[int, tuple[Future, Callable[[Future], Any]]] = {}
        #: Called again and again, until they are taken out.
        self.listeners: dict[int, Callable[[], None]] = {}
        self.tokens = itertools.count(1)
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def call_when_done(self, future: Future, function: Callable[[Future], Any]) -> None:
        with self.lock:
            token = self._next_token()
            self.callbacks[token] = (future, function)
        future.client._core.watch([future], self.queue, token)

    def listen(self, function: Callable[[], None]) -> int:
        """Call a function whenever the token that is given back comes."""
        with self.lock:
            token = self._next_token()
            self.listeners[token] = function
        return token

    def _next_token(self) -> int:
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="rask-callbacks", daemon=True)
            self.thread.start()
            atexit.register(self.stop)
        return next(self.tokens)

    def stop(self) -> None:
        self.queue.push(0)
        if self.thread is not None:
            self.thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            for token in self.queue.take(60.0):
                if token == 0:
                    return
                self._call(token)

    def _call(self, token: int) -> None:
        entry = self.callbacks.pop(token, None)
        if entry is None:
            # One that stopped to listen is not called for what comes afterwards.
            listener = self.listeners.get(token)
            if listener is not None:
                listener()
            return
        future, function = entry
        try:
            function(future)
        except Exception:
            import logging

            logging.getLogger("rask.distributed").exception("a callback of %r raised", future)


_dispatcher = _Dispatcher()


def add_done_callback(future: Future, fn: Callable[[Future], Any]) -> None:
    """Call ``fn(future)`` once the future is done, on the thread of callbacks."""
    _dispatcher.call_when_done(future, fn)


def call_on_completion(function: Callable[[], None]) -> int:
    """A token: when futures are watched with it (`watch_one`), the function is called for each
    that is done, on the thread of callbacks, until `stop_listening`."""
    return _dispatcher.listen(function)


def stop_listening(token: int) -> None:
    """Call the function of a token no longer."""
    _dispatcher.listeners.pop(token, None)


def watch(futures: list[Any], queue: CompletionQueue, first_token: int) -> None:
    """Put ``first_token + i`` into a queue when future ``i``, or that of an actor's call, is done.
    The futures are not kept."""
    if futures and all(isinstance(future, Future) for future in futures):
        futures[0].client._core.watch(futures, queue, first_token)
        return
    for token, future in enumerate(futures, first_token):
        watch_one(future, queue, token)


def watch_one(future: Any, queue: CompletionQueue | None, token: int) -> None:
    """As `watch`; without a queue, the token is one of `call_on_completion`."""
    queue = _dispatcher.queue if queue is None else queue
    if isinstance(future, Future):
        future.client._core.watch([future], queue, token)
    else:
        future._watch(queue, token)


async def wait_async(future: Future) -> None:
    """Wait until the future is done without blocking the event loop."""
    if future.done():
        return
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def finish() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: Future) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish)

    _dispatcher.call_when_done(future, tell)
    await done


async def result_async(future: Future, timeout: float | None = None) -> Any:
    """Wait for the value and fetch it."""
    await asyncio.wait_for(wait_async(future), timeout)
    return await asyncio.to_thread(future._result, timeout)


async def _exception_async(future: Future, timeout: float | None) -> BaseException | None:
    await asyncio.wait_for(wait_async(future), timeout)
    return await asyncio.to_thread(future._exception, timeout)


def await_future(future: Future) -> Generator[Any, Any, Any]:
    """Make futures awaitable."""
    return result_async(future).__await__()


def result(future: Future, timeout: Any = None) -> Any:
    """The value; a coroutine if the client is asynchronous."""
    seconds = _seconds(timeout)
    if future.client.asynchronous:
        return result_async(future, seconds)
    return future._result(seconds)


def exception(future: Future, timeout: Any = None) -> Any:
    """The exception or None; a coroutine if the client is asynchronous."""
    seconds = _seconds(timeout)
    if future.client.asynchronous:
        return _exception_async(future, seconds)
    return future._exception(seconds)


def traceback(future: Future, timeout: Any = None) -> Any:
    """The traceback of the exception, or None; a coroutine if the client is asynchronous."""
    if future.client.asynchronous:

        async def later() -> types.TracebackType | None:
            raised = await _exception_async(future, _seconds(timeout))
            return None if raised is None else raised.__traceback__

        return later()
    raised = future._exception(_seconds(timeout))
    return None if raised is None else raised.__traceback__


def type_of(future: Future) -> type | None:
    """The class of a value that is there, found where the value is."""
    if future.status != "finished":
        return None
    return future.client.submit(type, future)._result()


def bind_client(future: Future, client: Any) -> None:
    """Check that a client belongs to the cluster of the future, which has a client already."""
    if client.status != "running":
        raise RuntimeError(f"cannot bind {future!r} to a client that is {client.status}")
    if client.scheduler_address != future.client.scheduler_address:
        raise ValueError(
            f"{future!r} belongs to the scheduler at {future.client.scheduler_address}, the client "
            f"to that at {client.scheduler_address}"
        )


def _seconds(timeout: Any) -> float | None:
    from rask.distributed._utils import parse_seconds

    return parse_seconds(timeout)


def repr_html(future: Future) -> str:
    """How a future looks in a notebook."""
    from rask.distributed.widgets import future_html

    return future_html(future)
