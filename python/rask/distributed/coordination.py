"""Events, queues and variables that clients and tasks share by name.

Whoever has to wait is told by the scheduler when it is its turn, in the order of asking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rask.distributed._utils import parse_seconds

if TYPE_CHECKING:
    from rask.distributed.client import Client
from rask.distributed._shared_objects import Shared, pack_item, unpack_items

__all__ = ["Event", "Queue", "Variable"]


class Event(Shared):
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


class Queue(Shared):
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


class Variable(Shared):
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
