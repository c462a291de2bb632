"""What lazy frames and series share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rask import _core
from rask.dataframe import _convert, describing
from rask.dataframe.methods import operator_methods
from rask.dataframe.partitions import (
    AlignedOperator,
    frame_token,
    map_partitions,
    new_collection,
)
from rask.dataframe.running import cumulate, fill, move

if TYPE_CHECKING:
    from rask.dataframe.core import Index

__all__ = ["Base", "FrameBase", "Row", "Scalar", "literal", "name_of"]


def _finish_as(kind: type, values: list) -> Any:
    """The result of a collection of this class: none of them needs more than the values."""
    return kind._rask_finish(object.__new__(kind), values)


def _shape_as(kind: type, frame: Any) -> Any:
    """A partition as what a collection of this class is."""
    return kind._shape(object.__new__(kind), frame)


class Base:
    """What all lazy results of this package have: computing, persisting, the engines' protocol."""

    _rask_family = "frame"
    __array_priority__ = 12

    def __init__(self, expr: _core.Frame) -> None:
        if not isinstance(expr, _core.Frame):
            raise TypeError(
                f"a {type(self).__name__} is made from a native frame, not from "
                f"{type(expr).__name__}; use rask.dataframe.from_pandas"
            )
        self._expr = expr

    @classmethod
    def _rask_lower(cls, collections: list, optimize: bool = True) -> tuple[Any, list[int]]:
        return _core.Frame.to_plan([collection._expr for collection in collections])

    def __reduce__(self) -> tuple:
        from rask.distributed._sharing import reduce_collection

        return reduce_collection(self)

    def _rask_rebuild(self, plan: Any) -> Any:
        return type(self)(self._expr.over_plan(plan))

    def _rask_finish(self, values: list) -> Any:
        raise NotImplementedError

    def _rask_finisher(self) -> Callable[[list], Any]:
        return partial(_finish_as, type(self))

    def __rask_tokenize__(self) -> Any:
        return (type(self).__name__, frame_token(self))

    def compute(self, **kwargs: Any) -> Any:
        """Computes the result as a pandas object (or a number).

        Parameters
        ----------
        **kwargs
            As of ``rask.compute``.
        """
        from rask.base import compute

        (result,) = compute(self, traverse=False, **kwargs)
        return result

    def persist(self, **kwargs: Any) -> Any:
        """Computes the partitions and keeps them: the same collection over finished ones."""
        from rask.base import persist

        (result,) = persist(self, traverse=False, **kwargs)
        return result

    def visualize(self, filename: str | None = "mydask", **kwargs: Any) -> Any:
        """Draws the graph; see ``rask.visualize``."""
        from rask.base import visualize

        return visualize(self, filename=filename, **kwargs)

    @property
    def npartitions(self) -> int:
        """The number of partitions."""
        return self._expr.npartitions


class Scalar(Base):
    """One lazy value: the result of a reduction of a series."""

    def _rask_finish(self, values: list) -> Any:
        (part,) = values
        return part.iloc[0, 0]

    def __repr__(self) -> str:
        return f"<rask.dataframe.Scalar: {self._expr.labels[0]}>"


class Row(Base):
    """One lazy value for each column: the result of a reduction of a frame."""

    def _rask_finish(self, values: list) -> Any:
        (part,) = values
        columns = [part.iloc[:, i].array for i in range(part.shape[1])]
        if not columns:
            return pd.Series(dtype="float64")
        joined = pd.concat([pd.Series(column) for column in columns], ignore_index=True)
        joined.index = part.columns
        return joined

    def __repr__(self) -> str:
        return f"<rask.dataframe.Series of {len(self._expr.labels)} results>"


def literal(value: Any) -> Any:
    """A frame's native expression, or the value itself."""
    if isinstance(value, FrameBase):
        return value._expr
    if isinstance(value, Base):
        return value.compute()
    return value


