"""The lazy tables that a user holds: ``DataFrame`` and ``Series`` over native frames."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rask import _core
from rask.dataframe import _convert

__all__ = [
    "DataFrame",
    "FrameBase",
    "Index",
    "Scalar",
    "Series",
    "map_partitions",
    "new_collection",
]


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

    def _rask_rebuild(self, plan: Any) -> Any:
        return type(self)(self._expr.over_plan(plan))

    def _rask_finish(self, values: list) -> Any:
        raise NotImplementedError

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


def operator_methods(cls: type) -> type:
    """Adds Python's operators and pandas' methods of the same meaning."""
    arithmetic = {
        "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
        "pow": "**", "and": "&", "or": "|", "xor": "^",
    }  # fmt: skip
    comparisons = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

    def forward(symbol: str, reflected: bool = False) -> Callable:
        def method(self: Any, other: Any) -> Any:
            return self._binary(symbol, other, reflected)

        return method

    def named(symbol: str, reflected: bool = False) -> Callable:
        def method(self: Any, other: Any, level=None, fill_value=None, axis=None) -> Any:
            if fill_value is not None:
                self = self.fillna(fill_value)
                other = other.fillna(fill_value) if isinstance(other, FrameBase) else other
            return self._binary(symbol, other, reflected)

        return method

    for name, symbol in arithmetic.items():
        setattr(cls, f"__{name}__", forward(symbol))
        setattr(cls, f"__r{name}__", forward(symbol, True))
        if name not in ("and", "or", "xor"):
            setattr(cls, name, named(symbol))
            setattr(cls, f"r{name}", named(symbol, True))
    cls.div, cls.rdiv = cls.truediv, cls.rtruediv
    for name, symbol in comparisons.items():
        setattr(cls, f"__{name}__", forward(symbol))
        setattr(cls, name, named(symbol))
    return cls


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
        if isinstance(other, Series) and isinstance(self, DataFrame):
            raise NotImplementedError("an operation of a frame and a series")
        if isinstance(self, Series) and isinstance(other, DataFrame):
            raise NotImplementedError("an operation of a series and a frame")
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
        """Count, mean, spread and quantiles of the columns of numbers; gathers all rows."""
        return self._on_all_rows(
            CallByName("describe"), percentiles=percentiles, include=include, exclude=exclude
        )

    def shift(self, periods: int = 1) -> Any:
        """Values moved by a number of rows; gathers all rows."""
        return self._on_all_rows(CallByName("shift"), periods)

    def diff(self, periods: int = 1) -> Any:
        """Differences to earlier rows; gathers all rows."""
        return self._on_all_rows(CallByName("diff"), periods)

    def ffill(self, limit: int | None = None) -> Any:
        """Missing values replaced by the last one before; gathers all rows."""
        return self._on_all_rows(CallByName("ffill"), limit=limit)

    def bfill(self, limit: int | None = None) -> Any:
        """Missing values replaced by the next one; gathers all rows."""
        return self._on_all_rows(CallByName("bfill"), limit=limit)

    def cumsum(self, axis: Any = 0, skipna: bool = True) -> Any:
        """Sums of all values so far; gathers all rows."""
        return self._on_all_rows(CallByName("cumsum"), skipna=skipna)

    def cumprod(self, axis: Any = 0, skipna: bool = True) -> Any:
        """Products of all values so far; gathers all rows."""
        return self._on_all_rows(CallByName("cumprod"), skipna=skipna)

    def cummax(self, axis: Any = 0, skipna: bool = True) -> Any:
        """The greatest value so far; gathers all rows."""
        return self._on_all_rows(CallByName("cummax"), skipna=skipna)

    def cummin(self, axis: Any = 0, skipna: bool = True) -> Any:
        """The smallest value so far; gathers all rows."""
        return self._on_all_rows(CallByName("cummin"), skipna=skipna)

    def pipe(self, func: Callable, *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``."""
        return func(self, *args, **kwargs)

    def to_delayed(self, optimize_graph: bool = True) -> list:
        """The partitions as delayed pandas objects."""
        from rask.delayed import Delayed

        plan, _ = self._rask_lower([self])
        return [Delayed(plan.slice(i, i + 1)) for i in range(self.npartitions)]

    def copy(self, deep: bool = False) -> Any:
        """The collection itself anew; the data are never changed."""
        return self._like(self._expr)

    # ---- reductions

    def _reduce(
        self, function: str, parameter: float | None = None, skipna: bool = True,
        min_count: int = 0, numeric_only: bool = False, axis: Any = 0,
    ) -> Any:  # fmt: skip
        raise NotImplementedError


