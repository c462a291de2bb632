"""Collections as something that another client can be given: futures of their blocks, and what is
needed to make a collection of them again.

A packed collection is a tuple: a mark; how to make a collection of a plan (the family, and its
arguments); names and grids of the layers that the blocks belong to; for each block its layer and
its number there; and the futures of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask.distributed._submission import is_collection

__all__ = ["pack_collections", "unpack_collections"]

_MARK = "rask-collection"


def pack_collections(client: Any, value: Any) -> Any:
    """Replace collections in `value`, also inside lists, tuples and dicts."""
    if is_collection(value):
        return (_MARK, *_pack(client, value))
    return _mapped(lambda item: pack_collections(client, item), value)


def unpack_collections(client: Any, value: Any) -> Any:
    """The reverse of `pack_collections`, with futures of `client`."""
    if type(value) is tuple and len(value) == 5 and value[0] == _MARK:
        _, recipe, layers, blocks, futures = value
        return _rebuild(recipe, client._core.plan_of_futures(layers, blocks, futures))
    return _mapped(lambda item: unpack_collections(client, item), value)


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """The value, or a list, tuple or dict of what the function gives for its items."""
    if type(value) in (list, tuple):
        return type(value)(map(function, value))
    if type(value) is dict:
        return {key: function(item) for key, item in value.items()}
    return value


def _pack(client: Any, collection: Any) -> tuple:
    plan, _ = type(collection)._rask_lower([collection], True)
    held = client._core.persist_plan(plan, None)
    grids = {name: grid for name, _, grid, _ in held.layers}
    names = list(grids)
    blocks = [(names.index(name), block) for name, block in held.wanted]
    futures = client._core.submit_plan(client, held, None)
    layers = [(name, list(grids[name])) for name in names]
    return _recipe(collection), layers, blocks, list(futures)


def _recipe(collection: Any) -> tuple:
    family = type(collection)._rask_family
    if family == "array":
        return family, (collection.chunks, collection.dtype, collection._meta)
    if family == "frame":
        return family, (collection._meta, type(collection))
    if family == "delayed":
        return family, (collection.key,)
    return family, (type(collection),)


def _rebuild(recipe: tuple, plan: Any) -> Any:
    family, arguments = recipe
    if family == "array":
        from rask.array import Array

        return Array._from_plan(plan, *arguments)
    if family == "frame":
        from rask.dataframe import from_pandas

        meta, kind = arguments
        template = from_pandas(meta, npartitions=1)
        return kind(template._expr.over_plan(plan))
    if family == "delayed":
        from rask.delayed import Delayed

        return Delayed(plan, (), None, arguments[0])
    return arguments[0](plan)
