"""What happens inside a partition: plain functions of lists."""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

NOTHING = "__no__default__"


def as_list(part: Any) -> list:
    """A partition as a list."""
    return part if isinstance(part, list) else list(part)


def map_items(function: Callable, *parts: Any, **kwargs: Any) -> list:
    """The function of every item; parts that are no lists are the same for all items."""
    lists = [
        part.items if isinstance(part, Partition) else itertools.repeat(part) for part in parts
    ]
    lengths = {len(part.items) for part in parts if isinstance(part, Partition)}
    if len(lengths) > 1:
        raise ValueError(f"map called with partitions of different lengths: {sorted(lengths)}")
    if kwargs:
        return [function(*items, **kwargs) for items in zip(*lists, strict=False)]
    return list(map(function, *lists))


class Partition:
    """Marks an argument of `map_items` that is a partition."""

    __slots__ = ("items",)

    def __init__(self, items: Any) -> None:
        self.items = as_list(items)


def call_map(function: Callable, kinds: tuple[str, ...], names: tuple, *values: Any) -> list:
    """`map_items` with its arguments told apart: partitions, items of other bags, constants."""
    arguments = [
        Partition(value) if kind == "bag" else value
        for kind, value in zip(kinds, values, strict=True)
    ]
    count = len(arguments) - len(names)
    keywords = dict(zip(names, arguments[count:], strict=True))
    whole = {k: v for k, v in keywords.items() if not isinstance(v, Partition)}
    columns = {k: v.items for k, v in keywords.items() if isinstance(v, Partition)}
    if not columns:
        return map_items(function, *arguments[:count], **whole)
    positional = [
        a.items if isinstance(a, Partition) else itertools.repeat(a) for a in arguments[:count]
    ]
    rows = zip(*columns.values(), strict=True)
    joined = zip(*positional, rows, strict=False) if positional else ((row,) for row in rows)
    return [
        function(*row[:-1], **dict(zip(columns, row[-1], strict=True)), **whole) for row in joined
    ]


def starmap_items(function: Callable, part: Any, **kwargs: Any) -> list:
    return [function(*item, **kwargs) for item in part]


def filter_items(predicate: Callable, part: Any) -> list:
    return list(filter(predicate, part))


def remove_items(predicate: Callable, part: Any) -> list:
    return list(itertools.filterfalse(predicate, part))


def flatten_items(part: Any) -> list:
    return list(itertools.chain.from_iterable(part))


def pluck_items(key: Any, default: Any, part: Any) -> list:
    if isinstance(key, list):
        if default == NOTHING:
            return [tuple(item[k] for k in key) for item in part]
        return [tuple(get_or(item, k, default) for k in key) for item in part]
    if default == NOTHING:
        return [item[key] for item in part]
    return [get_or(item, key, default) for item in part]


def get_or(item: Any, key: Any, default: Any) -> Any:
    try:
        return item[key]
    except (KeyError, IndexError, TypeError):
        return default


def fold_items(binop: Callable, initial: Any, part: Any) -> Any:
    return reduce(binop, part) if initial is None else reduce(binop, part, initial)


def fold_partition(binop: Callable, initial: Any, part: Any) -> list:
    """The fold of a partition as a list of one; of an empty one without initial value, none."""
    items = as_list(part)
    if not items and initial is None:
        return []
    return [fold_items(binop, initial, items)]


def fold_folds(combine: Callable, folds: list[list]) -> list:
    values = [value for fold in folds for value in fold]
    return [reduce(combine, values)] if values else []


def only_fold(folds: list) -> Any:
    if not folds:
        raise ValueError("fold() of an empty bag needs an initial value")
    return folds[0]


def count_frequencies(part: Any) -> dict:
    counts: dict = defaultdict(int)
    for item in part:
        counts[item] += 1
    return dict(counts)


def merge_frequencies(parts: list[dict]) -> dict:
    counts: dict = defaultdict(int)
    for part in parts:
        for item, count in part.items():
            counts[item] += count
    return dict(counts)


def sorted_items(counts: dict) -> list[tuple]:
    items = counts.items()
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def items_of(counts: dict) -> list[tuple]:
    return list(counts.items())


def distinct_items(key: Callable | None, part: Any) -> list:
    if key is None:
        return list(dict.fromkeys(part))
    seen: dict = {}
    for item in part:
        seen.setdefault(key(item), item)
    return list(seen.values())


def distinct_lists(key: Callable | None, parts: list[list]) -> list:
    return distinct_items(key, itertools.chain.from_iterable(parts))


def largest(k: int, key: Callable | None, part: Any) -> list:
    import heapq

    return heapq.nlargest(k, part, key)


def largest_of(k: int, key: Callable | None, parts: list[list]) -> list:
    return largest(k, key, itertools.chain.from_iterable(parts))