def reductions(cls: type) -> type:
    """Adds the reductions that take the usual arguments."""

    def plain(name: str) -> Callable:
        def method(
            self: Any, axis: Any = 0, skipna: bool = True, numeric_only: bool = False,
            split_every: Any = False,
        ) -> Any:  # fmt: skip
            return self._reduce(name, skipna=skipna, numeric_only=numeric_only, axis=axis)

        method.__doc__ = f"``{name}`` of the values (of each column)."
        method.__name__ = name
        return method

    def counted(name: str) -> Callable:
        def method(
            self: Any, axis: Any = 0, skipna: bool = True, numeric_only: bool = False,
            min_count: int = 0, split_every: Any = False,
        ) -> Any:  # fmt: skip
            return self._reduce(
                name, skipna=skipna, numeric_only=numeric_only, min_count=min_count, axis=axis
            )

        method.__doc__ = f"``{name}`` of the values (of each column)."
        method.__name__ = name
        return method

    def spread(name: str) -> Callable:
        def method(
            self: Any, axis: Any = 0, skipna: bool = True, ddof: int = 1,
            numeric_only: bool = False, split_every: Any = False,
        ) -> Any:  # fmt: skip
            return self._reduce(name, ddof, skipna=skipna, numeric_only=numeric_only, axis=axis)

        method.__doc__ = f"``{name}`` of the values (of each column)."
        method.__name__ = name
        return method

    for name in ("mean", "min", "max", "any", "all", "skew", "kurt", "count", "median"):
        setattr(cls, name, plain(name))
    for name in ("sum", "prod"):
        setattr(cls, name, counted(name))
    for name in ("std", "var", "sem"):
        setattr(cls, name, spread(name))
    cls.product = cls.prod
    return cls


def name_of(dtype: Any) -> str:
    """A dtype's name for the engine."""
    if isinstance(dtype, str):
        return dtype
    if dtype in (int, float, bool, str):
        return {int: "int64", float: "float64", bool: "bool", str: "str"}[dtype]
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    return str(np.dtype(dtype) if isinstance(dtype, type) else dtype)


