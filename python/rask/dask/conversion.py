"""Rask collections as Dask collections, and back."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from rask import _core
from rask.base import is_rask_collection, tokenize


def value_of(block: Any) -> Any:
    """The NumPy array or scalar, pandas frame or object that a block of Rask holds."""
    value = block.value()
    return value[()] if getattr(value, "shape", None) == () else value


def dask_graph_of(collection: Any, optimize: bool) -> tuple[dict[Hashable, Any], list[Hashable]]:
    """The tasks of a Rask collection as a Dask graph, and the keys of its blocks in order.

    A task runs one block of one of Rask's layers; the layer travels once a process, pickled, and
    blocks pass between tasks in Rask's own form. The blocks of the returned keys are converted.
    """
    from dask._task_spec import DataNode, Task, TaskRef

    plan, _ = type(collection)._rask_lower([collection], optimize)
    tasks, wanted = _core.expand_plan(plan)
    names = [(name, block) for name, block, _, _ in tasks]
    graph: dict[Hashable, Any] = {}
    for key, (_, block, runner, inputs) in zip(names, tasks, strict=True):
        if isinstance(runner, _core.BlockRunner):
            references = [TaskRef(names[number]) for number in inputs]
            graph[key] = Task(key, runner, block, *references)
        else:
            graph[key] = DataNode(key, runner)
    keys = []
    for number in wanted:
        key = ("value", *names[number])
        graph[key] = Task(key, value_of, TaskRef(names[number]))
        keys.append(key)
    return graph, keys


def to_dask(collection: Any, optimize_graph: bool = True) -> Any:
    """Convert a Rask collection to the Dask collection of the same kind.

    Parameters
    ----------
    collection : Array, DataFrame, Series, Index, Bag, Item or Delayed
        A collection of Rask.
    optimize_graph : bool
        Whether Rask optimises the graph before it hands it over.

    Returns
    -------
    dask collection
        A ``dask.array.Array``, ``dask.dataframe.DataFrame`` and so on, lazy, whose tasks run
        Rask's blocks. Any of Dask's schedulers can run it, a distributed cluster too, provided
        that Rask is installed where its tasks run.

    Raises
    ------
    TypeError
        If the object is not a collection of Rask.

    Examples
    --------
    >>> import rask.array as da
    >>> from rask.dask import to_dask
    >>> to_dask(da.ones(4, chunks=2).sum()).compute(scheduler="sync")
    np.float64(4.0)
    """
    if not is_rask_collection(collection):
        raise TypeError(f"expected a collection of Rask, not {type(collection).__name__}")
    graph, keys = dask_graph_of(collection, optimize_graph)
    return CONVERTERS[collection._rask_family](collection, graph, keys)


def array_to_dask(collection: Any, graph: dict, keys: list) -> Any:
    """Keys of Dask's arrays carry the block's coordinates: an alias for each block."""
    import dask.array
    import numpy as np
    from dask._task_spec import Alias

    name = f"{collection.name}-{tokenize('to_dask', keys)[:8]}"
    counts = tuple(len(lengths) for lengths in collection.chunks)
    for key, coordinates in zip(keys, np.ndindex(*counts), strict=True):
        alias = (name, *coordinates)
        graph[alias] = Alias(alias, key)
    meta = getattr(collection, "_meta", None)
    make: Any = dask.array.Array
    return make(graph, name, collection.chunks, dtype=collection.dtype, meta=meta)


def frame_to_dask(collection: Any, graph: dict, keys: list) -> Any:
    import dask.dataframe

    return dask.dataframe.from_graph(
        graph, collection._meta, collection.divisions, keys, "from-rask"
    )


def bag_to_dask(collection: Any, graph: dict, keys: list) -> Any:
    import dask.bag
    from dask._task_spec import Alias

    name = f"from-rask-{tokenize(keys)}"
    if hasattr(collection, "npartitions"):
        for number, key in enumerate(keys):
            graph[(name, number)] = Alias((name, number), key)
        return dask.bag.Bag(graph, name, len(keys))
    return dask.bag.Item(graph, keys[0])


def delayed_to_dask(collection: Any, graph: dict, keys: list) -> Any:
    from dask._task_spec import Alias
    from dask.delayed import Delayed

    name = f"from-rask-{tokenize(keys)}"
    graph[name] = Alias(name, keys[0])
    return Delayed(name, graph)


CONVERTERS = {
    "array": array_to_dask,
    "frame": frame_to_dask,
    "bag": bag_to_dask,
    "delayed": delayed_to_dask,
}


def from_dask(collection: Any) -> Any:
    """Convert a Dask collection to the Rask collection of the same kind, lazily.

    Parameters
    ----------
    collection : dask.array.Array, dask.dataframe.DataFrame or Series, dask.bag.Bag, Delayed
        A collection of Dask; its graph is optimised by Dask and becomes tasks of Rask.

    Raises
    ------
    TypeError
        If the object is not one of these.

    Examples
    --------
    >>> import dask.array
    >>> from rask.dask import from_dask
    >>> from_dask(dask.array.ones(4, chunks=2)).sum().compute()
    np.float64(4.0)
    """
    from dask.base import is_dask_collection, optimize
    from dask.core import flatten

    if not is_dask_collection(collection):
        raise TypeError(f"expected a collection of Dask, not {type(collection).__name__}")
    (collection,) = optimize(collection)
    graph = dict(collection.__dask_graph__())
    keys = list(flatten(collection.__dask_keys__()))
    plan = _core.compile_graph(graph, keys)
    module = type(collection).__module__
    if module.startswith("dask.array"):
        from rask.array import Array

        name = f"from-dask-{collection.name}"
        expression = _core.ArrayExpr.from_plan(plan, collection.chunks, collection.dtype, name)
        return Array(expression)
    if module.startswith("dask.dataframe"):
        from rask.dataframe import from_plan

        return from_plan(plan, collection._meta, collection.divisions)
    if module.startswith("dask.bag"):
        from rask.bag import Bag, Item

        return Bag(plan) if hasattr(collection, "npartitions") else Item(plan)
    if module.startswith("dask.delayed"):
        from rask.delayed import delayed_from_plan

        return delayed_from_plan(plan)[0]
    raise TypeError(f"Rask has no counterpart of {type(collection).__name__}")
