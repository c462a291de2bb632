"""Rask's engine as a scheduler of Dask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def get(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """Run a Dask graph on Rask's engine; for Dask's own ``scheduler=`` argument.

    Parameters
    ----------
    dsk : mapping or dask expression
        What Dask hands to a scheduler: a task graph, or an expression that makes one.
    keys : key or (nested) list of keys
        What is wanted.
    **kwargs
        ``num_workers`` is the number of threads; Dask's other options do not apply here.

    Returns
    -------
    Any
        The values, in the nesting of ``keys``.

    Examples
    --------
    >>> import dask
    >>> import rask.dask
    >>> dask.delayed(sum)([1, 2]).compute(scheduler=rask.dask.get)
    3
    """
    from rask import threaded

    graph = dsk.__dask_graph__() if hasattr(dsk, "__dask_graph__") else dsk
    graph = graph.to_dict() if hasattr(graph, "to_dict") else dict(graph)
    threads = kwargs.get("num_workers")
    return nested(lambda flat: list(threaded.get(graph, flat, num_workers=threads)), keys)


def nested(get_flat: Callable[[list], list], keys: Any) -> Any:
    """Values in the nesting of ``keys``; lists nest, everything else is a key."""
    if not isinstance(keys, list):
        return get_flat([keys])[0]
    flat: list = []

    def collect(item: Any) -> None:
        if isinstance(item, list):
            for part in item:
                collect(part)
        else:
            flat.append(item)

    collect(keys)
    values = iter(get_flat(flat))

    def rebuild(item: Any) -> Any:
        return tuple(rebuild(part) for part in item) if isinstance(item, list) else next(values)

    return rebuild(keys)
