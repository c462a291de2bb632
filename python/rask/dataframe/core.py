"""The lazy tables that a user holds: ``DataFrame`` and ``Series`` over native frames."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from rask import _core
from rask.dataframe import describing
from rask.dataframe.collection import FrameBase, Row, Scalar, literal
from rask.dataframe.methods import reductions
from rask.dataframe.partitions import make_meta, map_partitions, new_collection

__all__ = [
    "DataFrame",
    "FrameBase",
    "Index",
    "Scalar",
    "Series",
    "make_meta",
    "map_partitions",
    "new_collection",
]


def split_count(split_out: Any) -> int:
    """In how many partitions distinct values are; one where no number is given."""
    if split_out is None or isinstance(split_out, bool):
        return 1
    if (count := int(split_out)) < 1:
        raise ValueError(f"split_out is a number of partitions, at least 1; not {split_out}")
    return count


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

    def quantile(self, q: Any = 0.5, method: str = "default") -> Any:
        """The quantile, linear between neighbours; of a list, a series with one for each.

        It is exact of up to 65,536 values, and of more that of a rank within 0.02 % of their number.
        """
        return describing.quantile(self, q)

    def idxmin(self, skipna: bool = True) -> Scalar:
        """The index label of the smallest value."""
        return self._reduce("idxmin")

    def idxmax(self, skipna: bool = True) -> Scalar:
        """The index label of the greatest value."""
        return self._reduce("idxmax")

    def unique(self, split_every: Any = None, split_out: Any = True) -> Series:
        """The distinct values, in order of appearance, in one partition or in `split_out`."""
        return self.drop_duplicates(split_out=split_out)

    def drop_duplicates(
        self, keep: str = "first", split_every: Any = None, split_out: Any = True
    ) -> Series:
        """The values without repetitions, in one partition, or in `split_out` partitions."""
        first = self._expr.drop_duplicates(None, keep)
        count = split_count(split_out)
        keys = first.labels if count > 1 else None
        return Series(first.repartition(count, keys).drop_duplicates(None, keep))

    def value_counts(
        self, sort: bool = True, ascending: bool = False, dropna: bool = True,
        normalize: bool = False, split_every: Any = None, split_out: Any = True,
    ) -> Series:  # fmt: skip
        """How often each distinct value occurs, in one partition or in `split_out` partitions."""
        size = (None, "size", None, "count", True, 0)
        count = split_count(split_out)
        counts = self._expr.aggregate([self._expr], [size], dropna, False, count)
        if sort:
            counts = counts.sort_values(["count"], [ascending], True, None)
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
        self, ascending: bool = True, na_position: str = "last", npartitions: Any = None, **kwargs: Any
    ) -> Series:  # fmt: skip
        """The values in order, in as many partitions as before if it is not said otherwise."""
        from rask.dataframe.joining import check_count

        count = None if npartitions == "auto" else check_count(npartitions)
        return Series(
            self._expr.sort_values([self.name], [ascending], na_position == "last", count)
        )

    def groupby(
        self, by: Any, sort: bool | None = None, dropna: bool = True, observed: Any = None
    ) -> Any:
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

    def _shape(self, frame: Any) -> Any:
        # A series that a function made is a frame only in name: see `Series.to_frame`.
        return frame.to_frame() if isinstance(frame, pd.Series) else frame

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

    def quantile(self, q: Any = 0.5, axis: Any = 0, numeric_only: bool = True) -> Any:
        """The quantile of each column, linear between neighbours; of a list, a row for each.

        They are exact of up to 65,536 values, and of more those of ranks within 0.02 % of their number.
        """
        if axis not in (0, "index", None):
            raise NotImplementedError("quantiles are along the rows (axis=0)")
        labels = self._expr.labels
        if numeric_only:
            labels = list(self._meta.select_dtypes(include=["number", "bool"]).columns)
        return describing.quantile(self[labels], q)

    # ---- the whole table

    def groupby(
        self,
        by: Any,
        sort: bool | None = None,
        dropna: bool = True,
        observed: Any = None,
        group_keys: bool = True,
    ) -> Any:
        """Groups the rows by columns.

        Parameters
        ----------
        by : label, series of this table, or a list of them
        sort : bool, optional
            Whether results are sorted by key, all in one partition; if not, they are in order of
            appearance. By default each partition of the result is sorted.
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
            self, right, how, on, left_on, right_on, left_index, right_index, suffixes, indicator,
            shuffle_method, npartitions, broadcast,
        )  # fmt: skip

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
        """All rows in order of one or several columns; equal rows keep theirs.

        There are ``npartitions`` partitions of about equal size, by default as many as before.
        """
        from rask.dataframe.joining import check_count

        count = None if npartitions == "auto" else check_count(npartitions)
        by = [by] if isinstance(by, (str, int, tuple)) else list(by)
        ascending = [ascending] * len(by) if isinstance(ascending, bool) else list(ascending)
        self._expr.select(by)
        frame = DataFrame(self._expr.sort_values(by, ascending, na_position == "last", count))
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
            frame = frame.sort_values(labels, npartitions=npartitions)
        return DataFrame(frame._expr.set_index(labels, drop))

    def shuffle(self, on: Any = None, ignore_index: bool = False, npartitions: int | None = None,
                shuffle_method: str | None = None, on_index: bool = False, force: bool = False) -> DataFrame:  # fmt: skip
        """All rows, those with equal keys in the same partition.

        A task that makes a partition fetches its part of each of the others and no more; parts of
        what has been spilled are read back alone.

        Parameters
        ----------
        on : str or list of str
            The columns that are the keys.
        ignore_index : bool, default False
            Give every partition a fresh index.
        npartitions : int, optional
            Default: as many as there are.
        shuffle_method : optional
            Accepted for compatibility: there is one.
        on_index : bool, default False
            The index is the key.
        force : bool, default False
            Accepted for compatibility: a shuffle is never left out.

        Returns
        -------
        DataFrame
            Rows keep their order inside a partition.

        Examples
        --------
        >>> import pandas as pd
        >>> import rask.dataframe as dd
        >>> frame = dd.from_pandas(pd.DataFrame({"key": [1, 2, 1], "x": [1, 2, 3]}), npartitions=2)
        >>> parts = frame.shuffle("key", npartitions=2).map_partitions(lambda part: part.key.unique())
        >>> sorted(int(key) for keys in parts.compute() for key in [keys])
        [1, 2]
        """
        if on_index == (on is not None):
            raise TypeError("give the columns to shuffle on, or on_index=True")
        if on_index:
            keys: list[Any] = [[0]]
        else:
            keys = [on] if isinstance(on, (str, int, tuple)) else list(on)
            self._expr.select(keys)
        frame = DataFrame(self._expr.repartition(npartitions or self.npartitions, keys))
        return frame.reset_index(drop=True) if ignore_index else frame

    def drop_duplicates(self, subset: Any = None, keep: str = "first", split_every: Any = None,
                        split_out: Any = True, ignore_index: bool = False) -> DataFrame:  # fmt: skip
        """The rows without repetitions, in one partition, or in `split_out` partitions."""
        if subset is not None:
            subset = [subset] if isinstance(subset, (str, int, tuple)) else list(subset)
        keep = keep if isinstance(keep, str) else "neither"
        first = self._expr
        if keep != "neither":
            first = first.drop_duplicates(subset, keep)
        count = split_count(split_out)
        keys = (subset or list(self.columns)) if count > 1 else None
        return DataFrame(first.repartition(count, keys).drop_duplicates(subset, keep))

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
