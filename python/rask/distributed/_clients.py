"""The clients of this process: those that run, and the default one."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rask.distributed.client import Client

__all__ = [
    "become_default",
    "default_client",
    "disconnect_clients",
    "find_client",
    "remember",
    "resign",
]

_started: weakref.WeakSet[Any] = weakref.WeakSet()
_default: Client | None = None
_default_lock = threading.Lock()


def remember(client: Client) -> None:
    """Count a client that has started among those that `find_client` looks through."""
    _started.add(client)


def find_client(address: str) -> Any:
    """A running client of the cluster whose scheduler is at `address`, if there is one."""
    running = [client for client in list(_started) if client.status == "running"]
    named = [client for client in running if client.scheduler_address == address]
    return (named or running or [None])[0]


def disconnect_clients(address: str) -> None:
    """End the connections of this process's clients to a scheduler that is about to end: those who
    wait for futures would wait for ever."""
    for client in list(_started):
        if client.status == "running" and client.scheduler_address == address:
            client._disconnect()


def default_client() -> Client:
    """The client made last with ``set_as_default=True`` that is not closed.

    Raises
    ------
    ValueError
        If there is none.
    """
    client = _default
    if client is None or client.status == "closed":
        raise ValueError("no clients found; make one with rask.distributed.Client()")
    return client


def become_default(client: Client) -> None:
    """Make a client the default one, which collections are computed with."""
    global _default
    from rask import base

    with _default_lock:
        _default = client
    base.set_current_client(client)


def resign(client: Client) -> None:
    """Make a client the default one no longer, if it is."""
    global _default
    from rask import base

    with _default_lock:
        if _default is client:
            _default = None
    if base.current_client() is client:
        base.set_current_client(None)
