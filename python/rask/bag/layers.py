"""Layers of bags: partitions into partitions, and many partitions into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rask import _core
from rask._names import process_token
from rask.tokenize import TokenizationError, tokenize

__all__ = ["combine", "held", "joint_plan", "partitionwise", "shuffled", "token_of"]

Blocks = list[tuple[int, int]]


def token_of(*args: Any) -> str:
    """A token of a function and its arguments; of what cannot be told apart, a new one."""
    try:
        return tokenize(*args, ensure_deterministic=True)
    except (TokenizationError, RuntimeError, TypeError, AttributeError):
        import uuid

        return process_token() + uuid.uuid4().hex[:16]


def one_of_each(blocks: Blocks) -> list[tuple[int, Any]]:
    """Inputs that give block ``i`` of a new layer the ``i``-th of these blocks."""
    if len({layer for layer, _ in blocks}) == 1 and is_all_in_order(blocks):
        return [(blocks[0][0], [("same", 0)])]
    inputs = []
    for layer in dict.fromkeys(layer for layer, _ in blocks):
        offsets, numbers = [0], []
        for owner, number in blocks:
            if owner == layer:
                numbers.append(number)
            offsets.append(len(numbers))
        inputs.append((layer, ("explicit", offsets, numbers)))
    return inputs


def is_all_in_order(blocks: Blocks) -> bool:
    """Whether the blocks are numbers 0, 1, … of their layer."""
    return all(number == position for position, (_, number) in enumerate(blocks))


def groups_of(blocks: Blocks, groups: Sequence[tuple[int, int]]) -> list[tuple[int, Any]]:
    """Inputs that give block ``i`` of a new layer the blocks ``start:stop`` of group ``i``."""
    inputs = []
    for layer in dict.fromkeys(layer for layer, _ in blocks):
        offsets, numbers = [0], []
        for start, stop in groups:
            numbers += [number for owner, number in blocks[start:stop] if owner == layer]
            offsets.append(len(numbers))
        inputs.append((layer, ("explicit", offsets, numbers)))
    return inputs


def partitionwise(
    name: str,
    op: str,
    function: Callable,
    plans: Sequence[_core.Plan],
    args: tuple,
    kwargs: dict,
    singles: Sequence[bool] = (),
) -> _core.Plan:
    """A layer that calls ``function`` on the corresponding partitions of the plans.

    ``args`` holds ``_core.INPUT`` where a plan's partition goes, in the order of ``plans``; the only
    block of a plan that is marked in ``singles`` goes to all calls.
    """
    builder = _core.PlanBuilder()
    added = [builder.add(plan) for plan in plans]
    shared = list(singles) or [False] * len(added)
    count = max(len(blocks) for blocks, single in zip(added, shared, strict=True) if not single)
    inputs: list[tuple[int, Any]] = []
    for blocks, single in zip(added, shared, strict=True):
        if single:
            ((layer, number),) = blocks
            inputs.append((layer, ("explicit", list(range(count + 1)), [number] * count)))
        else:
            inputs += one_of_each(blocks)
    layer = builder.add_callable(name, [count], op, function, args, kwargs or None, inputs)
    builder.want_all(layer)
    return builder.build()


def combine(
    name: str, op: str, function: Callable, plan: _core.Plan, groups: Sequence[tuple[int, int]]
) -> _core.Plan:
    """A layer that calls ``function`` on the list of partitions of each group."""
    if len({layer for layer, _ in plan.wanted}) > 1:
        # Inputs come layer by layer, so blocks of several layers first become those of one.
        plan = partitionwise(f"{name}-in-order", "in-order", as_it_is, [plan], (_core.INPUT,), {})
    builder = _core.PlanBuilder()
    blocks = builder.add(plan)
    layer = builder.add_callable(
        name, [len(groups)], op, function, (_core.INPUT_LIST,), None, groups_of(blocks, groups)
    )
    builder.want_all(layer)
    return builder.build()


def as_it_is(part: Any) -> Any:
    return part


def shuffled(
    name: str, split: Callable, gather: Callable, plan: _core.Plan, npartitions: int
) -> _core.Plan:
    """Every partition split in ``npartitions``, and the parts of equal number put together."""
    builder = _core.PlanBuilder()
    blocks = builder.add(plan)
    inputs = one_of_each(blocks)
    parts = builder.add_callable(
        f"{name}-split", [len(blocks)], "split", split, (_core.INPUT,), None, inputs
    )
    picked = builder.add_callable(
        f"{name}-part",
        [len(blocks), npartitions],
        "part",
        pick_part,
        (_core.INPUT, _core.COORDS),
        None,
        [(parts, [("same", 0)])],
    )
    layer = builder.add_callable(
        name,
        [npartitions],
        "gather",
        gather,
        (_core.INPUT_LIST,),
        None,
        [(picked, ["all", ("same", 0)])],
    )
    builder.want_all(layer)
    return builder.build()


def pick_part(parts: list, coordinates: tuple[int, int]) -> list:
    """One of the parts of a split partition."""
    return parts[coordinates[1]]


def held(name: str, partitions: list[Any]) -> _core.Plan:
    """Partitions that are here already."""
    builder = _core.PlanBuilder()
    layer = builder.add_held(name, partitions)
    builder.want_all(layer)
    return builder.build()


def joint_plan(plans: Sequence[_core.Plan]) -> _core.Plan:
    """One plan that wants what the plans want, one after the other."""
    return _core.Plan.merge(list(plans))
