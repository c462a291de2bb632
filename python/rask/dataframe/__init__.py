"""Large tables in partitions, with pandas' interface.

>>> import pandas as pd
>>> import rask.dataframe as dd
>>> frame = dd.from_pandas(pd.DataFrame({"a": [1, 1, 2], "b": [3, 4, 5]}), npartitions=2)
>>> frame.groupby("a").b.sum().compute().tolist()
[7, 5]

Names are imported when they are first used; one that Rask does not have raises ``AttributeError``.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "core": ("DataFrame", "Index", "Scalar", "Series", "map_partitions"),
    "io": (
        "from_delayed",
        "from_dict",
        "from_map",
        "from_pandas",
        "from_plan",
        "read_csv",
        "read_parquet",
        "read_table",
        "to_csv",
        "to_parquet",
    ),
    "joining": ("concat", "merge"),
    "conversion": ("to_datetime", "to_numeric", "isna"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module 'rask.dataframe' has no attribute {name!r} (Rask does not have it yet)"
        )
    value = getattr(importlib.import_module(f"rask.dataframe.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