@reductions
class Series(FrameBase):
    """A lazy column.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> series = dd.from_pandas(pd.Series([1.0, 2.0, None], name="x"), npartitions=2)
    >>> (series + 1).sum().compute()
    np.float64(5.0)
    """

    def _shape(self, frame: Any) -> Any:
        return frame.iloc[:, 0] if isinstance(frame, pd.DataFrame) else frame

    @property
    def name(self) -> Hashable:
        """The series' name."""
        return self._expr.labels[0]

    @property
    def dtype(self) -> Any:
        """The dtype of the values."""
        return self._meta.dtype

    @property
    def ndim(self) -> int:
        """1."""
        return 1

    def __repr__(self) -> str:
        return f"<rask.dataframe.Series {self.name}: {self.dtype}, {self.npartitions} partitions>"

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, Series):
            return Series(self._expr.filter(key._expr))
        raise NotImplementedError("a series is indexed by a series of bools of the same table")

    def rename(self, index: Any) -> Series:
        """The series by another name."""
        return Series(self._expr.rename([index]))

    def to_frame(self, name: Any = None) -> DataFrame:
        """A frame of this one column."""
        return DataFrame(self._expr if name is None else self._expr.rename([name]))

    def between(self, left: Any, right: Any, inclusive: str = "both") -> Series:
        """Whether each value lies between two others."""
        return self._call("between", left, right, params=(inclusive,))

    def map(self, arg: Any, na_action: Any = None, meta: Any = None) -> Series:
        """Each value replaced, by a dict or a function."""
        if isinstance(arg, dict):
            return self._call("map", params=(list(arg.keys()), list(arg.values())))
        return self.map_partitions(pd.Series.map, arg, na_action=na_action, meta=meta)

    def apply(self, func: Callable, args: tuple = (), meta: Any = None, **kwargs: Any) -> Series:
        """A Python function of each value."""
        return self.map_partitions(pd.Series.apply, func, args=args, meta=meta, **kwargs)

    def dropna(self) -> Series:
        """The values that are not missing."""
        return self[self.notna()]

    def _reduce(
        self, function: str, parameter: float | None = None, skipna: bool = True,
        min_count: int = 0, numeric_only: bool = False, axis: Any = 0,
    ) -> Scalar:  # fmt: skip
        label = "result" if self.name is None else self.name
        part = (self._expr, function, parameter, label, skipna, min_count)
        return Scalar(self._expr.aggregate([], [part], True, False))

    def nunique(self, split_every: Any = None, dropna: bool = True) -> Scalar:
        """The number of distinct values."""
        return self._reduce("nunique", float(dropna))

    def quantile(self, q: float = 0.5, method: str = "default") -> Scalar:
        """The quantile, linear between neighbours."""
        return self._reduce("quantile", q)

    def idxmin(self, skipna: bool = True) -> Scalar:
        """The index label of the smallest value."""
        return self._reduce("idxmin")

    def idxmax(self, skipna: bool = True) -> Scalar:
        """The index label of the greatest value."""
        return self._reduce("idxmax")

    def unique(self, split_every: Any = None, split_out: Any = True) -> Series:
        """The distinct values, in order of appearance."""
        return self.drop_duplicates()

    def drop_duplicates(self, keep: str = "first") -> Series:
        """The values without repetitions, in one partition."""
        first = self._expr.drop_duplicates(None, keep)
        return Series(first.repartition(1).drop_duplicates(None, keep))

    def value_counts(
        self, sort: bool = True, ascending: bool = False, dropna: bool = True,
        normalize: bool = False, split_every: Any = None, split_out: Any = True,
    ) -> Series:  # fmt: skip
        """How often each distinct value occurs."""
        counts = self._expr.aggregate(
            [self._expr], [(None, "size", None, "count", True, 0)], dropna, False
        )
        if sort:
            counts = counts.sort_values(["count"], [ascending], True)
        if not normalize:
            return Series(counts)
        total = (self if not dropna else self.dropna())._reduce_rows("size").compute()
        return Series(counts.binary("/", total, False).rename(["proportion"]))

    def nlargest(self, n: int = 5, split_every: Any = None) -> Series:
        """The greatest values."""
        return Series(top(self._expr, [self.name], False, n))

    def nsmallest(self, n: int = 5, split_every: Any = None) -> Series:
        """The smallest values."""
        return Series(top(self._expr, [self.name], True, n))

    def sort_values(
        self, ascending: bool = True, na_position: str = "last", **kwargs: Any
    ) -> Series:
        """The values in order."""
        return Series(self._expr.sort_values([self.name], [ascending], na_position == "last"))

    def groupby(self, by: Any, sort: bool = True, dropna: bool = True, observed: Any = None) -> Any:
        """Groups the values by another series of the same table."""
        from rask.dataframe.groupby import SeriesGroupBy

        return SeriesGroupBy(self._expr, by, self._expr, sort=sort, dropna=dropna)

    @property
    def str(self) -> Any:
        """Functions of text."""
        from rask.dataframe.accessors import StringAccessor

        return StringAccessor(self)

    @property
    def dt(self) -> Any:
        """Functions of datetimes and timedeltas."""
        from rask.dataframe.accessors import DatetimeAccessor

        return DatetimeAccessor(self)

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Writes the partitions as CSV files; see ``rask.dataframe.to_csv``."""
        return self.to_frame().to_csv(filename, **kwargs)


class Index(Series):
    """A lazy index."""

    def _shape(self, frame: Any) -> Any:
        if isinstance(frame, pd.Index):
            return frame
        column = frame.iloc[:, 0] if isinstance(frame, pd.DataFrame) else frame
        return pd.Index(column, name=column.name)

    def _rask_finish(self, values: list) -> Any:
        first, *rest = [self._shape(value) for value in values]
        return first.append(rest) if rest else first


@reductions
class DataFrame(FrameBase):
    """A large table in partitions, computed when asked for.

    Frames are made by the functions of this package (``read_csv``, ``read_parquet``,
    ``from_pandas``, …) and by operations on other frames. They follow pandas' interface and rules;
    nothing is computed until ``compute``, ``persist``, ``len`` or a writer.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3], "b": list("xyx")}), npartitions=2)
    >>> frame[frame.a > 1].b.compute().tolist()
    ['y', 'x']
    """

    @property
    def columns(self) -> pd.Index:
        """The labels of the columns."""
        return self._meta.columns

    @columns.setter
    def columns(self, labels: Any) -> None:
        self._expr = self._expr.rename(list(labels))
        self.__dict__.pop("_meta", None)

    @property
    def dtypes(self) -> pd.Series:
        """The dtypes of the columns."""
        return self._meta.dtypes

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def shape(self) -> tuple:
        """The number of rows, lazily, and of columns."""
        return (self._reduce_rows("size"), len(self.columns))

    def __repr__(self) -> str:
        labels = ", ".join(str(label) for label in self._expr.labels)
        return f"<rask.dataframe.DataFrame of {self.npartitions} partitions: {labels}>"

    def _repr_html_(self) -> str:
        return f"<b>rask.dataframe.DataFrame</b> of {self.npartitions} partitions" + (
            self._meta._repr_html_() or ""
        )

    def __dir__(self) -> list[str]:
        names = [label for label in self._expr.labels if isinstance(label, str)]
        return sorted({*super().__dir__(), *(name for name in names if name.isidentifier())})

    def __iter__(self) -> Iterator:
        return iter(self._expr.labels)

    def __contains__(self, label: Any) -> bool:
        return label in self._expr.labels

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._expr.labels:
            raise AttributeError(f"'DataFrame' object has no attribute {name!r}")
        return Series(self._expr.column(name))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Series):
            if not self._expr.is_kin(key._expr):
                return map_partitions(pd.DataFrame.__getitem__, self, key, meta=self._meta)
            return DataFrame(self._expr.filter(key._expr))
        if isinstance(key, (list, pd.Index, np.ndarray)):
            return DataFrame(self._expr.select(list(key)))
        if isinstance(key, slice):
            raise NotImplementedError("rows are not sliced by place; use head, tail or a filter")
        return Series(self._expr.column(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._expr = self.assign(**{key: value})._expr
        self.__dict__.pop("_meta", None)

    def assign(self, **pairs: Any) -> DataFrame:
        """Columns set or added: values, series of this table, or functions of the frame."""
        frame = self
        for label, value in pairs.items():
            value = value(frame) if callable(value) else value
            frame = DataFrame(frame._expr.assign(label, literal(value)))
        return frame

    def rename(self, index: Any = None, columns: Any = None) -> DataFrame:
        """Columns renamed by a dict or a function."""
        new = columns if callable(columns) else lambda label: (columns or {}).get(label, label)
        return DataFrame(self._expr.rename([new(label) for label in self._expr.labels]))

    def drop(
        self, labels: Any = None, axis: Any = 0, columns: Any = None, errors: str = "raise"
    ) -> DataFrame:
        """The frame without some columns."""
        dropped = columns if columns is not None else labels
        if columns is None and axis not in (1, "columns"):
            raise NotImplementedError("drop takes columns; filter rows by a condition")
        dropped = [dropped] if isinstance(dropped, (str, int, tuple)) else list(dropped)
        if errors == "raise":
            self._expr.select(dropped)
        return self[[label for label in self._expr.labels if label not in dropped]]

    def select_dtypes(self, include: Any = None, exclude: Any = None) -> DataFrame:
        """The columns of some dtypes."""
        return self[list(self._meta.select_dtypes(include=include, exclude=exclude).columns)]

    def dropna(self, how: Any = "any", subset: Any = None, thresh: Any = None) -> DataFrame:
        """The rows without missing values (of the subset of columns)."""
        labels = self._expr.labels if subset is None else list(np.atleast_1d(subset))
        masks = [self[label].notna() for label in labels]
        if not masks:
            return self
        mask = masks[0]
        for other in masks[1:]:
            mask = (mask & other) if how == "any" else (mask | other)
        return self[mask]

    def query(self, expr: str, **kwargs: Any) -> DataFrame:
        """The rows that a condition in pandas' query language selects."""
        return self.map_partitions(pd.DataFrame.query, expr, meta=self._meta, **kwargs)

    def apply(
        self, func: Callable, axis: Any = 0, args: tuple = (), meta: Any = None, **kwargs: Any
    ) -> Any:
        """A Python function of each row (``axis=1``)."""
        if axis not in (1, "columns"):
            raise NotImplementedError("apply takes axis=1")
        return self.map_partitions(pd.DataFrame.apply, func, axis=1, args=args, meta=meta, **kwargs)

    # ---- reductions

    def _reduce(
        self, function: str, parameter: float | None = None, skipna: bool = True,
        min_count: int = 0, numeric_only: bool = False, axis: Any = 0,
    ) -> Row:  # fmt: skip
        if axis not in (0, "index", None):
            raise NotImplementedError("reductions are along the rows (axis=0)")
        labels = self._expr.labels
        if numeric_only:
            labels = list(self._meta.select_dtypes(include=["number", "bool"]).columns)
        parts = [
            (self._expr.column(label), function, parameter, label, skipna, min_count)
            for label in labels
        ]
        return Row(self._expr.aggregate([], parts, True, False))

    def nunique(self, axis: Any = 0, dropna: bool = True) -> Row:
        """The number of distinct values of each column."""
        return self._reduce("nunique", float(dropna))

    def quantile(self, q: float = 0.5, axis: Any = 0, numeric_only: bool = True) -> Row:
        """The quantile of each column, linear between neighbours."""
        return self._reduce("quantile", q, numeric_only=numeric_only)

    # ---- the whole table

    def groupby(
        self,
        by: Any,
        sort: bool = True,
        dropna: bool = True,
        observed: Any = None,
        group_keys: bool = True,
    ) -> Any:
        """Groups the rows by columns.

        Parameters
        ----------
        by : label, series of this table, or a list of them
        sort : bool
            Whether results are sorted by key; otherwise in order of appearance.
        dropna : bool
            Whether rows with a missing key belong to no group.
        """
        from rask.dataframe.groupby import DataFrameGroupBy

        return DataFrameGroupBy(self._expr, by, self._expr, sort=sort, dropna=dropna)

    def merge(self, right: Any, how: str = "inner", on: Any = None, left_on: Any = None, right_on: Any = None,
              left_index: bool = False, right_index: bool = False, suffixes: tuple = ("_x", "_y"),
              indicator: Any = False, shuffle_method: Any = None, npartitions: Any = None,
              broadcast: Any = None) -> DataFrame:  # fmt: skip
        """Joins with another table; see ``rask.dataframe.merge``."""
        from rask.dataframe.joining import merge

        return merge(
            self, right, how, on, left_on, right_on, left_index, right_index, suffixes, indicator
        )

    def join(
        self, other: Any, on: Any = None, how: str = "left", lsuffix: str = "", rsuffix: str = ""
    ) -> DataFrame:
        """Joins with another table by its index."""
        if isinstance(other, Series):
            other = other.to_frame()
        suffixes = (lsuffix or None, rsuffix or None)
        return self.merge(
            other, how=how, left_on=on, left_index=on is None, right_index=True, suffixes=suffixes
        )

    def sort_values(self, by: Any, ascending: Any = True, na_position: str = "last", npartitions: Any = None,
                    sort_function: Any = None, sort_function_kwargs: Any = None, upsample: float = 1.0,
                    partition_size: float = 128e6, ignore_index: bool = False,
                    shuffle_method: Any = None) -> DataFrame:  # fmt: skip
        """All rows in order of one or several columns; equal rows keep theirs."""
        by = [by] if isinstance(by, (str, int, tuple)) else list(by)
        ascending = [ascending] * len(by) if isinstance(ascending, bool) else list(ascending)
        self._expr.select(by)
        frame = DataFrame(self._expr.sort_values(by, ascending, na_position == "last"))
        return frame.reset_index(drop=True) if ignore_index else frame

    def set_index(self, other: Any, drop: bool = True, sorted: bool = False, npartitions: Any = None,
                  divisions: Any = None, sort: bool = True, **kwargs: Any) -> DataFrame:  # fmt: skip
        """A column made the index, and the rows sorted by it unless they are."""
        frame = self
        if isinstance(other, Series):
            label = "index" if other.name is None else other.name
            frame, other = frame.assign(**{label: other}), label
        labels = other if isinstance(other, list) else [other]
        frame._expr.select(labels)
        if sort and not sorted:
            frame = frame.sort_values(labels)
        return DataFrame(frame._expr.set_index(labels, drop))

    def drop_duplicates(self, subset: Any = None, keep: str = "first", split_every: Any = None,
                        split_out: Any = True, ignore_index: bool = False) -> DataFrame:  # fmt: skip
        """The rows without repetitions, in one partition."""
        if subset is not None:
            subset = [subset] if isinstance(subset, (str, int, tuple)) else list(subset)
        keep = keep if isinstance(keep, str) else "neither"
        first = self._expr
        if keep != "neither":
            first = first.drop_duplicates(subset, keep)
        return DataFrame(first.repartition(1).drop_duplicates(subset, keep))

    def nlargest(self, n: int = 5, columns: Any = None, split_every: Any = None) -> DataFrame:
        """The rows with the greatest values of columns."""
        return DataFrame(top(self._expr, list(np.atleast_1d(columns)), False, n))

    def nsmallest(self, n: int = 5, columns: Any = None, split_every: Any = None) -> DataFrame:
        """The rows with the smallest values of columns."""
        return DataFrame(top(self._expr, list(np.atleast_1d(columns)), True, n))

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Writes the partitions as CSV files; see ``rask.dataframe.to_csv``."""
        from rask.dataframe.io import to_csv

        return to_csv(self, filename, **kwargs)

    def to_parquet(self, path: Any, **kwargs: Any) -> Any:
        """Writes the partitions as Parquet files; see ``rask.dataframe.to_parquet``."""
        from rask.dataframe.io import to_parquet

        return to_parquet(self, path, **kwargs)


def top(expr: _core.Frame, by: list, ascending: bool, rows: int) -> _core.Frame:
    """The first rows in sorted order, over all partitions."""
    return expr.top(by, ascending, rows).repartition(1).top(by, ascending, rows)


class Partitions:
    """Partitions by number or slice."""

    def __init__(self, frame: FrameBase) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        numbers = np.arange(self._frame.npartitions)[key]
        return self._frame._like(self._frame._expr.pick(np.atleast_1d(numbers).tolist()))


class CallByName:
    """A method of pandas objects, by name."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __call__(self, part: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(part, self.name)(*args, **kwargs)


