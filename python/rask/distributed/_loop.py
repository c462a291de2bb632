"""Event loops on threads of their own, for coroutines that are started from elsewhere."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import os
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["LoopThread", "background_loop", "in_thread", "sync"]


class LoopThread:
    """An event loop that runs on a daemon thread until `stop`."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def stop(self) -> None:
        """End the loop; what runs on it is given up."""
        self.loop.call_soon_threadsafe(self.loop.stop)


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function on a thread of its own: no pool's size limits how many wait at a time."""
    loop = asyncio.get_running_loop()
    outcome = loop.create_future()

    def tell(value: Any, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(value)
        else:
            outcome.set_exception(error)

    def run() -> None:
        value, error = None, None
        try:
            value = function(*args)
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, value, error)

    threading.Thread(target=run, name="rask-wait", daemon=True).start()
    return await outcome


_background: tuple[int, LoopThread] | None = None
_lock = threading.Lock()


def background_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process on which coroutines run that synchronous code waits for."""
    global _background
    with _lock:
        if _background is None or _background[0] != os.getpid():
            _background = (os.getpid(), LoopThread("rask-background"))
        return _background[1].loop


def sync(
    loop: asyncio.AbstractEventLoop,
    func: Callable[..., Any],
    *args: Any,
    callback_timeout: Any = None,
    **kwargs: Any,
) -> Any:
    """Run a coroutine function on a loop of another thread, and wait for its outcome.

    Parameters
    ----------
    loop : asyncio event loop
        It must run, on another thread than the calling one.
    func : callable
        A coroutine function, or a function whose result is given back as it is.
    callback_timeout : float or str, optional
        Seconds to wait at most.

    Raises
    ------
    TimeoutError
        When the time is up; the coroutine is cancelled.
    RuntimeError
        If the calling thread is the loop's own: it would wait for itself.
    """
    from rask.distributed._utils import parse_seconds

    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is loop:
        raise RuntimeError("sync() was called on the loop's own thread: await the coroutine there")

    async def call() -> Any:
        outcome = func(*args, **kwargs)
        return await outcome if inspect.isawaitable(outcome) else outcome

    future = asyncio.run_coroutine_threadsafe(call(), loop)
    seconds = parse_seconds(callback_timeout)
    try:
        return future.result(seconds)
    except concurrent.futures.TimeoutError:
        if future.done():
            raise
        future.cancel()
        raise TimeoutError(f"not done after {seconds} seconds") from None
