"""Bags as dataframes."""

from __future__ import annotations

from functools import partial
from typing import Any

from rask.bag.core import Bag

__all__ = ["to_dataframe"]


def to_dataframe(bag: Bag, meta: Any = None, columns: Any = None) -> Any:
    """A dataframe with a partition for each of the bag's; see `Bag.to_dataframe`.

    Without ``meta``, the first items of the first partition tell columns and dtypes.
    """
    import pandas as pd

    import rask.dataframe as dd

    if meta is None:
        head = bag.take(100, warn=False)
        meta = pd.DataFrame(list(head), columns=columns).head(0)
    elif isinstance(meta, dict):
        meta = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in meta.items()})
    elif not isinstance(meta, pd.DataFrame):
        meta = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in meta})
    parts = bag.map_partitions(partial(frame_of, meta)).to_delayed()
    return dd.from_delayed(parts, meta=meta, verify_meta=False)


def frame_of(meta: Any, records: list) -> Any:
    """Records as a frame with the columns and dtypes of ``meta``."""
    import pandas as pd

    frame = pd.DataFrame(records, columns=list(meta.columns))
    return frame.astype(meta.dtypes.to_dict())
