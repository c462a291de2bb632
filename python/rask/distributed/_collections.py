"""Collections and futures, made of each other.

A collection can be given to another client as futures of its blocks, and what is needed to make a
collection of them again; a future can stand in a collection as a value that a cluster holds.

A packed collection is a tuple: a mark; how to make a collection of a plan (the family, and its
arguments); names and grids of the layers that the blocks belong to; for each block its layer and
its number there; and the futures of the blocks.
"""

from __future__ import annotations

from typing import Any

from rask import _core
from rask.distributed._submission import is_collection

__all__ = ["pack_collections", "plans_of_futures", "unpack_collections"]

_MARK = "rask-collection"


def plans_of_futures(futures: list[Any]) -> list[_core.Plan]:
    """For each future a plan of its value, which keeps it in the cluster.

    Plans of one layer share what keeps its blocks, so that they can be merged.
    """
    by_client: dict[int, list[int]] = {}
    for at, future in enumerate(futures):
        by_client.setdefault(id(future.client._core), []).append(at)
    plans: dict[int, _core.Plan] = {}
    for places in by_client.values():
        chosen = [futures[at] for at in places]
        names = list(dict.fromkeys(future._layer[0] for future in chosen))
        numbers = {name: number for number, name in enumerate(names)}
        grids: list[list[int]] = [[] for _ in names]
        blocks: list[tuple[int, int]] = []
        for name, block, numbered in (future._layer for future in chosen):
            number = numbers[name]
            if numbered:
                grids[number] = [max([block + 1, *grids[number]])]
            blocks.append((number, block))
        layers = list(zip(names, grids, strict=True))
        plan = chosen[0].client._core.plan_of_futures(layers, blocks, chosen)
        plans.update((at, plan.slice(n, n + 1)) for n, at in enumerate(places))
    return [plans[at] for at in range(len(futures))]


def pack_collections(client: Any, value: Any) -> Any:
    """Replace collections in `value`, also inside lists, tuples and dicts."""
    if is_collection(value):
        return (_MARK, *_pack(client, value))
    if type(value) in (list, tuple):
        return type(value)(pack_collections(client, item) for item in value)
    if type(value) is dict:
        return {key: pack_collections(client, item) for key, item in value.items()}
    return value


def unpack_collections(client: Any, value: Any) -> Any:
    """The reverse of `pack_collections`, with futures of `client`."""
    if type(value) is tuple and len(value) == 5 and value[0] == _MARK:
        _, recipe, layers, blocks, futures = value
        return _rebuild(recipe, client._core.plan_of_futures(layers, blocks, futures))
    if type(value) in (list, tuple):
        return type(value)(unpack_collections(client, item) for item in value)
    if type(value) is dict:
        return {key: unpack_collections(client, item) for key, item in value.items()}
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