class AlignedOperator:
    """An operator on pandas objects, which align by index."""

    def __init__(self, symbol: str, reflected: bool) -> None:
        self.symbol = symbol
        self.reflected = reflected
        self.__name__ = "align"

    def __call__(self, left: Any, right: Any) -> Any:
        import operator

        functions = {
            "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
            "//": operator.floordiv, "%": operator.mod, "**": operator.pow, "&": operator.and_,
            "|": operator.or_, "^": operator.xor, "==": operator.eq, "!=": operator.ne,
            "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
        }  # fmt: skip
        if self.reflected:
            left, right = right, left
        return functions[self.symbol](left, right)


class PartitionCall:
    """Calls a function with the partitions as pandas objects of the right kind."""

    def __init__(self, func: Callable, args: tuple, kwargs: dict, shapes: list) -> None:
        self.func, self.args, self.kwargs, self.shapes = func, args, kwargs, shapes

    def __call__(self, *parts: Any) -> Any:
        given = iter(parts)
        arguments = [
            shape_part(kind, next(given)) if kind else argument
            for kind, argument in zip(self.shapes, self.args, strict=True)
        ]
        result = self.func(*arguments, **self.kwargs)
        if not isinstance(result, (pd.DataFrame, pd.Series, pd.Index)):
            result = pd.Series([result])
        return result


