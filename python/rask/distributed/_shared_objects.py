"""What objects that clients and tasks share by name have in common."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from rask import _core
from rask.distributed._arguments import extract, refill

if TYPE_CHECKING:
    from rask.distributed.client import Client

__all__ = ["Shared", "in_thread", "pack_item", "unpack_item", "unpack_items"]

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


class Shared:
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
