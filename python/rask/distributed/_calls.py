"""Calls from clients, peers and nannies: taken on a thread, answered by handlers."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any

from rask.distributed._loop import LoopThread

__all__ = ["Service", "takes_argument"]

logger = logging.getLogger("rask.distributed.worker")

_TAKE_SECONDS = 60.0

Handler = Callable[[str, Any], Any]


class Service:
    """Takes calls on a thread of its own and answers them.

    Parameters
    ----------
    source : object with ``take(timeout)``
        Gives lists of calls; None at its end.
    handlers : dict
        Function of target and body by kind of call. What it returns is the answer; of an awaitable
        or a `concurrent.futures.Future` its outcome.
    """

    def __init__(self, name: str, source: Any, handlers: Mapping[str, Handler]) -> None:
        self._source = source
        self._handlers = handlers
        self._loop_thread: LoopThread | None = None
        self._loop_lock = threading.Lock()
        self._name = name
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def begin(self) -> None:
        """Take calls; those that came before have waited."""
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which coroutines run."""
        with self._loop_lock:
            if self._loop_thread is None:
                self._loop_thread = LoopThread(f"{self._name}-loop")
            return self._loop_thread.loop

    def _serve(self) -> None:
        while (events := self._source.take(_TAKE_SECONDS)) is not None:
            for event in events:
                try:
                    self._on_event(event)
                except Exception:
                    logger.exception("the service of %s could not handle %r", self._name, event)
            events = event = None

    def _on_event(self, event: Any) -> None:
        self._answer(event)

    def _answer(self, call: Any) -> None:
        try:
            handler = self._handlers.get(call.kind)
            if handler is None:
                raise NotImplementedError(f"there is no service {call.kind!r} here")
            self._settle(call, handler(call.target, call.body()))
        except BaseException as error:
            call.fail(error)

    def _settle(self, call: Any, outcome: Any) -> None:
        if inspect.isawaitable(outcome):
            outcome = asyncio.run_coroutine_threadsafe(_await(outcome), self.loop)
        if isinstance(outcome, Future):
            outcome.add_done_callback(lambda future: _reply_with(call, future))
        else:
            call.reply(outcome)

    def run_function(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        """Call a function on a thread of its own, or a coroutine function on the loop."""
        outcome: Future[Any] = Future()

        def run() -> None:
            try:
                value = function(*args, **kwargs)
                if inspect.isawaitable(value):
                    value = asyncio.run_coroutine_threadsafe(_await(value), self.loop).result()
                outcome.set_result(value)
            except BaseException as error:
                outcome.set_exception(error)

        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(run,), name=f"{self._name}-run", daemon=True
        ).start()
        return outcome

    def stop(self) -> None:
        """End the event loop."""
        with self._loop_lock:
            if self._loop_thread is not None:
                self._loop_thread.stop()


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _reply_with(call: Any, future: Future[Any]) -> None:
    error = CancelledError() if future.cancelled() else future.exception()
    if error is None:
        call.reply(future.result())
    else:
        call.fail(error)


def takes_argument(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of this name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
