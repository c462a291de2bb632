"""Groupby: aggregations of groups of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core
from rask.dataframe.core import DataFrame, Series

__all__ = ["DataFrameGroupBy", "SeriesGroupBy"]

FUNCTIONS = (
    "sum", "prod", "count", "mean", "min", "max", "std", "var", "sem", "first", "last", "any",
    "all", "median", "nunique", "skew", "kurt", "idxmin", "idxmax",
)  # fmt: skip


def name_of(function: Any) -> str:
    """An aggregation's name: of a string, a NumPy or a builtin function."""
    if isinstance(function, str):
        return {"product": "prod", "kurtosis": "kurt"}.get(function, function)
    name = getattr(function, "__name__", "")
    name = {"amin": "min", "amax": "max", "len": "size"}.get(name, name)
    if name in FUNCTIONS or name in ("size", "list"):
        return name
    raise NotImplementedError(f"aggregation by {function!r}; pass its name as a string")


class GroupBy:
    """Rows grouped by keys, and the columns that are aggregated."""

    #: Of results.
    _kind: Any

    def __init__(
        self, expr: _core.Frame, by: Any, selected: _core.Frame, sort: bool | None, dropna: bool
    ) -> None:
        self._expr = expr
        self._selected = selected
        self._sort = sort
        self._dropna = dropna
        by = by if isinstance(by, list) else [by]
        self._keys = [key._expr if isinstance(key, Series) else expr.column(key) for key in by]

    def _aggregate(self, parts: list[tuple], split_out: Any = None) -> _core.Frame:
        count = partitions_of(split_out, self._expr.npartitions)
        # Results in the order of all keys are in one partition.
        count = 1 if self._sort else count
        sort = self._sort is not False
        return self._expr.aggregate(self._keys, parts, self._dropna, sort, count)

    def _key_labels(self) -> list:
        return [key.labels[0] for key in self._keys]

    def _columns(self) -> list:
        keys = self._key_labels()
        return [label for label in self._selected.labels if label not in keys]

    def size(
        self, split_every: Any = None, split_out: Any = None, shuffle_method: Any = None
    ) -> Series:
        """The number of rows of each group."""
        return Series(self._aggregate([(None, "size", None, None, True, 0)], split_out))

    def apply(
        self,
        func: Callable,
        *args: Any,
        meta: Any = None,
        shuffle_method: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A Python function of each group as a pandas object.

        Rows of a group are brought together in one of as many partitions as there are, or all of
        them in one partition where ``sort=True`` asks for results in the order of the keys.

        Parameters
        ----------
        func : callable
        *args, **kwargs
            Handed on.
        meta : pandas object, optional
            An empty example of the result; without it the function is tried on no rows.
        shuffle_method : str, optional
            Accepted as in Dask; there is one method.
        """
        keys = self._key_labels()
        if any(label not in self._expr.labels for label in keys):
            raise NotImplementedError("apply on groups by a series that is not a column")
        one = isinstance(self, SeriesGroupBy)
        selected = self._selected.labels[0] if one else self._columns()
        call = GroupCall(keys, selected, self._sort is not False, self._dropna, func, args, kwargs)
        frame = DataFrame(self._expr)
        if self._sort or frame.npartitions == 1:
            together = frame.repartition(npartitions=1)
        else:
            together = frame.shuffle(keys)
        return together.map_partitions(call, meta=meta)

    def _one(
        self,
        function: str,
        parameter: Any = None,
        min_count: int = 0,
        numeric_only: bool = False,
        split_out: Any = None,
    ) -> Any:
        """An aggregation of each column that there is."""
        parts = [
            (column, function, parameter, label, True, min_count)
            for column, label in self._aggregated(numeric_only)
        ]
        return self._kind(self._aggregate(parts, split_out))

    def _aggregated(self, numeric_only: bool) -> list[tuple[_core.Frame, Any]]:
        """The columns that are aggregated, and their labels."""
        raise NotImplementedError


def partitions_of(split_out: Any, npartitions: int) -> int:
    """How many partitions the groups go to; ``True`` is as many as there are."""
    if split_out is True:
        return npartitions
    count = 1 if split_out is None or split_out is False else int(split_out)
    if count < 1:
        raise ValueError(
            f"split_out is a number of partitions, at least 1, or True; not {split_out}"
        )
    return count


class GroupCall:
    """pandas' ``groupby(...).apply`` of a partition."""

    def __init__(
        self,
        keys: list,
        selected: Any,
        sort: bool,
        dropna: bool,
        func: Callable,
        args: tuple,
        kwargs: dict,
    ) -> None:
        self.keys, self.selected, self.sort, self.dropna = keys, selected, sort, dropna
        self.func, self.args, self.kwargs = func, args, kwargs
        self.__name__ = "groupby-apply"

    def __call__(self, part: Any) -> Any:
        keys = self.keys[0] if len(self.keys) == 1 else self.keys
        groups = part.groupby(keys, sort=self.sort, dropna=self.dropna, observed=True)
        return groups[self.selected].apply(self.func, *self.args, **self.kwargs)


def aggregation_methods(cls: type) -> type:
    """Adds the aggregations by name."""

    def make(name: str) -> Callable:
        def method(
            self: Any, numeric_only: bool = False, min_count: int = 0, ddof: int = 1,
            split_every: Any = None, split_out: Any = None, shuffle_method: Any = None,
        ) -> Any:  # fmt: skip
            parameter = ddof if name in ("std", "var", "sem") else None
            return self._one(name, parameter, max(min_count, 0), numeric_only, split_out)

        method.__name__ = name
        method.__doc__ = f"``{name}`` of the values of each group, in one partition or in `split_out` partitions."
        return method

    for name in FUNCTIONS:
        setattr(cls, name, make(name))
    return cls


@aggregation_methods
class SeriesGroupBy(GroupBy):
    """One column, grouped."""

    _kind = Series

    def _part(self, function: str, label: Any) -> tuple:
        return (self._selected, function, None, label, True, 0)

    def _aggregated(self, numeric_only: bool) -> list[tuple[_core.Frame, Any]]:
        return [(self._selected, self._selected.labels[0])]

    def quantile(self, q: float = 0.5) -> Series:
        """The quantile of each group."""
        return self._one("quantile", q)

    def agg(
        self,
        arg: Any = None,
        split_every: Any = None,
        split_out: Any = None,
        shuffle_method: Any = None,
        **kwargs: Any,
    ) -> Any:
        """One or several aggregations of the column, in one partition or in `split_out`."""
        label = self._selected.labels[0]
        if isinstance(arg, (list, tuple)):
            parts = [self._part(name, name) for name in map(name_of, arg)]
            return DataFrame(self._aggregate(parts, split_out))
        if arg is None:
            parts = [self._part(name_of(f), out) for out, f in kwargs.items()]
            return DataFrame(self._aggregate(parts, split_out))
        return Series(self._aggregate([self._part(name_of(arg), label)], split_out))

    aggregate = agg


@aggregation_methods
class DataFrameGroupBy(GroupBy):
    """Rows grouped by keys.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> frame = dd.from_pandas(pd.DataFrame({"k": [1, 1, 2], "x": [3.0, 5.0, 7.0]}), npartitions=2)
    >>> frame.groupby("k").agg({"x": ["mean", "count"]}).compute().to_numpy().tolist()
    [[4.0, 2.0], [7.0, 1.0]]
    """

    _kind = DataFrame

    def __getitem__(self, key: Any) -> Any:
        kind: Any = DataFrameGroupBy if isinstance(key, list) else SeriesGroupBy
        group = kind.__new__(kind)
        group.__dict__.update(self.__dict__)
        group._selected = self._expr.select(key if isinstance(key, list) else [key])
        return group

    def __getattr__(self, name: str) -> SeriesGroupBy:
        if name.startswith("_") or name not in self._expr.labels:
            raise AttributeError(f"'DataFrameGroupBy' object has no attribute {name!r}")
        return self[name]

    def _aggregated(self, numeric_only: bool) -> list[tuple[_core.Frame, Any]]:
        labels = self._columns()
        if numeric_only:
            numbers = self._expr.meta().select_dtypes(include=["number", "bool"]).columns
            labels = [label for label in labels if label in numbers]
        return [(self._expr.column(label), label) for label in labels]

    def agg(self, arg: Any = None, split_every: Any = None, split_out: Any = None, shuffle_method: Any = None,
            **kwargs: Any) -> DataFrame:  # fmt: skip
        """Aggregations of columns.

        Parameters
        ----------
        arg : str, list or dict
            A function's name for all columns, several of them, or one or several by column.
        split_out : int or True, optional
            In how many partitions the groups are, by the hash of their keys: for many groups.
            ``True`` is as many as the table has. With ``sort=True`` there is one.
        split_every, shuffle_method : optional
            Accepted as in Dask.
        **kwargs
            Results by name: ``late=("delay", "mean")``.
        """
        if arg is None:
            chosen = [(label, name_of(f), out) for out, (label, f) in kwargs.items()]
        elif isinstance(arg, dict):
            is_nested = any(isinstance(f, (list, tuple)) for f in arg.values())
            chosen = []
            for label, functions in arg.items():
                for function in functions if isinstance(functions, (list, tuple)) else [functions]:
                    name = name_of(function)
                    chosen.append((label, name, (label, name) if is_nested else label))
        elif isinstance(arg, (list, tuple)):
            names = [name_of(function) for function in arg]
            chosen = [(label, name, (label, name)) for label in self._columns() for name in names]
        else:
            chosen = [(label, name_of(arg), label) for label in self._columns()]
        parts = [
            (self._expr.column(label), name, None, out, True, 0) for label, name, out in chosen
        ]
        return DataFrame(self._aggregate(parts, split_out))

    aggregate = agg
