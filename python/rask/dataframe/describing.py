"""Descriptions and quantiles of whole tables, from summaries of their partitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api import types

from rask import _core
from rask.dataframe.quantiles import Quantiles

if TYPE_CHECKING:
    from rask.dataframe.collection import FrameBase

__all__ = ["describe", "quantile"]

# Summaries are merged so many at a time.
_MERGED_COUNT = 16


class Numbers:
    """What is said of numbers and times: how many, their moments and quantiles.

    Times are counted in their unit from the first of them, so that nothing is rounded.
    """

    def __init__(self, column: pd.Series) -> None:
        values = _numbers_of(column.dropna())
        self.quantiles = Quantiles(values)
        self.count = len(values)
        self.origin = self.quantiles.least if values.dtype.kind == "i" else 0.0
        self.mean = self.squares = 0.0
        if self.count:
            with np.errstate(invalid="ignore", over="ignore"):
                offsets = (values - self.origin).astype(float)
                self.mean = float(offsets.mean())
                self.squares = float(np.square(offsets - self.mean).sum())

    @classmethod
    def merged(cls, parts: Sequence[Numbers]) -> Numbers:
        """Of all of these."""
        whole, *others = [part for part in parts if part.count] or parts[:1]
        if not others:
            return whole
        summary = cls.__new__(cls)
        summary.quantiles = Quantiles.merged([part.quantiles for part in (whole, *others)])
        summary.count, summary.origin = whole.count, whole.origin
        summary.mean, summary.squares = whole.mean, whole.squares
        with np.errstate(invalid="ignore", over="ignore"):
            for part in others:
                count = summary.count + part.count
                apart = float(part.origin - summary.origin) + part.mean - summary.mean
                summary.mean += apart * part.count / count
                summary.squares += part.squares
                summary.squares += apart * apart * summary.count * part.count / count
                summary.count = count
        return summary

    def row(self, name: Any, quantile: float | None) -> Any:
        """What stands in this row of a description."""
        if quantile is not None:
            return self.quantiles.at(quantile)
        if name == "count":
            return self.count
        if not self.count:
            return math.nan
        match name:
            case "mean":
                return self.origin + self.mean
            case "std":
                return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else math.nan
            case "min":
                return self.quantiles.least
            case "max":
                return self.quantiles.greatest
        return math.nan


class Labels:
    """What is said of anything else: how many there are, how many are different, the most frequent.

    Its size is that of the different values.
    """

    def __init__(self, column: pd.Series) -> None:
        counts: Any = column.value_counts(sort=False)
        self.counts: Any = counts[counts > 0]

    @classmethod
    def merged(cls, parts: Sequence[Labels]) -> Labels:
        """Of all of these."""
        counts = [part.counts for part in parts if len(part.counts)]
        if len(counts) < 2:
            return next((part for part in parts if len(part.counts)), parts[0])
        summary = cls.__new__(cls)
        if len({str(part.index.dtype) for part in counts}) > 1 or isinstance(
            counts[0].index, pd.CategoricalIndex
        ):
            counts = [part.set_axis(part.index.astype(object)) for part in counts]
        joined = pd.concat(counts)
        summary.counts = joined.groupby(joined.index, sort=False, dropna=False).sum()
        return summary

    def row(self, name: Any, quantile: float | None) -> Any:
        """What stands in this row of a description."""
        match name:
            case "count":
                return int(self.counts.sum())
            case "unique":
                return len(self.counts)
            case "top" if len(self.counts):
                return self.counts.index[int(np.argmax(self.counts.to_numpy()))]
            case "freq" if len(self.counts):
                return int(self.counts.max())
        return math.nan


def is_counted(dtype: Any) -> bool:
    """Whether values of this dtype have a mean and quantiles."""
    return not types.is_bool_dtype(dtype) and (
        types.is_numeric_dtype(dtype)
        or types.is_datetime64_any_dtype(dtype)
        or types.is_timedelta64_dtype(dtype)
    )


def _numbers_of(column: pd.Series) -> np.ndarray:
    dtype = column.dtype
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        if isinstance(dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert(None)
        return column.to_numpy(dtype="M8" if dtype.kind == "M" else "m8").view("i8")
    if types.is_complex_dtype(dtype):
        raise TypeError(f"column {column.name!r} is complex: it has no order, and no quantiles")
    if types.is_integer_dtype(dtype) and isinstance(dtype, np.dtype) and dtype != np.uint64:
        return column.to_numpy(dtype="i8")
    return column.to_numpy(dtype="f8")


def _restored(value: Any, dtype: Any) -> Any:
    """A number as what it was of."""
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        number = None if value is None or value != value else int(value)
        return pd.Series([number], dtype="Int64").astype(dtype)[0]
    return value


def _summarise(part: Any) -> list[Numbers | Labels]:
    """Of each column of a partition."""
    frame = part.to_frame() if part.ndim == 1 else part
    columns = [frame.iloc[:, at] for at in range(frame.shape[1])]
    return [(Numbers if is_counted(column.dtype) else Labels)(column) for column in columns]


def _summarise_numbers(part: Any) -> list[Numbers]:
    """The same of columns that all count as numbers."""
    frame = part.to_frame() if part.ndim == 1 else part
    return [Numbers(frame.iloc[:, at]) for at in range(frame.shape[1])]


def _merge(parts: list[list]) -> list[Numbers | Labels]:
    return [type(summaries[0]).merged(summaries) for summaries in zip(*parts, strict=True)]


def _summaries_of(
    frame: FrameBase, summarise: Callable, finish: Callable[[list], Any], meta: Any
) -> _core.Frame:
    """A frame whose one partition is made of the summaries of all columns."""
    from rask.base import lower
    from rask.delayed import Delayed

    parts = [Delayed(summarise, (part,)) for part in frame.to_delayed()]
    while len(parts) > 1:
        starts = range(0, len(parts), _MERGED_COUNT)
        parts = [Delayed(_merge, (parts[at : at + _MERGED_COUNT],)) for at in starts]
    plan, _ = lower([Delayed(finish, (parts[0],))])
    return _core.Frame.from_plan(plan, meta)


def _sample(column: pd.Series) -> pd.Series:
    """Two values of a column's dtype."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical(["a", "a"], ordered=dtype.ordered), name=column.name)
    if is_counted(dtype) or types.is_bool_dtype(dtype):
        is_time = types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)
        zeros = pd.Series([0, 0], name=column.name)
        return zeros.astype("Int64").astype(dtype) if is_time else zeros.astype(dtype)
    return pd.Series(["a", "a"], name=column.name).astype(dtype)


