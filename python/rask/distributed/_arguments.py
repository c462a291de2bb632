"""Futures among the arguments of a call: taken out before it is sent, put back as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rask._core import Future
from rask.distributed._clients import default_client

if TYPE_CHECKING:
    from rask.distributed.client import Client

__all__ = ["container_like", "extract", "fill", "futures_of", "refill"]

_CONTAINERS = (list, tuple, set, frozenset, dict)


class _Input:
    """Stands where the value of the call's next input goes."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "INPUT"


INPUT = _Input()


def extract(value: Any, futures: list[Future], collections: list[Any] | None = None) -> Any:
    """Replace futures in `value`, also inside lists, tuples, sets and dicts.

    Parameters
    ----------
    value : Any
    futures : list of Future
        Those found are appended, in order.
    collections : list, optional
        Lazy collections that are found are appended; without, they are left as they are.
    """
    if isinstance(value, Future):
        futures.append(value)
        return INPUT
    if not isinstance(value, _CONTAINERS):
        if collections is not None and hasattr(type(value), "_rask_lower"):
            collections.append(value)
        return value
    before = len(futures)
    replaced = _rebuild(value, lambda item: extract(item, futures, collections))
    return replaced if len(futures) > before else value


def futures_of(o: Any, client: Client | None = None) -> list[Future]:
    """The futures inside of collections and of nested lists, tuples, sets and dicts.

    Parameters
    ----------
    o : Any
        Futures, collections whose blocks a cluster holds, and containers of these.
    client : Client, optional
        Whose blocks of collections are meant; the default client if there is one.
    """
    collections: list[Any] = []
    futures: list[Future] = []
    extract(o, futures, collections)
    if not collections:
        return futures
    client = client or default_client()
    for collection in collections:
        plan, _ = type(collection)._rask_lower([collection], False)
        futures.extend(client._core.plan_futures(client, plan))
    return futures


def _rebuild(value: Any, change: Any) -> Any:
    kind = type(value)
    if isinstance(value, dict):
        items = {change(key): change(item) for key, item in value.items()}
        return items if kind is dict else kind(items)
    if isinstance(value, (set, frozenset)):
        # Several markers would be one element: a list keeps them apart until they are filled.
        return _Set(kind, [change(item) for item in value])
    return container_like(value, [change(item) for item in value])


def container_like(value: Any, items: list[Any]) -> Any:
    """A list, tuple or set of the class of another, also of a named tuple, of other items."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*items) if len(items) == len(value) else tuple(items)
    return type(value)(items)


class _Set:
    """A set with markers in it."""

    def __init__(self, kind: type, items: list[Any]) -> None:
        self.kind = kind
        self.items = items

    def __reduce__(self) -> tuple[Any, ...]:
        return _Set, (self.kind, self.items)


def fill(
    arguments: tuple[Any, ...], keywords: dict[str, Any], values: list[Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Put `values` where `extract` left markers, in the same order."""
    left = iter(values)
    filled = tuple([_fill(argument, left) for argument in arguments])
    return filled, {name: _fill(value, left) for name, value in keywords.items()}


def refill(value: Any, values: list[Any]) -> Any:
    """Put `values` where `extract` left markers in `value`."""
    return _fill(value, iter(values))


def _fill(value: Any, left: Any) -> Any:
    if value is INPUT:
        return next(left)
    if isinstance(value, _Set):
        return value.kind([_fill(item, left) for item in value.items])
    if isinstance(value, _CONTAINERS) and _has_input(value):
        return _rebuild(value, lambda item: _fill(item, left))
    return value


def _has_input(value: Any) -> bool:
    if value is INPUT or isinstance(value, _Set):
        return True
    if isinstance(value, dict):
        return any(_has_input(key) or _has_input(item) for key, item in value.items())
    return isinstance(value, (list, tuple)) and any(_has_input(item) for item in value)
