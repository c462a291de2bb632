"""Locks, semaphores, events, queues and variables that clients and tasks share by name.

Whoever has to wait is told by the scheduler when it is its turn, in the order of asking. What a
client holds is free again when the client is gone.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from rask import _core
from rask.distributed._arguments import extract, refill
from rask.distributed._utils import parse_seconds

if TYPE_CHECKING:
    from rask.distributed.client import Client

__all__ = ["Event", "Lock", "MultiLock", "Queue", "Semaphore", "Variable"]

T = TypeVar("T")


def pack_item(value: Any) -> tuple[Any, list[Any]]:
    """A value as a payload, and the futures in it."""
    futures: list[Any] = []
    replaced = extract(value, futures)
    numbered = [isinstance(future.key, tuple) for future in futures]
    return _core.Payload((replaced, numbered)), futures


def unpack_item(client: Client, item: tuple[Any, list[tuple[str, int]]]) -> Any:
    """The value of an item, with futures of `client`."""
    (replaced, numbered), blocks = item
    known = client._core.known_future
    futures = [
        known(client, layer, block, is_numbered)
        for (layer, block), is_numbered in zip(blocks, numbered, strict=True)
    ]
    return refill(replaced, futures)


def unpack_items(client: Client, coordination: Any, reply: tuple) -> list[Any]:
    """The values in an answer, whose futures belong to `client` from now on."""
    _, question, items, _, _ = reply
    values = [unpack_item(client, item) for item in items]
    if any(blocks for _, blocks in items):
        coordination.unhold(question)
    return values


def in_thread(function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
    """Call on a thread of its own, however many wait already."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(method: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            method(value)

    def run() -> None:
        try:
            result = function(*args)
        except BaseException as error:
            loop.call_soon_threadsafe(settle, future.set_exception, error)
        else:
            loop.call_soon_threadsafe(settle, future.set_result, result)

    threading.Thread(target=run, name="rask-coordination", daemon=True).start()
    return future