def shape_part(kind: str, part: Any) -> Any:
    """A partition as a frame, a series or an index."""
    if kind == "frame":
        return part.to_frame() if isinstance(part, pd.Series) else part
    column = part.iloc[:, 0] if isinstance(part, pd.DataFrame) else part
    return pd.Index(column, name=column.name) if kind == "index" else column


def kind_of(collection: FrameBase) -> str:
    """What the partitions of a collection are."""
    if isinstance(collection, DataFrame):
        return "frame"
    return "index" if isinstance(collection, Index) else "series"


def new_collection(expr: _core.Frame, meta: Any = None) -> Any:
    """The collection of a native frame, of the kind that the example is."""
    if isinstance(meta, pd.Index):
        return Index(expr)
    return DataFrame(expr) if meta is None or isinstance(meta, pd.DataFrame) else Series(expr)


def make_meta(meta: Any, func: Callable | None = None) -> Any:
    """An empty pandas object of an example: an object, a collection, ``(name, dtype)``, a dict."""
    if isinstance(meta, FrameBase):
        return meta._meta
    if isinstance(meta, (pd.DataFrame, pd.Series)):
        return meta.iloc[:0]
    if isinstance(meta, pd.Index):
        return meta[:0]
    if isinstance(meta, tuple) and len(meta) == 2:
        return pd.Series([], name=meta[0], dtype=meta[1])
    if isinstance(meta, dict):
        meta = list(meta.items())
    if isinstance(meta, list):
        return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in meta})
    return pd.Series([meta]).iloc[:0]


