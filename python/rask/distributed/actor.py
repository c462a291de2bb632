"""Actors: objects that live on a worker, and whose methods are called from elsewhere."""

from __future__ import annotations

import abc
import asyncio
import inspect
import itertools
import threading
import weakref
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

from rask import _core
from rask.distributed._context import RunningTask, find_task, find_worker, running
from rask.distributed._utils import parse_seconds

__all__ = ["Actor", "ActorFuture", "BaseActorFuture", "EagerActorFuture", "MakeActor"]

T = TypeVar("T")


class MakeActor:
    """The function of the task that makes an actor."""

    def __init__(self, cls: Callable[..., Any]) -> None:
        self.cls = cls
        self.__name__ = getattr(cls, "__name__", type(cls).__name__)

    def __reduce__(self) -> tuple[Any, ...]:
        return MakeActor, (self.cls,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = self.cls(*args, **kwargs)
        task = find_task()
        if task is None:
            raise RuntimeError("actors live on workers: submit the class with actor=True")
        if inspect.iscoroutine(made):
            return self._home_later(made, task)
        return self._home(made, task)

    async def _home_later(self, made: Any, task: RunningTask) -> Any:
        return self._home(await made, task)

    def _home(self, instance: Any, task: RunningTask) -> Any:
        worker = task.worker
        actor = Actor(type(instance), worker.address, task.key, worker.scheduler_address)
        object.__setattr__(actor, "_instance", instance)
        worker._actors[task.key] = actor
        return actor


def _rebuild(cls: type, address: str, key: Any, scheduler: str) -> Actor:
    return Actor(cls, address, key, scheduler)


class Actor:
    """Stands for an object on a worker.

    Made by ``client.submit(Class, …, actor=True)``. Calling a method gives an `ActorFuture` at once;
    the calls of one client are begun in their order, and those of one worker's actors run one after
    the other, coroutine methods aside, which run beside each other on the worker's event loop.
    Attributes are fetched.

    The object lives as long as a future of it does; an actor fetched by a client keeps one. If its
    worker dies, or is retired, its state is lost: its futures fail with `KilledWorker`, calls raise
    `RuntimeError`, or `ConnectionError` as long as the client has not been told. ``client.retry`` of
    the future makes the object anew.

    Examples
    --------
    >>> class Counter:
    ...     n = 0
    ...     def increment(self):
    ...         self.n += 1
    ...         return self.n
    >>> from rask.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     counter = client.submit(Counter, actor=True).result()
    ...     [counter.increment().result(), counter.increment().result(), counter.n]
    [1, 2, 2]
    """

    _cls: type
    _address: str
    _key: Any
    _scheduler: str
    _future: Any
    _instance: Any

    def __init__(self, cls: type, address: str, key: Any, scheduler: str = "") -> None:
        for name, value in (
            ("_cls", cls),
            ("_address", address),
            ("_key", key),
            ("_scheduler", scheduler),
            ("_future", None),
            ("_instance", _NOWHERE),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<Actor: {self._cls.__name__}, key={self._key}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._cls, self._address, self._key, self._scheduler)

    def __dir__(self) -> list[str]:
        own = set(dir(type(self)))
        own.update(name for name in dir(self._cls) if not name.startswith("_"))
        return sorted(own)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actor) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def key(self) -> Any:
        """The key of the task that made it."""
        return self._key

    def substitute(self, subs: Any = None, key: Any = None) -> Actor:
        """The actor itself: unlike keys in a graph it stands for nothing that could be replaced."""
        return self

    @property
    def client(self) -> Any:
        """The client through which it was fetched; None for one that a task was given."""
        return None if self._future is None else self._future.client

    def _bind(self, future: Any) -> None:
        """Keep the object alive as long as this proxy; called when a client fetches it."""
        if self._instance is _NOWHERE:
            object.__setattr__(self, "_future", future)

    def _check_held(self) -> None:
        future = self._future
        if future is not None and future.status not in ("finished", "pending"):
            raise RuntimeError(
                f"Worker holding Actor was lost.  Status: {future.status}"
            ) from future._exception()

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__", "_repr_", "_ipython")):
            raise AttributeError(name)
        self._check_held()
        task = running.get()
        if task is not None and task.actor and task.worker.address == self._address:
            return self._call_here(task.worker, name)
        attribute = getattr(self._cls, name, _NOWHERE)
        if callable(attribute):
            return self._method(name, attribute)
        return self._attribute(name)

    def _call_here(self, worker: Any, name: str) -> Any:
        """Actors of one worker call each other directly: they share a thread."""
        attribute = getattr(find_instance(worker, self._key), name)
        if not callable(attribute) or inspect.iscoroutinefunction(attribute):
            return attribute
        return lambda *args, **kwargs: EagerActorFuture(attribute(*args, **kwargs))

    def _method(self, name: str, attribute: Any) -> Any:
        def method(*args: Any, **kwargs: Any) -> ActorFuture[Any]:
            return ActorFuture(self._send("actor", (name, args, kwargs)), self, name)

        method.__name__ = name
        method.__doc__ = getattr(attribute, "__doc__", None)
        return method

    def _attribute(self, name: str) -> Any:
        future: ActorFuture[Any] = ActorFuture(self._send("actor-attribute", name), self, name)
        client = self.client
        if client is not None and client.asynchronous:
            return future._wait()
        return future.result()

    def _send(self, kind: str, body: Any) -> Any:
        payload = _core.Payload(body)
        return find_caller(self).call(self._address, kind, str(self._key), payload)


