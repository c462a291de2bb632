"""Rask: parallel arrays, tables, bags and task graphs on an engine written in Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rask._core import __version__

if TYPE_CHECKING:
    from rask import config
    from rask.base import (
        annotate,
        compute,
        get_annotations,
        is_dask_collection,
        is_rask_collection,
        optimize,
        persist,
        tokenize,
        visualize,
    )
    from rask.delayed import delayed
    from rask.local import get_sync as get

__all__ = [
    "__version__",
    "annotate",
    "compute",
    "config",
    "delayed",
    "get",
    "get_annotations",
    "is_dask_collection",
    "is_rask_collection",
    "istask",
    "optimize",
    "persist",
    "tokenize",
    "visualize",
]

_BASE = (
    "annotate",
    "compute",
    "get_annotations",
    "is_dask_collection",
    "is_rask_collection",
    "optimize",
    "persist",
    "tokenize",
    "visualize",
)
_MODULES = (
    "array",
    "bag",
    "base",
    "config",
    "dask",
    "dataframe",
    "diagnostics",
    "distributed",
    "multiprocessing",
    "threaded",
)


def istask(x: Any) -> bool:
    """Whether a value is a task of a plain graph: a tuple that begins with a function.

    Examples
    --------
    >>> istask((abs, -1)), istask(1)
    (True, False)
    """
    return type(x) is tuple and bool(x) and callable(x[0])


def __getattr__(name: str) -> Any:
    import importlib

    if name in _BASE:
        return getattr(importlib.import_module("rask.base"), name)
    if name == "get":
        return importlib.import_module("rask.local").get_sync
    if name in _MODULES:
        return importlib.import_module(f"rask.{name}")
    raise AttributeError(f"module 'rask' has no attribute {name!r}")


# The function has the name of its module, so it cannot wait for `__getattr__`: once the module is
# imported, the import system has put the module there.
from rask.delayed import delayed  # noqa: E402
