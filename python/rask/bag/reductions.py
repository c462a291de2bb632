"""Methods of bags that make one value, or few, of all items."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Self

from rask import _core
from rask.bag import layers, partitions
from rask.bag.collection import Collection, Item
from rask.bag.functions import Then, as_function
from rask.bag.partitions import NOTHING

__all__ = ["SPLIT_EVERY", "Reductions"]


SPLIT_EVERY = 8


class Reductions(Collection):
    """``bag.sum()`` and the like."""

    @property
    def npartitions(self) -> int:
        """The number of partitions."""
        return self._plan.wanted_count

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
            Then(partial(partitions.fold_folds, merge), partitions.only_fold),
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
    ) -> Self:
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
            Then(merge, partitions.items_of),
            split_every,
            type(self),
        )

    def frequencies(self, split_every: int | None = None, sort: bool = False) -> Self:
        """How often each item occurs; a bag of pairs."""
        last = partitions.sorted_items if sort else partitions.items_of
        return self._reduce(
            "frequencies",
            partitions.count_frequencies,
            partitions.merge_frequencies,
            Then(partitions.merge_frequencies, last),
            split_every,
            type(self),
        )

    def topk(self, k: int, key: Any = None, split_every: int | None = None) -> Self:
        """The k largest items, the largest first."""
        function = None if key is None else as_function(key)
        merge = partial(partitions.largest_of, k, function)
        return self._reduce(
            "topk", partial(partitions.largest, k, function), merge, merge, split_every, type(self)
        )

    def distinct(self, key: Any = None) -> Self:
        """Each item once, by its key if one is given."""
        function = None if key is None else as_function(key)
        merge = partial(partitions.distinct_lists, function)
        return self._reduce(
            "distinct", partial(partitions.distinct_items, function), merge, merge, None, type(self)
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
        return self._reduce(
            "mean", partitions.sum_and_count, partitions.merge_sums, partitions.mean_of
        )

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
