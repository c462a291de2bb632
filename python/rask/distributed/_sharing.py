"""Futures and collections on their way to another client."""

from __future__ import annotations

from typing import Any

from rask import _core
from rask._core import Future

__all__ = ["future_of_key", "reduce_plan"]


def future_of_key(key: Any, client: Any = None) -> Future:
    """A future of a block that the scheduler knows.

    Parameters
    ----------
    key : str, or tuple of a layer's name and a block's number
    client : Client, optional
        Default: that of the task that runs, or the default client.
    """
    if client is None:
        from rask.distributed._tasks import get_client

        client = get_client()
    client._check_running()
    if isinstance(key, str):
        return client._core.known_future(client, key, 0, False)
    if isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], int):
        return client._core.known_future(client, str(key[0]), key[1], True)
    raise TypeError(
        f"a key is a string, or a tuple of a layer's name and a block's number, not {key!r}"
    )


def reduce_plan(plan: Any) -> tuple[Any, ...]:
    """How plans, and so collections, are pickled: blocks of a cluster are named, not copied."""
    data, held = _core.dump_plan(plan)
    return _load_plan, (data, held)


def _load_plan(data: bytes, held: bool) -> Any:
    if not held:
        return _core.load_plan(data)
    from rask.distributed._tasks import get_client

    client = get_client()
    client._check_running()
    return _core.load_plan(data, client._core)


def reduce_collection(collection: Any) -> tuple[Any, ...]:
    """How collections are pickled: their layers, without values that a cluster holds."""
    from rask.distributed._collections import _recipe

    plan, _ = type(collection)._rask_lower([collection], False)
    name = collection.name if type(collection)._rask_family == "array" else None
    return _load_collection, (_recipe(collection), plan, name)


def _load_collection(recipe: tuple[Any, ...], plan: Any, name: str | None) -> Any:
    from rask.distributed._collections import _rebuild

    if name is None:
        return _rebuild(recipe, plan)
    from rask.array import Array

    chunks, dtype, meta = recipe[1]
    return Array(_core.ArrayExpr.from_plan(plan, chunks, dtype, name, meta))
