"""What a client logs under topics, and what it is told of them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable
from typing import Any

from rask import _core

__all__ = ["EventMethods"]

logger = logging.getLogger("rask.distributed.client")

#: An event with a larger pickled message is refused.
EVENT_BYTES_MAX = 4 << 20

Handler = Callable[[tuple[float, Any]], Any]


class EventMethods:
    """Methods of `Client`: topics, forwarded logging, logs of the scheduler."""

    _core: Any
    _asynchronous: bool
    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    register_plugin: Callable[..., Any]
    unregister_worker_plugin: Callable[..., Any]
    status: str
    _on_versions: Handler
    _events_made: Any = None
    #: On which handlers run; None: on the thread that waits for events.
    _events_loop: Any = None
    #: What is printed or warned of in tasks is shown by the client.
    _shows_output = True

    def _start_events(self) -> None:
        """Show from now on what tasks print and warn of."""
        self._event_handlers: dict[str, Handler] = {}
        self._events_lock = threading.Lock()
        self._events_thread: threading.Thread | None = None
        if self._shows_output and self._events.is_known:
            from rask.distributed._output import on_print, on_warn
            from rask.distributed._versions import TOPIC

            self._follow({"print": on_print, "warn": on_warn, TOPIC: self._on_versions})

    @property
    def _events(self) -> Any:
        if self._events_made is None:
            self._events_made = _core.Events(self._core)
        return self._events_made

    def log_event(self, topic: str | list[str], msg: Any) -> Any:
        """Log an event under a topic, or the same under several.

        The scheduler remembers the last 1,000 events of a topic, 64 MiB of all topics together.

        Parameters
        ----------
        topic : str or list of str
        msg : Any
            Can be pickled, in at most 4 MiB.

        Raises
        ------
        TypeError
            If the message cannot be pickled.
        ValueError
            If it is too large.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.log_event("progress", {"done": 3})
        ...     [message for _, message in client.get_events("progress")]
        [{'done': 3}]
        """
        self._check_running()
        topics, payload = checked_event(topic, msg)
        return self._either(self._events.log, topics, payload)

    def get_events(self, topic: str | None = None) -> Any:
        """The events that the scheduler remembers.

        Beside what was logged these are the scheduler's own under ``"all"`` and under the addresses
        of workers: dicts with an ``"action"``, as ``"add-worker"`` or ``"remove-worker"``.

        Parameters
        ----------
        topic : str, optional
            Default: all topics.

        Returns
        -------
        tuple or dict of tuples
            Pairs of time (seconds since the epoch, by the scheduler's clock) and message; by topic if
            none was given. In place of a message that cannot be unpickled here stands the exception.
        """
        self._check_running()

        def events() -> Any:
            found = self._events.of(topic)
            if topic is not None:
                return tuple((seconds, value) for _, seconds, _, value in found)
            by_topic: dict[str, list[Any]] = {}
            for name, seconds, _, value in found:
                by_topic.setdefault(name, []).append((seconds, value))
            return {name: tuple(values) for name, values in by_topic.items()}

        return self._either(events)

    def subscribe_topic(self, topic: str, handler: Handler) -> None:
        """Call a handler for every event that is logged under a topic from now on.

        A client asks for further events when its handlers have dealt with those before: one that is
        too slow misses events, which is logged, and holds up nobody.

        Parameters
        ----------
        topic : str
        handler : callable or coroutine function
            Takes one argument: time (seconds since the epoch, by the scheduler's clock) and message.
            It runs on a thread of the client's; in asynchronous clients on the event loop. The
            handler of a topic takes the place of the one before.

        Examples
        --------
        >>> import threading
        >>> from rask.distributed import Client
        >>> seen, told = [], threading.Event()
        >>> def handler(event):
        ...     seen.append(event[1])
        ...     told.set()
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.subscribe_topic("progress", handler)
        ...     client.log_event("progress", "half")
        ...     told.wait(10)
        True
        >>> seen
        ['half']
        """
        self._check_running()
        if not callable(handler):
            raise TypeError(f"the handler of a topic must be callable, not {handler!r}")
        if self._asynchronous and self._events_loop is None:
            self._events_loop = asyncio.get_running_loop()
        self._follow({str(topic): handler})

    def unsubscribe_topic(self, topic: str) -> None:
        """Call the handler of a topic no longer.

        Raises
        ------
        ValueError
            If the topic has none.
        """
        self._check_running()
        with self._events_lock:
            if self._event_handlers.pop(topic, None) is None:
                raise ValueError(f"No event handler known for topic {topic}.")
        self._events.remove(topic)

    def _follow(self, handlers: dict[str, Handler]) -> None:
        with self._events_lock:
            added = [topic for topic in handlers if topic not in self._event_handlers]
            self._event_handlers.update(handlers)
        if added:
            self._events.add(added)
        with self._events_lock:
            if self._events_thread is None:
                thread = threading.Thread(
                    target=_serve, args=(self, self._events), name="rask-events", daemon=True
                )
                self._events_thread = thread
                thread.start()

    # --------------------------------------------------------------- logging

    def forward_logging(self, logger_name: str | None = None, level: int | str = 0) -> Any:
        """Handle here what workers log with Python's `logging`.

        Parameters
        ----------
        logger_name : str, optional
            This logger and those below it; default: all.
        level : int or str
            Records of this level and above. What a worker's logger does not handle because of its
            own level is not forwarded, and the client's logger of the same name handles what its
            level allows. Records have an attribute ``worker``: the address.
        """
        from rask.distributed._forwarding import ForwardLogging, handle_record

        name = _plugin_of(logger_name)
        topic = f"forwarded-log-record-{name}"
        self.subscribe_topic(topic, handle_record)
        return self.register_plugin(ForwardLogging(logger_name, level, topic), name)

    def unforward_logging(self, logger_name: str | None = None) -> Any:
        """Forward a logger's records no longer.

        Raises
        ------
        ValueError
            If they are not forwarded.
        """
        name = _plugin_of(logger_name)
        self.unsubscribe_topic(f"forwarded-log-record-{name}")
        return self.unregister_worker_plugin(name)

    def get_scheduler_logs(self, n: int | None = None) -> Any:
        """What the scheduler has logged.

        It keeps the last 10,000 lines of level INFO and above; the environment variable ``RASK_LOG``
        of its process names another level.

        Parameters
        ----------
        n : int, optional
            How many of the last lines; default: all that are kept.

        Returns
        -------
        tuple of tuple
            Level and line, the latest first.
        """
        self._check_running()

        def logs() -> tuple[tuple[str, str], ...]:
            from rask.distributed._logs import formatted

            lines = self._events.scheduler_logs(0 if n is None else max(int(n), 0))
            found = tuple(formatted(*line) for line in reversed(lines))
            return found if n != 0 else ()

        return self._either(logs)


def _plugin_of(logger_name: str | None) -> str:
    return f"forward-logging-{logger_name or '<root>'}"


def checked_event(topic: str | list[str], msg: Any) -> tuple[list[str], Any]:
    """Topics and pickled message of an event.

    Raises
    ------
    TypeError
        If a topic is no string, or the message cannot be pickled.
    ValueError
        If the message is too large.
    """
    topics = [topic] if isinstance(topic, str) else list(topic)
    for name in topics:
        if not isinstance(name, str):
            raise TypeError(f"topics are strings, not {name!r}")
    payload = _core.Payload(msg)
    if payload.nbytes > EVENT_BYTES_MAX:
        raise ValueError(
            f"the message of an event may take {EVENT_BYTES_MAX} bytes, and this one takes "
            f"{payload.nbytes}: scatter the data, and log where it is"
        )
    return topics, payload


def _serve(client: Any, events: Any) -> None:
    """Call handlers until the client is closed."""
    while (news := events.next()) is not None:
        for topic, seconds, missed, value in news:
            if missed:
                logger.warning(
                    "%d events of topic %r were forgotten before they could be handled",
                    missed,
                    topic,
                )
            handler = client._event_handlers.get(topic)
            if handler is None:
                continue
            try:
                _call(client, handler, (seconds, value))
            except Exception:
                logger.exception("the handler of topic %r raised", topic)


def _call(client: Any, handler: Handler, event: tuple[float, Any]) -> None:
    async def call() -> None:
        outcome = handler(event)
        if inspect.isawaitable(outcome):
            await outcome

    loop = client._events_loop
    if loop is None:
        outcome = handler(event)
        if inspect.isawaitable(outcome):
            from rask.distributed._loop import background_loop, sync

            sync(background_loop(), lambda: outcome)
        return
    if loop.is_closed():
        return
    done = asyncio.run_coroutine_threadsafe(call(), loop)
    while client.status == "running":
        try:
            return done.result(0.5)
        except TimeoutError:
            if done.done():
                raise