def fold_groups(key: Callable, binop: Callable, initial: Any, part: Any) -> dict:
    groups: dict = {}
    for item in part:
        name = key(item)
        if name in groups:
            groups[name] = binop(groups[name], item)
        elif initial == NOTHING:
            groups[name] = item
        else:
            groups[name] = binop(initial, item)
    return groups


def combine_groups(combine: Callable, initial: Any, parts: list[dict]) -> dict:
    groups: dict = {}
    for part in parts:
        for name, value in part.items():
            if name in groups:
                groups[name] = combine(groups[name], value)
            elif initial == NOTHING:
                groups[name] = value
            else:
                groups[name] = combine(initial, value)
    return groups


def group_items(key: Callable, part: Any) -> dict:
    groups: dict = {}
    for item in part:
        groups.setdefault(key(item), []).append(item)
    return groups


def stable_hash(value: Any) -> int:
    """A hash that is the same in every process: strings' own hashes differ from one to the next."""
    from rask.tokenize import tokenize

    return hash(value) if isinstance(value, int) else int(tokenize(value)[:15], 16)


def split_groups(key: Callable, count: int, part: Any) -> list[dict]:
    split: list[dict] = [{} for _ in range(count)]
    for name, items in group_items(key, part).items():
        split[stable_hash(name) % count][name] = items
    return split


def gather_groups(parts: list[dict]) -> list[tuple]:
    groups: dict = {}
    for part in parts:
        for name, items in part.items():
            groups.setdefault(name, []).extend(items)
    return list(groups.items())


def moments(part: Any) -> tuple[float, float, int]:
    """Sum of squared deviations, mean and count of a partition."""
    items = as_list(part)
    if not items:
        return 0.0, 0.0, 0
    mean = math.fsum(items) / len(items)
    return math.fsum((item - mean) ** 2 for item in items), mean, len(items)


def merge_moments(parts: list[tuple]) -> tuple[float, float, int]:
    """Moments of partitions together (Chan, Golub and LeVeque, 1979)."""
    squares, mean, count = 0.0, 0.0, 0
    for other_squares, other_mean, other_count in parts:
        total = count + other_count
        if other_count == 0:
            continue
        delta = other_mean - mean
        squares += other_squares + delta * delta * count * other_count / total
        mean += delta * other_count / total
        count = total
    return squares, mean, count


def mean_of(parts: list[tuple]) -> float:
    total = sum(part[0] for part in parts)
    return total / sum(part[1] for part in parts)


def sum_and_count(part: Any) -> tuple[Any, int]:
    items = as_list(part)
    return sum(items), len(items)


def variance_of(ddof: int, parts: list[tuple]) -> float:
    squares, _, count = merge_moments(parts)
    return squares / (count - ddof)


def deviation_of(ddof: int, parts: list[tuple]) -> float:
    return math.sqrt(variance_of(ddof, parts))


def counted(part: Any) -> int:
    return len(part) if hasattr(part, "__len__") else sum(1 for _ in part)


def multiply(part: Iterable) -> Any:
    return math.prod(part)


def extremes(function: Callable, part: Any) -> list:
    """The extreme item of a partition as a list of one; of an empty one, none."""
    items = as_list(part)
    return [function(items)] if items else []


def extreme_of(function: Callable, parts: list[list]) -> Any:
    return function(itertools.chain.from_iterable(parts))


def extremes_of(function: Callable, parts: list[list]) -> list:
    return extremes(function, list(itertools.chain.from_iterable(parts)))


def join_items(on_other: Callable, on_self: Callable, other: Any, part: Any) -> list[tuple]:
    groups = group_items(on_other, other)
    return [(match, item) for item in part for match in groups.get(on_self(item), ())]


def sample_items(probability: float, states: list, part: Any, number: int) -> list:
    generator = random.Random()
    generator.seed(states[number])
    return [item for item in part if generator.random() < probability]


def chain_lists(parts: list[list]) -> list:
    return list(itertools.chain.from_iterable(parts))


def first_items(k: int, parts: list[list]) -> list:
    return list(itertools.islice(itertools.chain.from_iterable(parts), k))


def call_method(name: str, args: tuple, kwargs: dict, part: Any) -> list:
    return [getattr(item, name)(*args, **kwargs) for item in part]


def accumulated(binop: Callable, initial: Any, is_first: bool, part: Any) -> tuple[list, Any]:
    """Running results of a partition, and the last of them for the next one."""
    if is_first and initial == NOTHING:
        results = list(itertools.accumulate(part, binop))
        return results, results[-1] if results else NOTHING
    results = list(itertools.accumulate(part, binop, initial=initial))
    return (results if is_first else results[1:]), results[-1]


def merge_sums(parts: list[tuple]) -> tuple[Any, int]:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def cut_piece(part: Any, place: tuple[int, int]) -> list:
    """Piece ``place[0]`` of ``place[1]`` of a partition."""
    number, count = place
    items = as_list(part)
    return items[len(items) * number // count : len(items) * (number + 1) // count]
