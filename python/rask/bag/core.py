"""The lazy list that a user holds, and the lazy single value."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rask import _core
from rask.bag import layers, partitions
from rask.bag.partitions import NOTHING
from rask.base import compute, is_rask_collection, lower, persist, visualize

__all__ = ["Bag", "Item", "StringAccessor"]

SPLIT_EVERY = 8


class Collection:
    """What bags and items have in common: a plan, and ways to compute it."""

    _rask_family = "bag"

    def __init__(self, plan: _core.Plan) -> None:
        self._plan = plan

    @classmethod
    def _rask_lower(cls, collections: list[Any], optimize: bool) -> tuple[_core.Plan, list[int]]:
        plans = [collection._plan for collection in collections]
        return _core.Plan.merge(plans), [plan.wanted_count for plan in plans]

    def __reduce__(self) -> tuple:
        from rask.distributed._sharing import reduce_collection

        return reduce_collection(self)

    def _rask_rebuild(self, plan: _core.Plan) -> Any:
        return type(self)(plan)

    def __rask_tokenize__(self) -> Any:
        return self._plan.wanted

    @property
    def name(self) -> str:
        """Name of the layer that makes the value."""
        return self._plan.wanted[0][0]

    @property
    def dask(self) -> dict:
        """The plain task graph of the collection."""
        from rask.base import plan_to_graph

        return plan_to_graph(self._plan)[0]

    def compute(self, **kwargs: Any) -> Any:
        """The value itself; parameters as `rask.compute`."""
        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs: Any) -> Any:
        """Compute and keep the partitions; parameters as `rask.persist`."""
        return persist(self, traverse=False, **kwargs)[0]

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the layers; parameters as `rask.visualize`."""
        return visualize(self, **kwargs)


class Item(Collection):
    """A lazy single value: the result of a reduction of a bag.

    Examples
    --------
    >>> import rask.bag as db
    >>> db.range(10, npartitions=2).sum().apply(lambda total: total + 1).compute()
    46
    """

    def _rask_finish(self, values: list) -> Any:
        return values[0]

    def _rask_finisher(self) -> Callable[[list], Any]:
        return partitions.only_fold

    @property
    def key(self) -> tuple[str, int]:
        """The layer's name and the block's number."""
        return self._plan.wanted[0]

    @staticmethod
    def from_delayed(value: Any) -> Item:
        """A delayed value as an item."""
        return Item(lower([value])[0])

    def apply(self, func: Callable) -> Item:
        """The function of the value, lazily."""
        name = f"apply-{layers.token_of(func, self)}"
        return Item(layers.partitionwise(name, "apply", func, [self._plan], (_core.INPUT,), {}))

    def to_delayed(self, optimize_graph: bool = True) -> Any:
        """The value as a `Delayed`."""
        from rask.delayed import delayed_from_plan

        return delayed_from_plan(self._plan)[0]

    def __repr__(self) -> str:
        return f"rask.bag.Item<{self.name}>"

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())