def _fill(pattern: Any, dtypes: list, quantiles: dict[str, float], summaries: list) -> Any:
    """A description with the rows of a pattern, of columns' summaries."""
    described = pattern.to_frame() if pattern.ndim == 1 else pattern
    columns = []
    for at, (summary, dtype) in enumerate(zip(summaries, dtypes, strict=True)):
        column = described.iloc[:, at]
        rows = []
        for name, is_there in zip(column.index, column.notna(), strict=True):
            if not is_there:
                rows.append(math.nan)
                continue
            value = summary.row(name, quantiles.get(name))
            is_counted_in_own = isinstance(summary, Numbers) and name != "count"
            rows.append(_restored(value, dtype) if is_counted_in_own else value)
        filled = pd.Series(rows, index=column.index, dtype=object)
        columns.append(filled.astype(column.dtype))
    if pattern.ndim == 1:
        return columns[0].rename(pattern.name)
    return pd.concat(columns, axis=1, keys=range(len(columns))).set_axis(pattern.columns, axis=1)


def _rows_of(percentiles: Any) -> dict[str, float]:
    """Which quantile stands in which row."""
    rows = pd.Series([0.0]).describe(percentiles=percentiles).index[4:-1]
    asked = [0.25, 0.5, 0.75] if percentiles is None else np.unique(np.asarray(percentiles))
    return dict(zip(rows, map(float, asked), strict=True))


def describe(
    frame: FrameBase, percentiles: Any = None, include: Any = None, exclude: Any = None
) -> Any:
    """See ``DataFrame.describe``."""
    from rask.dataframe.partitions import new_collection

    meta = frame._meta
    if meta.ndim == 1:
        pattern = _sample(meta).describe(percentiles=percentiles)
        dtypes, wanted = [meta.dtype], frame
    else:
        columns = [_sample(meta.iloc[:, at]) for at in range(meta.shape[1])]
        # Numbers in the place of labels, to know which columns are described.
        sample = pd.concat(columns, axis=1, keys=range(len(columns))) if columns else meta
        pattern = sample.describe(percentiles=percentiles, include=include, exclude=exclude)
        places = list(pattern.columns)
        pattern.columns = meta.columns.take(places)
        dtypes = [meta.dtypes.iloc[place] for place in places]
        wanted = frame._like(frame._expr.select([frame._expr.labels[place] for place in places]))
    finish = partial(_fill, pattern, dtypes, _rows_of(percentiles))
    expr = _summaries_of(wanted, _summarise, finish, pattern.iloc[:0])
    return new_collection(expr, pattern.iloc[:0])


def quantile(frame: FrameBase, q: Any) -> Any:
    """See ``Series.quantile`` and ``DataFrame.quantile``."""
    from rask.dataframe.collection import Row, Scalar
    from rask.dataframe.partitions import new_collection

    asked = np.asarray(q, dtype=float)
    if not ((asked >= 0) & (asked <= 1)).all():
        raise ValueError(f"quantiles are between 0 and 1, not {q}")
    meta = frame._meta
    table = meta.to_frame() if meta.ndim == 1 else meta
    for label, dtype in table.dtypes.items():
        if not is_counted(dtype) and not types.is_bool_dtype(dtype):
            raise TypeError(f"column {label!r} is of dtype {dtype}, which has no quantiles")
    pattern = table.iloc[:0].astype(
        {
            label: "float64"
            for label, dtype in table.dtypes.items()
            if isinstance(dtype, np.dtype) and dtype.kind in "iufb"
        }
    )
    finish = partial(_quantiles, pattern, list(table.dtypes), asked)
    expr = _summaries_of(frame, _summarise_numbers, finish, pattern)
    if not asked.ndim:
        return Scalar(expr) if meta.ndim == 1 else Row(expr)
    return new_collection(expr, pattern.iloc[:, 0] if meta.ndim == 1 else pattern)


def _quantiles(pattern: pd.DataFrame, dtypes: list, asked: np.ndarray, summaries: list) -> Any:
    """A row for each quantile that was asked for."""
    rows = pd.Index(np.atleast_1d(asked), dtype=float) if asked.ndim else pd.RangeIndex(1)
    columns = []
    for at, (summary, dtype) in enumerate(zip(summaries, dtypes, strict=True)):
        values = [_restored(summary.quantiles.at(q), dtype) for q in np.atleast_1d(asked)]
        columns.append(pd.Series(values, index=rows, dtype=pattern.dtypes.iloc[at]))
    if not columns:
        return pd.DataFrame(index=rows, columns=pattern.columns)
    return pd.concat(columns, axis=1, keys=range(len(columns))).set_axis(pattern.columns, axis=1)
