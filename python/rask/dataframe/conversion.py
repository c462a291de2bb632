"""Functions of series: to datetimes, to numbers, missing values."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rask.dataframe.core import FrameBase, Series

__all__ = ["isna", "to_datetime", "to_numeric"]


def to_datetime(arg: Any, meta: Any = None, **kwargs: Any) -> Series:
    """Text as datetimes.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> series = dd.from_pandas(pd.Series(["2013-01-31"]), npartitions=1)
    >>> dd.to_datetime(series).dt.year.compute().tolist()
    [2013]
    """
    if kwargs or meta is not None:
        return arg.map_partitions(pd.to_datetime, meta=meta, **kwargs)
    return arg._call("to_datetime")


def to_numeric(arg: Any, errors: str = "raise", downcast: Any = None, meta: Any = None) -> Series:
    """Text as numbers."""
    if errors == "raise" and downcast is None:
        return arg.astype("float64")
    meta = arg._meta.astype("float64") if meta is None else meta
    return arg.map_partitions(pd.to_numeric, errors=errors, downcast=downcast, meta=meta)


def isna(arg: Any) -> Any:
    """Whether each value is missing."""
    return arg.isna() if isinstance(arg, FrameBase) else pd.isna(arg)