@operator_methods
class FrameBase(Base):
    """What lazy frames and series share."""

    # ---- what it is

    @cached_property
    def _meta(self) -> Any:
        return self._shape(self._expr.meta())

    def _shape(self, frame: pd.DataFrame) -> Any:
        """A partition, read as a frame, as what this collection is."""
        return frame

    def _rask_finish(self, values: list) -> Any:
        return _convert.assemble([self._shape(value) for value in values])

    def _like(self, expr: _core.Frame) -> Any:
        return type(self)(expr)

    @property
    def divisions(self) -> tuple:
        """Index values at the borders of partitions; ``None`` as they are not known."""
        return (None,) * (self.npartitions + 1)

    @property
    def known_divisions(self) -> bool:
        """Whether the index values at the borders of partitions are known."""
        return False

    @property
    def index(self) -> Index:
        """The index."""
        from rask.dataframe.core import Index

        return Index(self._expr.index_level(0))

    @property
    def size(self) -> Any:
        """The number of values, lazily."""
        return self._reduce_rows("size")

    def __len__(self) -> int:
        return int(self._reduce_rows("size").compute())

    def _reduce_rows(self, function: str) -> Scalar:
        expr = self._expr.aggregate([], [(None, function, None, function, True, 0)], True, False)
        return Scalar(expr)

    def __bool__(self) -> bool:
        raise ValueError(
            f"The truth value of a {type(self).__name__} is ambiguous. Use a.any() or a.all()."
        )

    def __hash__(self) -> int:
        return id(self)

    # ---- row-wise

    def _binary(self, symbol: str, other: Any, reflected: bool) -> Any:
        if not isinstance(other, FrameBase) and isinstance(other, (pd.Series, pd.DataFrame, list)):
            return NotImplemented
        if isinstance(other, FrameBase) and not self._expr.is_kin(other._expr):
            return map_partitions(AlignedOperator(symbol, reflected), self, other)
        if isinstance(other, FrameBase) and other._meta.ndim != self._meta.ndim:
            raise NotImplementedError("an operation of a frame and a series")
        return self._like(self._expr.binary(symbol, literal(other), reflected))

    def _call(self, name: str, *operands: Any, params: tuple = ()) -> Any:
        return self._like(self._expr.call(name, [literal(o) for o in operands], params))

    def __neg__(self) -> Any:
        return self._like(self._expr.unary("-"))

    def __invert__(self) -> Any:
        return self._like(self._expr.unary("~"))

    def __abs__(self) -> Any:
        return self._like(self._expr.unary("abs"))

    def abs(self) -> Any:
        """Absolute values."""
        return abs(self)

    def isna(self) -> Any:
        """Whether each value is missing."""
        return self._call("isna")

    def notna(self) -> Any:
        """Whether each value is present."""
        return self._call("notna")

    isnull, notnull = isna, notna

    def fillna(self, value: Any = None, axis: Any = None) -> Any:
        """Missing values replaced; for a frame also by a dict of values by column."""
        if isinstance(value, dict):
            frame = new_collection(self._expr)
            return frame.assign(**{k: frame[k].fillna(v) for k, v in value.items()})
        return self._call("fillna", value)

    def isin(self, values: Any) -> Any:
        """Whether each value is one of these."""
        return self._call("isin", params=(list(values),))

    def where(self, cond: Any, other: Any = np.nan) -> Any:
        """Values where the condition holds, elsewhere the other."""
        return self._call("where", cond, other)

    def mask(self, cond: Any, other: Any = np.nan) -> Any:
        """Values where the condition does not hold, elsewhere the other."""
        return self.where(~cond, other)

    def round(self, decimals: int = 0) -> Any:
        """Rounded to decimals, halves to even."""
        return self._call("round", params=(decimals,))

    def clip(self, lower: Any = None, upper: Any = None) -> Any:
        """Values brought between two bounds."""
        return self._call("clip", lower, upper)

    def astype(self, dtypes: Any) -> Any:
        """Values in another dtype (or by column, from a dict)."""
        if isinstance(dtypes, dict):
            dtypes = {label: name_of(dtype) for label, dtype in dtypes.items()}
        else:
            dtypes = name_of(dtypes)
        return self._like(self._expr.cast(dtypes))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and len(inputs) == 1 and not kwargs:
            try:
                return self._call(ufunc.__name__)
            except NotImplementedError:
                return self.map_partitions(ufunc)
        return NotImplemented

    # ---- rows

    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """The first rows of the first partitions (all, if ``npartitions=-1``)."""
        count = self.npartitions if npartitions == -1 else min(npartitions, self.npartitions)
        first = self._expr.pick(list(range(count)))
        if count > 1:
            first = first.head(n).repartition(1)
        result = self._like(first.head(n))
        return result.compute() if compute else result

    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows of the last partition."""
        result = self._like(self._expr.pick([self.npartitions - 1]).tail(n))
        return result.compute() if compute else result

    def repartition(
        self, divisions: Any = None, npartitions: int | None = None,
        partition_size: Any = None, freq: Any = None, force: bool = False,
    ) -> Any:  # fmt: skip
        """The same rows in another number of partitions."""
        if npartitions is None:
            raise NotImplementedError("repartition takes npartitions")
        return self._like(self._expr.repartition(npartitions))

    def get_partition(self, n: int) -> Any:
        """One partition."""
        return self._like(self._expr.pick([n]))

    @property
    def partitions(self) -> Partitions:
        """Partitions by number: ``frame.partitions[:2]``."""
        return Partitions(self)

    def reset_index(self, drop: bool = False) -> Any:
        """The index made a column (or dropped) and replaced by a range in each partition."""
        return new_collection(self._expr.reset_index(drop))

    def sort_index(self, ascending: bool = True) -> Any:
        """All rows by index, in one partition."""
        return self._like(self._expr.sort_index(ascending))

    def map_partitions(self, func: Callable, *args: Any, meta: Any = None, **kwargs: Any) -> Any:
        """Calls a function with each partition as a pandas object.

        Parameters
        ----------
        func : callable
            Takes a pandas object (and those of ``args`` that are collections, by partition).
        *args, **kwargs
            Handed on.
        meta : pandas object, optional
            An empty example of the result; without it the function is tried on an empty partition.
        """
        return map_partitions(func, self, *args, meta=meta, **kwargs)

    def _on_all_rows(self, func: Callable, *args: Any, meta: Any = None, **kwargs: Any) -> Any:
        """pandas' own function of all rows, gathered in one partition."""
        whole = self if self.npartitions == 1 else self.repartition(npartitions=1)
        return whole.map_partitions(func, *args, meta=meta, **kwargs)

    def describe(self, percentiles: Any = None, include: Any = None, exclude: Any = None) -> Any:
        """Counts, means, spreads and quantiles of columns of numbers and times; of others, how many
        values differ and which is the most frequent.

        Partitions are summarised, and summaries merged: quantiles are exact of up to 65,536 values of
        a column, and of more the values of ranks within 0.02 % of the count. What is said of a column
        without quantiles takes the memory of its different values.

        Parameters
        ----------
        percentiles : list of float, optional
            Quantiles between 0 and 1; by default the quartiles.
        include, exclude : optional
            Dtypes of the columns that are described, or ``"all"``; by default numbers and times, and
            all columns where there are none.

        Examples
        --------
        >>> import pandas as pd, rask.dataframe as dd
        >>> frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3, 6]}), npartitions=2)
        >>> frame.describe().compute().a.tolist()[:3]
        [4.0, 3.0, 2.160246899469287]
        """
        return describing.describe(self, percentiles, include, exclude)

    def shift(self, periods: int = 1) -> Any:
        """Values moved by a number of rows."""
        return move(self, "shift", periods)

    def diff(self, periods: int = 1) -> Any:
        """Differences to earlier rows."""
        return move(self, "diff", periods)

    def ffill(self, limit: int | None = None) -> Any:
        """Missing values replaced by the last one before, for at most so many rows on end."""
        return fill(self, "ffill", limit)

    def bfill(self, limit: int | None = None) -> Any:
        """Missing values replaced by the next one, for at most so many rows on end."""
        return fill(self, "bfill", limit)

    def cumsum(self, axis: Any = 0, skipna: bool = True) -> Any:
        """Sums of all values so far."""
        return cumulate(self, "cumsum", skipna, axis)

    def cumprod(self, axis: Any = 0, skipna: bool = True) -> Any:
        """Products of all values so far."""
        return cumulate(self, "cumprod", skipna, axis)

    def cummax(self, axis: Any = 0, skipna: bool = True) -> Any:
        """The greatest value so far."""
        return cumulate(self, "cummax", skipna, axis)

    def cummin(self, axis: Any = 0, skipna: bool = True) -> Any:
        """The smallest value so far."""
        return cumulate(self, "cummin", skipna, axis)

    def pipe(self, func: Callable, *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``."""
        return func(self, *args, **kwargs)

    def to_delayed(self, optimize_graph: bool = True) -> list:
        """The partitions as delayed pandas objects."""
        from rask.delayed import Delayed, delayed_from_plan

        plan, _ = self._rask_lower([self])
        shape = partial(_shape_as, type(self))
        return [Delayed(shape, (part,)) for part in delayed_from_plan(plan)]

    def copy(self, deep: bool = False) -> Any:
        """The collection itself anew; the data are never changed."""
        return self._like(self._expr)

    # ---- reductions

    def _reduce(
        self, function: str, parameter: float | None = None, skipna: bool = True,
        min_count: int = 0, numeric_only: bool = False, axis: Any = 0,
    ) -> Any:  # fmt: skip
        raise NotImplementedError


def name_of(dtype: Any) -> str:
    """A dtype's name for the engine."""
    if isinstance(dtype, str):
        return dtype
    if dtype in (int, float, bool, str):
        return {int: "int64", float: "float64", bool: "bool", str: "str"}[dtype]
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    return str(np.dtype(dtype) if isinstance(dtype, type) else dtype)


class Partitions:
    """Partitions by number or slice."""

    def __init__(self, frame: FrameBase) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        numbers = np.arange(self._frame.npartitions)[key]
        return self._frame._like(self._frame._expr.pick(np.atleast_1d(numbers).tolist()))