class _Shared:
    """Something with a name that clients share."""

    def __init__(self, name: str | None, client: Client | None) -> None:
        self.name = name or f"{type(self).__name__.lower()}-{uuid.uuid4().hex}"
        self._client = client

    @property
    def client(self) -> Client:
        """The client through which requests are made: in a task, that of the worker."""
        if self._client is None:
            from rask.distributed._tasks import get_client

            self._client = get_client()
        return self._client

    @property
    def asynchronous(self) -> bool:
        """Whether methods return something to await."""
        return self.client.asynchronous

    @property
    def loop(self) -> Any:
        """The client's event loop."""
        return self.client.loop

    @property
    def scheduler(self) -> Client:
        """What talks to the scheduler: the client."""
        return self.client

    @property
    def _requests(self) -> Any:
        return self.client._coordination

    def _either(self, function: Callable[..., Any], *args: Any) -> Any:
        return in_thread(function, *args) if self.asynchronous else function(*args)

    def sync(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `func`, which may be a coroutine function, and wait unless asynchronous."""
        return self.client.sync(func, *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


class Semaphore(_Shared):
    """At most so many leases at a time, over all clients and workers.

    A lease belongs to the client that acquired it, and ends with it at the latest; the leases of a
    task end with its worker.

    Parameters
    ----------
    max_leases : int
    name : str, optional
        Semaphores of one name are one. Default: a name that nobody else has.
    scheduler_rpc, loop
        Not used.
    client : Client, optional

    Examples
    --------
    >>> semaphore = Semaphore(2, name="database")  # doctest: +SKIP
    >>> with semaphore:  # doctest: +SKIP
    ...     write_to_database()
    """

    _kind = "semaphore"

    def __init__(
        self,
        max_leases: int = 1,
        name: str | None = None,
        scheduler_rpc: Any = None,
        loop: Any = None,
        client: Client | None = None,
    ) -> None:
        super().__init__(name, client)
        if max_leases < 1:
            raise ValueError(f"max_leases must be at least 1, not {max_leases}")
        self.max_leases = max_leases
        self._leases: deque[int] = deque()

    @property
    def _full_name(self) -> str:
        return f"{self._kind}:{self.name}"

    def acquire(self, timeout: Any = None) -> Any:
        """Wait for a lease.

        Parameters
        ----------
        timeout : float, str or timedelta, optional

        Returns
        -------
        bool
            Whether there was one in time.
        """
        return self._either(self._acquire, False, parse_seconds(timeout))

    def _acquire(self, at_once: bool, timeout: float | None) -> bool:
        try:
            outcome, lease, *_ = self._requests.acquire(
                [self._full_name], 1, self.max_leases, at_once, timeout
            )
        except TimeoutError:
            return False
        if outcome != "done":
            return False
        self._leases.append(lease)
        return True

    def release(self) -> Any:
        """Give a lease back.

        Raises
        ------
        RuntimeError
            If this object holds none.
        """
        return self._either(self._release)

    def _release(self) -> bool:
        try:
            lease = self._leases.popleft()
        except IndexError:
            raise RuntimeError(f"released too often: {self!r} holds no lease") from None
        return self._requests.release(lease)[0] == "done"

    def get_value(self) -> Any:
        """How many leases are taken."""
        return self._either(self._count)

    def _count(self) -> int:
        return self._requests.named("lease count", self._full_name)[4]

    def register(self) -> Any:
        """Make it known to the scheduler, which learns of it at the first lease anyway."""
        return self._either(lambda: None)

    def close(self) -> Any:
        """Give back all leases of this object."""
        return self._either(self._close)

    def _close(self) -> None:
        while self._leases:
            self._release()

    def __enter__(self) -> Any:
        self.acquire()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.release()

    async def __aenter__(self) -> Any:
        await self.acquire()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.max_leases, self.name)


class Lock(Semaphore):
    """One holder at a time, over all clients and workers.

    Parameters
    ----------
    name : str, optional
        Locks of one name are one. Default: a name that nobody else has.
    client : Client, optional

    Examples
    --------
    >>> lock = Lock("file.txt")  # doctest: +SKIP
    >>> with lock:  # doctest: +SKIP
    ...     append_to_file()
    """

    _kind = "lock"

    def __init__(
        self,
        name: str | None = None,
        client: Client | None = None,
        scheduler_rpc: Any = None,
        loop: Any = None,
    ) -> None:
        super().__init__(1, name, client=client)

    def acquire(self, blocking: bool = True, timeout: Any = None) -> Any:
        """Wait for the lock.

        Parameters
        ----------
        blocking : bool
            Whether to wait at all.
        timeout : float, str or timedelta, optional

        Returns
        -------
        bool
            Whether the lock is held now.
        """
        if not blocking and timeout is not None:
            raise ValueError("a timeout makes no sense without blocking")
        return self._either(self._acquire, not blocking, parse_seconds(timeout))

    def locked(self) -> Any:
        """Whether anybody holds the lock."""
        return self._either(lambda: self._count() > 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,)


class MultiLock(_Shared):
    """Several locks at a time, without deadlock.

    Parameters
    ----------
    names : list of str
    client : Client, optional

    Examples
    --------
    >>> lock = MultiLock(["x", "y"])  # doctest: +SKIP
    >>> with lock:  # doctest: +SKIP
    ...     use_x_and_y()
    """

    def __init__(self, names: Iterable[str] = (), client: Client | None = None) -> None:
        super().__init__(None, client)
        self.names = list(names)
        self._lease: int | None = None

    def acquire(
        self, blocking: bool = True, timeout: Any = None, num_locks: int | None = None
    ) -> Any:
        """Wait for the locks.

        Parameters
        ----------
        blocking : bool
            Whether to wait at all.
        timeout : float, str or timedelta, optional
        num_locks : int, optional
            How many of them are needed; all if not given.

        Returns
        -------
        bool
            Whether they are held now.
        """
        if self._lease is not None:
            raise RuntimeError("MultiLock.acquire() was called twice without a release")
        if num_locks is not None and not 1 <= num_locks <= len(self.names):
            raise ValueError(f"num_locks is {num_locks}, and there are {len(self.names)} names")
        needed = num_locks or len(self.names)
        return self._either(self._acquire, needed, not blocking, parse_seconds(timeout))

    def _acquire(self, needed: int, at_once: bool, timeout: float | None) -> bool:
        if not self.names:
            return True
        names = [f"multilock:{name}" for name in self.names]
        try:
            outcome, lease, *_ = self._requests.acquire(names, needed, 1, at_once, timeout)
        except TimeoutError:
            return False
        if outcome == "done":
            self._lease = lease
        return outcome == "done"

    def release(self) -> Any:
        """Release the locks."""
        return self._either(self._release)

    def _release(self) -> None:
        if self._lease is None and self.names:
            raise RuntimeError("the MultiLock is not held")
        if self._lease is not None:
            self._requests.release(self._lease)
            self._lease = None

    def locked(self) -> bool:
        """Whether this object holds the locks."""
        return self._lease is not None

    def __enter__(self) -> MultiLock:
        self.acquire()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.release()

    async def __aenter__(self) -> MultiLock:
        await self.acquire()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.names,)


class Event(_Shared):
    """A flag that clients and tasks set, clear and wait for.

    Parameters
    ----------
    name : str, optional
    client : Client, optional
    """

    def wait(self, timeout: Any = None) -> Any:
        """Wait until it is set; whether it was in time."""
        return self._either(self._wait, parse_seconds(timeout))

    def _wait(self, timeout: float | None) -> bool:
        try:
            return self._requests.named("event wait", self.name, timeout)[0] == "done"
        except TimeoutError:
            return False

    def __init__(self, name: str | None = None, client: Client | None = None) -> None:
        super().__init__(name, client)

    def set(self) -> Any:
        """Set it: those who wait go on."""
        return self._either(self._do, "event set")

    def clear(self) -> Any:
        """Take the flag down."""
        return self._either(self._do, "event clear")

    def _do(self, what: str) -> None:
        self._requests.named(what, self.name)

    def is_set(self) -> Any:
        """Whether it is set."""
        return self._either(self._is_set)

    def _is_set(self) -> bool:
        return self._requests.named("event is set", self.name)[0] == "done"


class Queue(_Shared):
    """A queue of values and futures, first in, first out.

    Parameters
    ----------
    name : str, optional
    client : Client, optional
    maxsize : int
        Items at most, 0 for any number: those who put wait for room.

    Examples
    --------
    >>> queue = Queue("results")  # doctest: +SKIP
    >>> queue.put(client.submit(inc, 1))  # doctest: +SKIP
    >>> queue.get().result()  # doctest: +SKIP
    2
    """

    def __init__(
        self, name: str | None = None, client: Client | None = None, maxsize: int = 0
    ) -> None:
        super().__init__(name, client)
        self.maxsize = maxsize

    def put(self, value: Any, timeout: Any = None) -> Any:
        """Add an item: anything that can be pickled, with futures in it.

        Raises
        ------
        TimeoutError
            If there is no room in time.
        """
        payload, futures = pack_item(value)
        return self._either(self._put, payload, futures, parse_seconds(timeout))

    def _put(self, payload: Any, futures: list[Any], timeout: float | None) -> None:
        reply = self._requests.queue_put(self.name, self.maxsize, payload, futures, timeout)
        if reply[0] == "withdrawn":
            raise RuntimeError(f"{self!r} was closed")

    def get(self, timeout: Any = None, batch: bool | int = False) -> Any:
        """Take an item.

        Parameters
        ----------
        timeout : float, str or timedelta, optional
        batch : bool or int
            True: a list of all there are; a number: a list of so many.

        Raises
        ------
        TimeoutError
            If there is nothing in time.
        """
        return self._either(self._get, parse_seconds(timeout), batch)

    def _get(self, timeout: float | None, batch: bool | int) -> Any:
        count = 1 if batch is False else 0 if batch is True else int(batch)
        if count == 0 and batch is not True:
            return []
        reply = self._requests.queue_get(self.name, count, timeout)
        if reply[0] == "withdrawn":
            raise RuntimeError(f"{self!r} was closed")
        items = unpack_items(self.client, self._requests, reply)
        return items[0] if batch is False else items

    def qsize(self) -> Any:
        """How many items there are."""
        return self._either(lambda: self._requests.named("queue size", self.name)[4])

    def close(self) -> Any:
        """Forget the queue and what is in it."""
        return self._either(lambda: self._requests.named("queue delete", self.name) and None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, None, self.maxsize)


class Variable(_Shared):
    """One value or future that clients and tasks share.

    Parameters
    ----------
    name : str, optional
    client : Client, optional
    """

    def __init__(self, name: str | None = None, client: Client | None = None) -> None:
        super().__init__(name, client)

    def set(self, value: Any, timeout: Any = "30 s") -> Any:
        """Give it a value: anything that can be pickled, with futures in it."""
        payload, futures = pack_item(value)
        return self._either(
            lambda: self._requests.variable_set(self.name, payload, futures) and None
        )

    def get(self, timeout: Any = None) -> Any:
        """Its value, waiting for the first.

        Raises
        ------
        TimeoutError
            If there is none in time.
        """
        return self._either(self._get, parse_seconds(timeout))

    def _get(self, timeout: float | None) -> Any:
        reply = self._requests.named("variable get", self.name, timeout)
        if reply[0] != "done":
            raise RuntimeError(f"{self!r} was deleted")
        return unpack_items(self.client, self._requests, reply)[0]

    def delete(self) -> Any:
        """Forget it and its value."""
        return self._either(lambda: self._requests.named("variable delete", self.name) and None)
