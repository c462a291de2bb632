"""The lazy list that a user holds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rask import _core
from rask.bag import layers, partitions
from rask.bag.collection import Item
from rask.bag.functions import as_function
from rask.bag.partitions import NOTHING
from rask.bag.reductions import Reductions
from rask.bag.strings import StringAccessor
from rask.base import lower

__all__ = ["Bag", "Item", "StringAccessor"]


class Bag(Reductions):
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
        from rask.bag.several import map_bags

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
        from rask.bag.several import map_partitions_of

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
        from rask.bag.several import map_partitions_of

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
            partitions.cut_piece,
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