_NOWHERE = object()


def find_caller(actor: Actor) -> Any:
    """What makes calls for an actor: the client that fetched it, else the worker that the calling
    code runs on, else any client of the actor's cluster."""
    if actor.client is not None:
        return actor.client._caller
    worker = find_worker()
    if worker is not None:
        return worker._caller
    from rask.distributed._clients import find_client

    client = find_client(actor._scheduler)
    if client is None:
        raise RuntimeError(f"{actor!r} needs a client of the cluster at {actor._scheduler}")
    return client._caller


def find_instance(worker: Any, key: Any) -> Any:
    """The object of an actor that lives here.

    Raises
    ------
    RuntimeError
        If there is none: its futures are gone.
    """
    actor = worker._actors.get(key)
    if actor is None:
        raise RuntimeError(
            f"there is no actor {key!r} at {worker.address}: it ended with its last future, or its "
            "worker was replaced"
        )
    return actor._instance


class ActorHandlers:
    """How a worker answers calls of actors."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    def call(self, target: str, body: Any) -> Any:
        """Begin a method."""
        name, args, kwargs = body
        worker = self._worker
        key = _find_key(worker, target)
        method = getattr(find_instance(worker, key), name)
        task = RunningTask(worker, key, actor=True)
        if inspect.iscoroutinefunction(method):
            return _run_coroutine(task, method, args, kwargs)
        if not kwargs.pop("separate_thread", True):
            return _run_method(task, method, args, kwargs)
        executor = worker._service.executor("actor")
        return executor.submit(_run_method, task, method, args, kwargs)

    def attribute(self, target: str, name: str) -> Any:
        """Fetch an attribute."""
        worker = self._worker
        return getattr(find_instance(worker, _find_key(worker, target)), name)


def _find_key(worker: Any, target: str) -> Any:
    if target in worker._actors:
        return target
    named = [key for key in list(worker._actors) if str(key) == target]
    return named[0] if named else target


def _run_method(task: RunningTask, method: Any, args: Any, kwargs: Any) -> Any:
    token = running.set(task)
    try:
        return method(*args, **kwargs)
    finally:
        running.reset(token)


async def _run_coroutine(task: RunningTask, method: Any, args: Any, kwargs: Any) -> Any:
    running.set(task)
    return await method(*args, **kwargs)


class BaseActorFuture(abc.ABC, Awaitable[T]):
    """The outcome of a method call of an actor, which may be still to come."""

    __slots__ = ()

    @abc.abstractmethod
    def result(self, timeout: Any = None) -> T:
        """The value, waiting for it; raises what the method raised."""

    @abc.abstractmethod
    def done(self) -> bool:
        """Whether the outcome is there."""

    def __repr__(self) -> str:
        return "<ActorFuture>"


class EagerActorFuture(BaseActorFuture[T]):
    """The outcome of a call between actors of one worker, which is there at once."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, T]:
        yield from ()
        return self._value

    def result(self, timeout: Any = None) -> T:
        """The value."""
        return self._value

    def done(self) -> bool:
        """True."""
        return True

    def _watch(self, queue: Any, token: int) -> None:
        queue.push(token)


class ActorFuture(BaseActorFuture[T], Generic[T]):
    """The outcome of a method call of an actor elsewhere.

    Examples
    --------
    >>> future = counter.increment()  # doctest: +SKIP
    >>> future.result()  # doctest: +SKIP
    1
    """

    __slots__ = ("_actor", "_call", "_method")

    def __init__(self, call: Any, actor: Actor, method: str) -> None:
        self._call = call
        self._actor = actor
        self._method = method

    def result(self, timeout: Any = None) -> T:
        """The value, waiting for it; raises what the method raised.

        Parameters
        ----------
        timeout : float or str, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            When the time is up.
        ConnectionError
            If the actor's worker is gone.
        """
        try:
            return self._call.result(parse_seconds(timeout))
        except ConnectionError as error:
            raise ConnectionError(
                f"Unable to contact Actor's worker: {error}. The state of {self._actor!r} is lost if "
                "its worker died: client.retry(future) makes it anew"
            ) from None

    def done(self) -> bool:
        """Whether the outcome is there."""
        return self._call.done()

    def _watch(self, queue: Any, token: int) -> None:
        """Put a token into a queue when the outcome is there."""
        self._call.watch(queue, token)

    def __await__(self) -> Generator[Any, Any, T]:
        return self._wait().__await__()

    async def _wait(self) -> T:
        if not self._call.done():
            await _completions.wait(self._call)
        return self.result()


class _Completions:
    """Tells event loops of calls that have ended, from a thread of its own."""

    def __init__(self) -> None:
        self._queue = _core.CompletionQueue()
        self._tokens = itertools.count(1)
        self._waiting: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    async def wait(self, call: Any) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def tell() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rask-actors", daemon=True)
                self._thread.start()
            token = next(self._tokens)
            self._waiting[token] = tell
        call.watch(self._queue, token)
        await ended.wait()

    def _run(self) -> None:
        while True:
            for token in self._queue.take(60.0):
                tell = self._waiting.pop(token, None)
                if tell is not None:
                    tell()


_completions = _Completions()


def new_actor_table() -> weakref.WeakValueDictionary[Any, Actor]:
    """Actors of a worker by key. They live as long as the worker's store keeps the tasks' values."""
    return weakref.WeakValueDictionary()


_core.set_actor_class(Actor)
