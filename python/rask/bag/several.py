"""Functions of several bags, and of other values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rask import _core
from rask.bag import layers, partitions
from rask.bag.collection import Collection, Item
from rask.bag.core import Bag
from rask.base import is_rask_collection, lower

__all__ = ["map_bags", "map_partitions_of"]


def tell_apart(args: tuple, kwargs: dict) -> tuple[list, list[str], list[_core.Plan], list[bool]]:
    """Arguments for a layer: markers and constants, what each is, and the plans behind them."""
    from rask.delayed import without_futures

    values, kinds, plans, singles = [], [], [], []
    for value in without_futures((*args, *kwargs.values())):
        if isinstance(value, Bag):
            kinds.append("bag")
        elif is_rask_collection(value):
            kinds.append("single")
        else:
            kinds.append("constant")
            values.append(value)
            continue
        values.append(_core.INPUT)
        plans.append(value._plan if isinstance(value, Collection) else single_plan(value))
        singles.append(not isinstance(value, Bag))
    counts = {p.wanted_count for p, single in zip(plans, singles, strict=True) if not single}
    if len(counts) > 1:
        raise ValueError(f"bags of different numbers of partitions: {sorted(counts)}")
    return values, kinds, plans, singles


def single_plan(collection: Any) -> _core.Plan:
    """Any collection as a plan that wants its value as one block."""
    from rask.delayed import Delayed, delayed

    value = collection if isinstance(collection, Delayed) else delayed(collection)
    return lower([value])[0]


def map_bags(func: Callable, *args: Any, **kwargs: Any) -> Bag:
    """`Bag.map` of any arguments."""
    values, kinds, plans, singles = tell_apart(args, kwargs)
    name = f"map-{layers.token_of(func, args, kwargs)}"
    if kinds == ["bag"] and not kwargs:
        return Bag(layers.partitionwise(name, "map", _MapOne(func), plans, (_core.INPUT,), {}))
    call = partial(partitions.call_map, func, tuple(kinds), tuple(kwargs))
    return Bag(layers.partitionwise(name, "map", call, plans, tuple(values), {}, singles))


class _MapOne:
    """A function of one argument over a partition."""

    def __init__(self, function: Callable) -> None:
        self.function = function

    def __call__(self, part: Any) -> list:
        return list(map(self.function, part))


def map_partitions_of(
    func: Callable,
    *args: Any,
    _op: str = "map-partitions",
    _singles: tuple[int, ...] = (),
    **kwargs: Any,
) -> Bag:
    """`Bag.map_partitions` of any arguments; bags at ``_singles`` have one partition for all."""
    values, _, plans, singles = tell_apart(
        tuple(_one(a) if n in _singles else a for n, a in enumerate(args)), kwargs
    )
    name = f"{_op}-{layers.token_of(_op, func, args, kwargs)}"
    call = _CallWithKeywords(func, tuple(kwargs))
    return Bag(layers.partitionwise(name, _op, call, plans, tuple(values), {}, singles))


def _one(value: Any) -> Any:
    """A bag of one partition as a single value."""
    return Item(value._plan) if isinstance(value, Bag) else value


class _CallWithKeywords:
    """A function whose last arguments are keywords; an iterator it returns becomes a list."""

    def __init__(self, function: Callable, names: tuple[str, ...]) -> None:
        self.function = function
        self.names = names

    def __call__(self, *values: Any) -> Any:
        count = len(values) - len(self.names)
        keywords = dict(zip(self.names, values[count:], strict=True))
        result = self.function(*values[:count], **keywords)
        return list(result) if isinstance(result, Iterator) else result