def map_partitions(func: Callable, *args: Any, meta: Any = None, **kwargs: Any) -> Any:
    """Calls a function with the partitions of collections as pandas objects.

    Parameters
    ----------
    func : callable
    *args
        Collections of equal numbers of partitions (or of one), and other arguments.
    meta : pandas object, optional
        An empty example of the result; without it the function is tried on empty partitions.
    **kwargs
        Handed on.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    >>> dd.map_partitions(len, frame).compute().tolist()
    [2, 1]
    """
    from rask.base import tokenize

    collections = [arg for arg in args if isinstance(arg, FrameBase)]
    if not collections:
        raise TypeError("map_partitions needs a collection")
    shapes = [kind_of(arg) if isinstance(arg, FrameBase) else "" for arg in args]
    plain = tuple(None if isinstance(arg, FrameBase) else arg for arg in args)
    call = PartitionCall(func, plain, kwargs, shapes)
    if meta is None or (isinstance(meta, str) and meta == "__no_default__"):
        meta = infer_meta(call, collections, func)
    else:
        meta = make_meta(meta)
    name = getattr(func, "__name__", type(func).__name__).replace("<lambda>", "lambda")
    first, *rest = [collection._expr for collection in collections]
    token = tokenize(name, func, plain, kwargs, [frame_token(c) for c in collections])
    expr = first.map_partitions(name, call, rest, meta, token, None)
    return new_collection(expr, meta)


def frame_token(collection: FrameBase) -> list:
    """What a collection's partitions are called."""
    plan, _ = collection._rask_lower([collection])
    return plan.wanted


def infer_meta(call: PartitionCall, collections: list, func: Callable) -> Any:
    try:
        return make_meta(call(*[collection._meta for collection in collections]))
    except Exception as error:
        raise ValueError(
            f"the result of {getattr(func, '__name__', func)!r} is not known: trying it on empty "
            f"partitions raised {type(error).__name__}: {error}; pass meta="
        ) from error
