"""Plain task graphs on the threads of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rask import _core
from rask.base import LocalEngine

__all__ = ["get"]


def get(
    dsk: Mapping,
    keys: Any,
    cache: Any = None,
    num_workers: int | None = None,
    pool: Any = None,
    **kwargs: Any,
) -> Any:
    """Compute keys of a task graph.

    Parameters
    ----------
    dsk : mapping
        ``{key: (function, argument, …)}``; arguments may be keys, values, or (nested) lists and
        dicts of them. Dask's own task objects are understood too.
    keys : key or (nested) list of keys
        What is wanted.
    num_workers : int, optional
        Number of threads; by default the configuration's ``num-workers``, else one a core.
    pool : concurrent.futures.Executor, optional
        Only its number of workers is used.

    Returns
    -------
    object or (nested) tuple
        The values, in the nesting of ``keys``.

    Examples
    --------
    >>> from operator import add
    >>> get({"x": 1, "y": (add, "x", 10)}, ["x", "y"])
    (1, 11)
    """
    if num_workers is None and pool is not None:
        num_workers = getattr(pool, "_max_workers", None)
    return run_graph(LocalEngine(), dsk, keys, num_workers=num_workers)


def run_graph(engine: LocalEngine, dsk: Mapping, keys: Any, **kwargs: Any) -> Any:
    """Compile a graph, run it, and put the values in the nesting of the keys."""
    graph = dsk if isinstance(dsk, dict) else dict(dsk)
    plan = _core.compile_graph(graph, keys)
    values = _core.run_local(plan, **engine.options(kwargs)).to_list()
    return _core.nest_values(keys, values)
