"""Joins and concatenation of tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rask import _core
from rask.dataframe.core import DataFrame, FrameBase, Series

__all__ = ["concat", "merge"]


def merge(left: Any, right: Any, how: str = "inner", on: Any = None, left_on: Any = None, right_on: Any = None,
          left_index: bool = False, right_index: bool = False, suffixes: tuple = ("_x", "_y"),
          indicator: Any = False, shuffle_method: Any = None, npartitions: int | None = None,
          broadcast: Any = None) -> DataFrame:  # fmt: skip
    """Joins two tables by equal keys.

    A side of one partition is joined with every partition of the other; otherwise both are shuffled
    by key, and rows come in no particular order.

    Parameters
    ----------
    left, right : DataFrame or pandas.DataFrame
    how : {"inner", "left", "right", "outer", "cross", "leftsemi"}
    on, left_on, right_on : label or list of labels
        The keys; the columns that both have, if nothing is given.
    left_index, right_index : bool
        Whether the index is the key.
    suffixes : tuple of str
        What is appended to names that both have.
    indicator : bool or str
        Whether a column ``_merge`` says where rows come from.
    npartitions : int, optional
        Partitions of the result where both sides are shuffled; by default those of the larger side.
    shuffle_method, broadcast : optional
        Accepted for compatibility: there is one way to shuffle, and a side of one partition is not
        shuffled.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> left = dd.from_pandas(pd.DataFrame({"k": [1, 2], "a": [3, 4]}), npartitions=1)
    >>> dd.merge(left, pd.DataFrame({"k": [2], "b": [5]})).compute().to_numpy().tolist()
    [[2, 4, 5]]
    """
    left, right = lazy(left), lazy(right)
    if how != "cross" and on is None and not (left_on is not None or left_index):
        on = [label for label in left._expr.labels if label in right._expr.labels]
        if not on:
            raise ValueError(
                "No common columns to perform merge on. Merge options: "
                f"left_on={left_on}, right_on={right_on}, left_index={left_index}, "
                f"right_index={right_index}"
            )
    if on is not None:
        left_on = right_on = on
    expr = left._expr.merge(
        right._expr,
        how,
        keys_of(left, left_on, left_index, how),
        keys_of(right, right_on, right_index, how),
        tuple(suffixes),
        indicator,
        check_count(npartitions),
    )
    return DataFrame(expr)


def check_count(npartitions: Any) -> int | None:
    """A number of partitions, or ``None``."""
    if npartitions is not None and (not isinstance(npartitions, int) or npartitions < 1):
        raise ValueError(f"npartitions has to be a number of at least 1, not {npartitions!r}")
    return npartitions


def lazy(frame: Any) -> DataFrame:
    """A frame as a collection."""
    if isinstance(frame, (pd.DataFrame, pd.Series)):
        from rask.dataframe.io import from_pandas

        frame = from_pandas(frame, npartitions=1)
    if isinstance(frame, Series):
        frame = frame.to_frame()
    if not isinstance(frame, DataFrame):
        raise TypeError(f"expected a table, got {type(frame).__name__}")
    return frame


def keys_of(frame: DataFrame, on: Any, by_index: bool, how: str) -> list:
    """Keys for the native join: labels, or ``[level]`` for an index level."""
    if how == "cross":
        return []
    if by_index:
        return [[level] for level in range(len(frame._expr.index_names))]
    keys = on if isinstance(on, list) else [on]
    levels = frame._expr.index_names
    labels = frame._expr.labels
    resolved = [[levels.index(key)] if key not in labels and key in levels else key for key in keys]
    frame._expr.select([key for key in resolved if not isinstance(key, list)])
    return resolved


def concat(dfs: list, axis: Any = 0, join: str = "outer", interleave_partitions: bool = False, ignore_order: bool = False,
           **kwargs: Any) -> Any:  # fmt: skip
    """The rows of several tables, one table after the other.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1)
    >>> len(dd.concat([frame, frame]))
    4
    """
    if axis not in (0, "index"):
        raise NotImplementedError("concat takes axis=0")
    if not dfs:
        raise ValueError("No objects to concatenate")
    if all(isinstance(frame, Series) for frame in dfs):
        return Series(_core.Frame.concat([frame._expr for frame in dfs]))
    frames = [lazy(frame) if not isinstance(frame, FrameBase) else frame for frame in dfs]
    labels = list(frames[0]._expr.labels)
    if join == "inner":
        labels = [label for label in labels if all(label in f._expr.labels for f in frames)]
        frames = [frame[labels] for frame in frames]
    return DataFrame(_core.Frame.concat([frame._expr for frame in frames]))
