"""Plain task graphs on the calling thread: for debugging, where order and stack must be plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rask.base import LocalEngine
from rask.threaded import run_graph

__all__ = ["get_sync"]


def get_sync(dsk: Mapping, keys: Any, **kwargs: Any) -> Any:
    """Compute keys of a task graph on the calling thread; parameters as `rask.threaded.get`.

    Examples
    --------
    >>> get_sync({"x": 1, "y": (abs, -2)}, "y")
    2
    """
    return run_graph(LocalEngine(0), dsk, keys)
