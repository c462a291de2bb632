"""Bags from other things."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from rask import _core
from rask.bag import layers, partitions
from rask.bag.core import Bag
from rask.bag.several import map_bags, map_partitions_of
from rask.base import lower

__all__ = [
    "concat",
    "from_delayed",
    "from_sequence",
    "from_url",
    "map",
    "map_partitions",
    "range",
    "zip",
]

PARTITIONS = 100


def from_sequence(
    seq: Iterable, partition_size: int | None = None, npartitions: int | None = None
) -> Bag:
    """A bag of the items of a sequence.

    Parameters
    ----------
    seq : iterable
    partition_size : int, optional
        Items of a partition.
    npartitions : int, optional
        About how many partitions; 100 by default.

    Examples
    --------
    >>> from_sequence(["Alice", "Bob", "Chuck"], partition_size=2).npartitions
    2
    """
    items = list(seq)
    if partition_size is None:
        count = npartitions or min(PARTITIONS, builtins.max(1, len(items)))
        partition_size = builtins.max(1, -(-len(items) // count))
    parts = [
        items[i : i + partition_size] for i in builtins.range(0, len(items), partition_size)
    ] or [[]]
    return Bag(layers.held(f"from_sequence-{layers.token_of(items, partition_size)}", parts))


def from_delayed(values: Any) -> Bag:
    """A bag with a partition for each delayed value, or future, which is an iterable.

    Examples
    --------
    >>> import rask
    >>> from_delayed([rask.delayed(builtins.range)(3), rask.delayed(list)("ab")]).compute()
    [0, 1, 2, 'a', 'b']
    """
    from rask.delayed import without_futures

    values = values if isinstance(values, (list, tuple)) else [values]
    plan, _ = lower(without_futures(values))
    name = f"from-delayed-{layers.token_of(plan.wanted)}"
    return Bag(
        layers.partitionwise(name, "from-delayed", partitions.as_list, [plan], (_core.INPUT,), {})
    )


def from_url(urls: str | list[str]) -> Bag:
    """A bag of the lines (bytes) of what is at some addresses, a partition each."""
    from rask.delayed import delayed

    addresses = [urls] if isinstance(urls, str) else urls
    return from_delayed([delayed(read_url)(address) for address in addresses])


def read_url(url: str) -> list[bytes]:
    """The lines of what is at an address."""
    from urllib.request import urlopen

    with urlopen(url) as response:
        return list(response)


def range(n: int, npartitions: int) -> Bag:
    """Numbers from 0 to n - 1.

    Examples
    --------
    >>> range(5, npartitions=2).compute()
    [0, 1, 2, 3, 4]
    """
    size = builtins.max(1, n // npartitions)
    borders = [(i, builtins.min(i + size, n)) for i in builtins.range(0, n, size)] or [(0, 0)]
    builder = _core.PlanBuilder()
    name = f"range-{layers.token_of(n, npartitions)}"
    args = (_core.PerBlock(borders),)
    layer = builder.add_callable(name, [len(borders)], "range", numbers, args, None, [])
    builder.want_all(layer)
    return Bag(builder.build())


def numbers(borders: tuple[int, int]) -> list[int]:
    return list(builtins.range(*borders))


def zip(*bags: Bag) -> Bag:
    """Tuples of the corresponding items of bags with equal partitions."""
    counts = {bag.npartitions for bag in bags}
    if len(counts) != 1:
        raise ValueError(f"zip() needs bags of equal numbers of partitions, not {sorted(counts)}")
    return map_partitions_of(zip_lists, *bags, _op="zip")


def zip_lists(*parts: Any) -> list[tuple]:
    return list(builtins.zip(*parts, strict=False))


def concat(bags: Iterable[Bag]) -> Bag:
    """The items of one bag after those of the other.

    Examples
    --------
    >>> concat([from_sequence([1, 2]), from_sequence([3])]).compute()
    [1, 2, 3]
    """
    return Bag(layers.joint_plan([bag._plan for bag in itertools.chain(bags)]))


def map(func: Callable, *args: Any, **kwargs: Any) -> Bag:
    """`Bag.map` with the bags anywhere among the arguments."""
    return map_bags(func, *args, **kwargs)


def map_partitions(func: Callable, *args: Any, **kwargs: Any) -> Bag:
    """`Bag.map_partitions` with the bags anywhere among the arguments."""
    return map_partitions_of(func, *args, **kwargs)