class Bag(Collection):
    """A lazy list in partitions; made by `from_sequence`, `read_text` and others.

    Examples
    --------
    >>> import rask.bag as db
    >>> b = db.from_sequence(range(6), npartitions=3)
    >>> b.filter(lambda x: x % 2 == 0).map(lambda x: x * 10).compute()
    [0, 20, 40]
    """

    def _rask_finish(self, values: list) -> list:
        return list(itertools.chain.from_iterable(values))

    def _rask_finisher(self) -> Callable[[list], Any]:
        return partitions.chain_lists

    @property
    def npartitions(self) -> int:
        """The number of partitions."""
        return self._plan.wanted_count

    @property
    def str(self) -> StringAccessor:
        """Methods of strings, for every item."""
        return StringAccessor(self)

    def __repr__(self) -> str:
        return f"rask.bag<{self.name.rpartition('-')[0]}, npartitions={self.npartitions}>"

    def __iter__(self) -> Iterator[Any]:
        return iter(self.compute())

    # ---- item by item

    def _each(self, op: str, function: Callable, *token: Any) -> Bag:
        name = f"{op}-{layers.token_of(op, token, self)}"
        return Bag(layers.partitionwise(name, op, function, [self._plan], (_core.INPUT,), {}))

    def map(self, func: Callable, *args: Any, **kwargs: Any) -> Bag:
        """The function of every item.

        Parameters
        ----------
        func : callable
        *args, **kwargs
            Further arguments: bags with the same partitions give an item each, `Item` and delayed
            values are computed, anything else is the same for every call.

        Examples
        --------
        >>> import rask.bag as db
        >>> a, b = db.range(4, npartitions=2), db.range(4, npartitions=2)
        >>> a.map(lambda x, y, z: x + y + z, b, z=b.max()).compute()
        [3, 5, 7, 9]
        """
        return map_bags(func, self, *args, **kwargs)

    def starmap(self, func: Callable, **kwargs: Any) -> Bag:
        """The function of every item's items: ``func(*item, **kwargs)``."""
        function = partial(partitions.starmap_items, func, **kwargs)
        return self._each("starmap", function, func, kwargs)

    def filter(self, predicate: Callable) -> Bag:
        """The items for which the predicate holds."""
        return self._each("filter", partial(partitions.filter_items, predicate), predicate)

    def remove(self, predicate: Callable) -> Bag:
        """The items for which the predicate does not hold."""
        return self._each("remove", partial(partitions.remove_items, predicate), predicate)

    def flatten(self) -> Bag:
        """The items of the items, which are lists or other iterables."""
        return self._each("flatten", partitions.flatten_items)

    def pluck(self, key: Any, default: Any = NOTHING) -> Bag:
        """One element of every item, or a tuple of several.

        Parameters
        ----------
        key : object or list
            What each item is indexed with.
        default : object, optional
            In place of what an item does not have.
        """
        function = partial(partitions.pluck_items, key, default)
        return self._each("pluck", function, key, default)

    def map_partitions(self, func: Callable, *args: Any, **kwargs: Any) -> Bag:
        """The function of every partition as a whole; it returns an iterable.

        Further arguments are as in `map`, bags giving their partitions.
        """
        return map_partitions_of(func, self, *args, **kwargs)

    def random_sample(self, prob: float, random_state: Any = None) -> Bag:
        """Every item with a probability, the same ones each time it is computed.

        Raises
        ------
        ValueError
            If the probability is not between 0 and 1.
        """
        if not 0 <= prob <= 1:
            raise ValueError(f"prob must be a number in [0, 1], not {prob!r}")
        import random

        given = isinstance(random_state, random.Random)
        generator: Any = random_state if given else random.Random(random_state)
        states = [generator.getrandbits(64) for _ in range(self.npartitions)]
        function = partial(partitions.sample_items, prob, states)
        name = f"random-sample-{layers.token_of(prob, states, self)}"
        args = (_core.INPUT, _core.BLOCK)
        return Bag(layers.partitionwise(name, "random-sample", function, [self._plan], args, {}))

    def join(self, other: Any, on_self: Callable, on_other: Callable | None = None) -> Bag:
        """Pairs of items of ``other`` and of this bag whose keys are equal.

        Parameters
        ----------
        other : iterable, Delayed or Bag of one partition
            The small side.
        on_self, on_other : callable
            The keys; ``on_other`` is ``on_self`` by default.
        """
        other_key = on_self if on_other is None else on_other
        if isinstance(other, Bag) and other.npartitions != 1:
            raise NotImplementedError(
                "join() with a bag of several partitions: repartition(npartitions=1) the small side"
            )
        function = partial(partitions.join_items, other_key, on_self)
        return map_partitions_of(function, other, self, _op="join", _singles=(0,))

    def accumulate(self, binop: Callable, initial: Any = NOTHING) -> Bag:
        """Running results of a function of the result so far and the next item.

        Examples
        --------
        >>> import rask.bag as db
        >>> from operator import add
        >>> db.from_sequence([1, 2, 3], npartitions=2).accumulate(add).compute()
        [1, 3, 6]
        """
        from rask.delayed import delayed, delayed_from_plan

        step = delayed(partitions.accumulated, pure=False)
        carry, results = initial, []
        for number, part in enumerate(delayed_from_plan(self._plan)):
            both = step(binop, carry, number == 0, part)
            results.append(both[0])
            carry = both[1]
        return Bag(lower(results)[0])

    # ---- reductions

    def reduction(
        self,
        perpartition: Callable,
        aggregate: Callable,
        split_every: int | bool | None = None,
        out_type: type = Item,
        name: str | None = None,
    ) -> Any:
        """A value of every partition, and a value of those, in a tree.

        Parameters
        ----------
        perpartition : callable
            A function of a partition.
        aggregate : callable
            A function of an iterable of values; it must take its own results too.
        split_every : int or False, optional
            How many values are aggregated at a time; 8 by default, all for False.
        out_type : Item or Bag
            What the result is.
        """
        return self._reduce(
            name or "reduction", perpartition, aggregate, aggregate, split_every, out_type
        )

    def _reduce(
        self,
        op: str,
        perpartition: Callable,
        combine: Callable,
        aggregate: Callable,
        split_every: int | bool | None = None,
        out_type: type = Item,
    ) -> Any:
        """A tree: ``perpartition``, then ``combine`` in groups, and at last ``aggregate``."""
        every = self.npartitions if split_every is False else split_every or SPLIT_EVERY
        if every < 2 and self.npartitions > 1:
            raise ValueError(f"split_every must be at least 2, not {split_every!r}")
        token = layers.token_of(op, perpartition, combine, aggregate, every, self)
        plan = layers.partitionwise(
            f"{op}-part-{token}", op, perpartition, [self._plan], (_core.INPUT,), {}
        )
        level = 0
        while plan.wanted_count > every:
            count = plan.wanted_count
            groups = [(i, min(i + every, count)) for i in range(0, count, every)]
            plan = layers.combine(f"{op}-combine-{level}-{token}", op, combine, plan, groups)
            level += 1
        groups = [(0, plan.wanted_count)]
        return out_type(layers.combine(f"{op}-{token}", op, aggregate, plan, groups))

    def fold(
        self,
        binop: Callable,
        combine: Callable | None = None,
        initial: Any = NOTHING,
        split_every: int | None = None,
        out_type: type = Item,
    ) -> Any:
        """A running function over every partition, and over the results of those.

        Parameters
        ----------
        binop : callable
            ``binop(result so far, item)``.
        combine : callable, optional
            ``combine(result, result)``; ``binop`` by default.
        initial : object, optional
            The first result of every partition.

        Examples
        --------
        >>> import rask.bag as db
        >>> from operator import add
        >>> db.range(5, npartitions=2).fold(add).compute()
        10
        """
        start = None if initial == NOTHING else initial
        merge = combine or binop
        return self._reduce(
            "fold",
            partial(partitions.fold_partition, binop, start),
            partial(partitions.fold_folds, merge),
            _Then(partial(partitions.fold_folds, merge), partitions.only_fold),
            split_every,
            out_type,
        )

    def foldby(
        self,
        key: Any,
        binop: Callable,
        initial: Any = NOTHING,
        combine: Callable | None = None,
        combine_initial: Any = NOTHING,
        split_every: int | None = None,
    ) -> Bag:
        """A fold for each group of items with equal keys; a bag of pairs.

        Examples
        --------
        >>> import rask.bag as db
        >>> from operator import add
        >>> sorted(db.range(6, npartitions=2).foldby(lambda x: x % 2, add).compute())
        [(0, 6), (1, 9)]
        """
        merge = partial(partitions.combine_groups, combine or binop, combine_initial)
        return self._reduce(
            "foldby",
            partial(partitions.fold_groups, as_function(key), binop, initial),
            merge,
            _Then(merge, partitions.items_of),
            split_every,
            Bag,
        )

    def frequencies(self, split_every: int | None = None, sort: bool = False) -> Bag:
        """How often each item occurs; a bag of pairs."""
        last = partitions.sorted_items if sort else partitions.items_of
        return self._reduce(
            "frequencies",
            partitions.count_frequencies,
            partitions.merge_frequencies,
            _Then(partitions.merge_frequencies, last),
            split_every,
            Bag,
        )

    def topk(self, k: int, key: Any = None, split_every: int | None = None) -> Bag:
        """The k largest items, the largest first."""
        function = None if key is None else as_function(key)
        merge = partial(partitions.largest_of, k, function)
        return self._reduce(
            "topk", partial(partitions.largest, k, function), merge, merge, split_every, Bag
        )

    def distinct(self, key: Any = None) -> Bag:
        """Each item once, by its key if one is given."""
        function = None if key is None else as_function(key)
        merge = partial(partitions.distinct_lists, function)
        return self._reduce(
            "distinct", partial(partitions.distinct_items, function), merge, merge, None, Bag
        )

    def count(self, split_every: int | None = None) -> Item:
        """The number of items."""
        return self._reduce("count", partitions.counted, sum, sum, split_every)

    def sum(self, split_every: int | None = None) -> Item:
        """The sum of the items."""
        return self._reduce("sum", sum, sum, sum, split_every)

    def product(self, split_every: int | None = None) -> Item:
        """The product of the items."""
        multiply = partitions.multiply
        return self._reduce("product", multiply, multiply, multiply, split_every)

    def any(self, split_every: int | None = None) -> Item:
        """Whether any item is true."""
        return self._reduce("any", any, any, any, split_every)

    def all(self, split_every: int | None = None) -> Item:
        """Whether all items are true."""
        return self._reduce("all", all, all, all, split_every)

    def max(self, split_every: int | None = None) -> Item:
        """The largest item."""
        return self._extreme("max", max, split_every)

    def min(self, split_every: int | None = None) -> Item:
        """The smallest item."""
        return self._extreme("min", min, split_every)

    def _extreme(self, op: str, function: Callable, split_every: int | None) -> Item:
        return self._reduce(
            op,
            partial(partitions.extremes, function),
            partial(partitions.extremes_of, function),
            partial(partitions.extreme_of, function),
            split_every,
        )

    def mean(self) -> Item:
        """The mean of the items."""
        return self._reduce("mean", partitions.sum_and_count, merge_sums, partitions.mean_of)

    def var(self, ddof: int = 0) -> Item:
        """The variance of the items."""
        return self._reduce(
            "var",
            partitions.moments,
            partitions.merge_moments,
            partial(partitions.variance_of, ddof),
        )

    def std(self, ddof: int = 0) -> Item:
        """The standard deviation of the items."""
        return self._reduce(
            "std",
            partitions.moments,
            partitions.merge_moments,
            partial(partitions.deviation_of, ddof),
        )

    # ---- partitions

    def groupby(
        self,
        grouper: Any,
        method: str | None = None,
        npartitions: int | None = None,
        blocksize: int | None = None,
        max_branch: int | None = None,
        shuffle: str | None = None,
    ) -> Bag:
        """All items of each group together; a bag of pairs of key and list.

        Every item moves: `foldby` is much cheaper where it can say the same.

        Parameters
        ----------
        grouper : callable
            The key of an item.
        npartitions : int, optional
            Partitions of the result; as many as this bag's by default.
        """
        key = as_function(grouper)
        count = npartitions or self.npartitions
        name = f"groupby-{layers.token_of(grouper, count, self)}"
        split = partial(partitions.split_groups, key, count)
        return Bag(layers.shuffled(name, split, partitions.gather_groups, self._plan, count))

    def repartition(self, npartitions: int | None = None, partition_size: Any = None) -> Bag:
        """The same items in another number of partitions, or in partitions of about a size.

        Parameters
        ----------
        npartitions : int, optional
            Fewer: neighbours are put together; more: partitions are cut.
        partition_size : int or str, optional
            Largest bytes of a partition, such as ``"100MiB"``; computes the sizes of the present
            partitions at once.

        Raises
        ------
        ValueError
            Unless exactly one of the two is given.
        """
        if (npartitions is None) == (partition_size is None):
            raise ValueError("give one of npartitions= and partition_size=")
        if partition_size is not None:
            npartitions = self._count_for_size(partition_size)
        assert npartitions is not None
        have = self.npartitions
        if npartitions == have:
            return self
        token = layers.token_of(npartitions, self)
        if npartitions < have:
            borders = [have * i // npartitions for i in range(npartitions + 1)]
            groups = list(itertools.pairwise(borders))
            name = f"repartition-{token}"
            return Bag(
                layers.combine(name, "repartition", partitions.chain_lists, self._plan, groups)
            )
        return self._cut(npartitions, token)

    def _count_for_size(self, partition_size: Any) -> int:
        from rask.sizeof import sizeof_foreign
        from rask.utils import parse_bytes

        sizes = self.map_partitions(lambda part: [sum(map(sizeof_foreign, part))]).compute()
        return max(1, math.ceil(sum(sizes) / parse_bytes(partition_size)))

    def _cut(self, npartitions: int, token: str) -> Bag:
        have = self.npartitions
        counts = [npartitions * (i + 1) // have - npartitions * i // have for i in range(have)]
        builder = _core.PlanBuilder()
        blocks = builder.add(self._plan)
        owners = [i for i, count in enumerate(counts) for _ in range(count)]
        places = [(k, count) for count in counts for k in range(count)]
        inputs = []
        for layer in dict.fromkeys(layer for layer, _ in blocks):
            numbers, borders = [], [0]
            for owner in owners:
                numbers += [blocks[owner][1]] if blocks[owner][0] == layer else []
                borders.append(len(numbers))
            inputs.append((layer, ("explicit", borders, numbers)))
        layer = builder.add_callable(
            f"repartition-{token}",
            [npartitions],
            "repartition",
            cut_piece,
            (_core.INPUT, _core.PerBlock(places)),
            None,
            inputs,
        )
        builder.want_all(layer)
        return Bag(builder.build())

    def take(self, k: int, npartitions: int = 1, compute: bool = True, warn: bool = True) -> Any:
        """The first k items, of the first partitions only.

        Parameters
        ----------
        npartitions : int
            How many partitions to look at; -1 for all.
        compute : bool
            Whether to return a tuple now, or a bag.
        warn : bool
            Whether to warn where there are fewer items.

        Raises
        ------
        ValueError
            If there are not that many partitions.
        """
        count = self.npartitions if npartitions <= -1 else npartitions
        if count > self.npartitions:
            raise ValueError(f"only {self.npartitions} partitions, take received {npartitions}")
        name = f"take-{layers.token_of(k, count, self)}"
        part = self._plan.slice(0, count)
        first = partial(partitions.first_items, k)
        taken = Bag(layers.combine(name, "take", first, part, [(0, count)]))
        if not compute:
            return taken
        items = tuple(taken.compute())
        if len(items) < k and warn:
            import warnings

            warnings.warn(
                f"Insufficient elements for `take`. {k} elements requested, only {len(items)} "
                "elements available. Try passing larger `npartitions` to `take`.",
                stacklevel=2,
            )
        return items

    def unzip(self, n: int) -> tuple[Bag, ...]:
        """A bag of tuples as n bags."""
        return tuple(self.pluck(i) for i in range(n))

    # ---- elsewhere

    def to_delayed(self, optimize_graph: bool = True) -> list[Any]:
        """One `Delayed` for each partition."""
        from rask.delayed import delayed_from_plan

        return delayed_from_plan(self._plan)

    def to_textfiles(self, path: Any, **kwargs: Any) -> Any:
        """Write a text file for each partition; parameters as `rask.bag.to_textfiles`."""
        from rask.bag.text import to_textfiles

        return to_textfiles(self, path, **kwargs)

    def to_dataframe(
        self, meta: Any = None, columns: Any = None, optimize_graph: bool = True
    ) -> Any:
        """A dataframe of records: dicts, tuples, or single values."""
        from rask.bag.frames import to_dataframe

        return to_dataframe(self, meta=meta, columns=columns)

    def to_avro(self, *args: Any, **kwargs: Any) -> Any:
        """Not there yet."""
        raise NotImplementedError(
            "Bag.to_avro is not in Rask yet; write partitions with to_delayed() and fastavro"
        )


class _Then:
    """One function after another; picklable."""

    def __init__(self, first: Callable, second: Callable) -> None:
        self.first = first
        self.second = second

    def __call__(self, value: Any) -> Any:
        return self.second(self.first(value))


class _Getter:
    """An item's element as a function of the item."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def __call__(self, item: Any) -> Any:
        return operator.getitem(item, self.key)


def as_function(key: Any) -> Callable:
    """A key that is no function stands for an element of each item."""
    return key if callable(key) else _Getter(key)


def merge_sums(parts: list[tuple]) -> tuple[Any, int]:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def cut_piece(part: Any, place: tuple[int, int]) -> list:
    """Piece ``place[0]`` of ``place[1]`` of a partition."""
    number, count = place
    items = partitions.as_list(part)
    return items[len(items) * number // count : len(items) * (number + 1) // count]


# ---- functions of several bags


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


class StringAccessor:
    """Methods of strings for every item of a bag.

    Examples
    --------
    >>> import rask.bag as db
    >>> db.from_sequence(["Ada Lovelace", "Alan Turing"]).str.upper().compute()
    ['ADA LOVELACE', 'ALAN TURING']
    """

    def __init__(self, bag: Bag) -> None:
        self._bag = bag

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *(n for n in dir(str) if not n.startswith("_"))})

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Bag:
        function = partial(partitions.call_method, name, args, kwargs)
        return self._bag._each(f"str-{name}", function, args, kwargs)

    def match(self, pattern: str) -> Bag:
        """The items that match a pattern of file names, such as ``"*.txt"``."""
        from fnmatch import fnmatch

        return self._bag.filter(partial(_matches, fnmatch, pattern))


def _matches(match: Callable, pattern: str, item: str) -> bool:
    return match(item, pattern)


def _string_method(name: str) -> Callable:
    def method(self: StringAccessor, *args: Any, **kwargs: Any) -> Bag:
        return self._call(name, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = getattr(str, name).__doc__
    return method


for _name in (n for n in dir(str) if not n.startswith("_")):
    setattr(StringAccessor, _name, _string_method(_name))
