"""Computing collections: the protocol that they share, and the choice of an engine.

A collection is an object with four attributes:

* ``_rask_family``, a string: collections of one family are lowered together.
* ``_rask_lower(collections, optimize)``, a class method: a ``Plan`` whose wanted blocks are those of
  the first collection, then of the second, and how many each has.
* ``_rask_finish(values)``: the result, of the list of the collection's computed blocks.
* ``_rask_rebuild(plan)``: the same collection over a plan whose wanted blocks are its own.

An engine is an object with ``_rask_compute(plan, **options)``, which returns the values of the
wanted blocks, and ``_rask_persist(plan, **options)``, which returns a plan of the same wanted blocks
without the work. A cluster's ``Client`` is one; ``LocalEngine`` is the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass, replace
from typing import Any

from rask import _core, config
from rask.tokenize import TokenizationError, normalize_token, tokenize

__all__ = [
    "LocalEngine",
    "TokenizationError",
    "annotate",
    "compute",
    "current_client",
    "get_annotations",
    "get_scheduler",
    "is_dask_collection",
    "is_rask_collection",
    "lower",
    "normalize_token",
    "optimize",
    "persist",
    "plan_to_graph",
    "set_current_client",
    "tokenize",
    "unpack_collections",
    "visualize",
]


def is_rask_collection(obj: Any) -> bool:
    """Whether an object is a lazy collection of Rask.

    Examples
    --------
    >>> import rask
    >>> is_rask_collection(rask.delayed(sum)([1, 2])), is_rask_collection([1, 2])
    (True, False)
    """
    return hasattr(type(obj), "_rask_lower")


is_dask_collection = is_rask_collection


# ---- collections among arguments


def unpack_collections(
    *args: Any, traverse: bool = True
) -> tuple[list[Any], Callable[[list], tuple]]:
    """The collections among the arguments, and a function that puts their results in their place.

    Parameters
    ----------
    traverse : bool
        Whether to look inside lists, tuples, sets, dicts, dataclasses and iterators.
    """
    collections: list[Any] = []
    positions: dict[int, int] = {}

    def find(obj: Any) -> Callable[[list], Any]:
        if is_rask_collection(obj):
            position = positions.setdefault(id(obj), len(collections))
            if position == len(collections):
                collections.append(obj)
            return lambda results: results[position]
        if traverse:
            parts = container_parts(obj)
            if parts is not None:
                rebuild, items = parts
                makers = [find(item) for item in items]
                return lambda results: rebuild([make(results) for make in makers])
        return lambda results: obj

    makers = [find(arg) for arg in args]
    return collections, lambda results: tuple(make(results) for make in makers)


def container_parts(obj: Any) -> tuple[Callable[[list], Any], list] | None:
    """The items of a plain container and how to make it again; None for anything else."""
    kind = type(obj)
    if kind in (list, tuple, set, frozenset):
        return kind, list(obj)
    if kind is dict:
        count = len(obj)
        return (
            lambda items: dict(zip(items[:count], items[count:], strict=True)),
            [*obj.keys(), *obj.values()],
        )
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return lambda items: kind(*items), list(obj)
    if is_dataclass(obj) and not isinstance(obj, type):
        names = [field.name for field in fields(obj) if field.init]
        return (
            lambda items: replace(obj, **dict(zip(names, items, strict=True))),
            [getattr(obj, name) for name in names],
        )
    if isinstance(obj, Iterator) and kind.__module__ == "builtins":
        return list, list(obj)
    return None


# ---- from collections to a plan


def lower(collections: list[Any], optimize: bool = True) -> tuple[_core.Plan, list[range]]:
    """One plan for several collections, and where in its wanted blocks each one's are."""
    families: dict[str, list[int]] = {}
    for number, collection in enumerate(collections):
        families.setdefault(collection._rask_family, []).append(number)
    plans, places, start = [], [range(0)] * len(collections), 0
    for members in families.values():
        family = [collections[number] for number in members]
        plan, counts = type(family[0])._rask_lower(family, optimize)
        plans.append(plan)
        for number, count in zip(members, counts, strict=True):
            places[number] = range(start, start + count)
            start += count
    return _core.Plan.merge(plans), places


def plan_to_graph(plan: _core.Plan) -> tuple[dict, list]:
    """A plan as a plain task graph ``{(layer, block): (runner, block, key, …)}`` and its wanted keys.

    The tasks' values are ``_core.Block`` objects, whose ``value()`` is the Python object.
    """
    tasks, wanted = _core.expand_plan(plan)
    keys = [(name, block) for name, block, _, _ in tasks]
    graph: dict[Any, Any] = {}
    for key, (_, block, runner, inputs) in zip(keys, tasks, strict=True):
        if isinstance(runner, _core.BlockRunner):
            graph[key] = (runner, block, *(keys[number] for number in inputs))
        else:
            graph[key] = runner
    return graph, [keys[number] for number in wanted]


# ---- engines


class LocalEngine:
    """The threads of this process, within a memory budget.

    Parameters
    ----------
    threads : int, optional
        Number of threads; 0 runs everything on the calling thread, one task after the other, which
        is what a debugger wants. By default the configuration's ``num-workers``, else one a core.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads

    def options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """What the engine is given: arguments of ``compute`` first, then the configuration."""
        from rask.callbacks import active_observer
        from rask.system import CPU_COUNT
        from rask.utils import parse_bytes

        threads = kwargs.get("num_workers") or config.get("num-workers", None) or CPU_COUNT
        limit = kwargs.get("memory_limit", config.get("memory-limit", None))
        return {
            "threads": threads if self.threads is None else self.threads,
            "memory_limit": None if limit is None else parse_bytes(limit),
            "spill_directory": config.get("temporary-directory", None),
            "observer": active_observer(),
        }

    def _rask_compute(self, plan: _core.Plan, **kwargs: Any) -> list[Any]:
        return _core.run_local(plan, **self.options(kwargs)).to_list()

    def _rask_persist(self, plan: _core.Plan, **kwargs: Any) -> _core.Plan:
        return _core.run_local(plan, **self.options(kwargs)).hold(plan)


class CallableEngine:
    """A scheduler function in Dask's form, ``get(graph, keys, **kwargs)``."""

    def __init__(self, get: Callable[..., Any]) -> None:
        self.get = get

    def _rask_compute(self, plan: _core.Plan, **kwargs: Any) -> list[Any]:
        graph, keys = plan_to_graph(plan)
        blocks = self.get(graph, keys, **kwargs)
        return [block.value() if isinstance(block, _core.Block) else block for block in blocks]

    def _rask_persist(self, plan: _core.Plan, **kwargs: Any) -> _core.Plan:
        return plan.held(self._rask_compute(plan, **kwargs))


_local_client: ContextVar[Any] = ContextVar("rask_client", default=None)
_global_client: Any = None


def set_current_client(client: Any) -> None:
    """Make a client the engine of everything that names no other; None for the local engine."""
    global _global_client
    _global_client = client


@contextmanager
def client_as_current(client: Any) -> Iterator[None]:
    """Within the block (and its thread or coroutine), the engine is this client."""
    token = _local_client.set(client)
    try:
        yield
    finally:
        _local_client.reset(token)


def local_client() -> Any | None:
    """The client of the surrounding `client_as_current`, if any."""
    return _local_client.get()


def current_client() -> Any | None:
    """The client that computations go to, if any."""
    return _local_client.get() or _global_client


SYNCHRONOUS = ("sync", "synchronous", "single-threaded")
LOCAL_THREADS = ("threads", "threading")
CLUSTER = ("distributed", "rask.distributed", "dask.distributed")


def get_scheduler(scheduler: Any = None) -> Any:
    """The engine for a ``scheduler=`` argument.

    Parameters
    ----------
    scheduler : str, Client, callable or None
        ``"threads"``, ``"sync"``, ``"processes"``, ``"distributed"``, a client, a function in the
        form of Dask's schedulers; None takes the configuration's ``scheduler``, then the current
        client, then threads.

    Raises
    ------
    ValueError
        For a name that is none of these.
    """
    if scheduler is None:
        scheduler = config.get("scheduler", None) or current_client() or "threads"
    if hasattr(scheduler, "_rask_compute"):
        return scheduler
    if isinstance(scheduler, str):
        return named_engine(scheduler.lower())
    if isinstance(scheduler, int) and not isinstance(scheduler, bool):
        return LocalEngine(scheduler)
    threads = getattr(scheduler, "_max_workers", None)
    if threads is not None:
        return LocalEngine(threads)
    if callable(scheduler):
        return CallableEngine(scheduler)
    raise ValueError(f"scheduler must be a name, a Client or a function, not {scheduler!r}")


def named_engine(name: str) -> Any:
    """The engine of a name."""
    if name in LOCAL_THREADS:
        return LocalEngine()
    if name in SYNCHRONOUS:
        return LocalEngine(0)
    if name in CLUSTER:
        client = current_client()
        if client is None:
            raise RuntimeError("scheduler='distributed' needs a Client; make one first")
        return client
    if name in ("processes", "multiprocessing"):
        from rask.multiprocessing import process_client

        return process_client()
    raise ValueError(
        f"no scheduler is named {name!r}; expected 'threads', 'sync', 'processes' or 'distributed'"
    )


# ---- what users call


def compute(
    *args: Any,
    traverse: bool = True,
    optimize_graph: bool = True,
    scheduler: Any = None,
    get: None = None,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Compute several collections together, sharing what they have in common.

    Parameters
    ----------
    *args : object
        Collections, or containers of them; anything else is returned as it is.
    traverse : bool
        Whether to look for collections inside lists, tuples, sets, dicts and dataclasses.
    optimize_graph : bool
        Whether expressions are optimised before they are lowered.
    scheduler : str, Client or callable, optional
        Where to compute; see `get_scheduler`.
    **kwargs
        Options of the engine: ``num_workers`` and ``memory_limit`` of the local one.

    Returns
    -------
    tuple
        The arguments with each collection replaced by its result.

    Examples
    --------
    >>> import rask
    >>> import rask.array as da
    >>> x = da.arange(10, chunks=5)
    >>> rask.compute(x.sum(), {"mean": x.mean()})
    (np.int64(45), {'mean': np.float64(4.5)})
    """
    if get is not None:
        raise TypeError("get= was replaced by scheduler=")
    collections, repack = unpack_collections(*args, traverse=traverse)
    if not collections:
        return args
    engine = get_scheduler(scheduler)
    plan, places = lower(collections, optimize_graph)
    values = list(engine._rask_compute(plan, **kwargs))
    results = [
        collection._rask_finish(values[place.start : place.stop])
        for collection, place in zip(collections, places, strict=True)
    ]
    return repack(results)


def persist(
    *args: Any,
    traverse: bool = True,
    optimize_graph: bool = True,
    scheduler: Any = None,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Compute several collections together and keep them in memory, still as collections.

    On a cluster this returns at once and the blocks stay on the workers; on the local engine it
    returns when they are computed. Parameters are those of `compute`.

    Examples
    --------
    >>> import rask
    >>> import rask.array as da
    >>> (x,) = rask.persist(da.ones(4, chunks=2) + 1)
    >>> x.sum().compute()
    np.float64(8.0)
    """
    collections, repack = unpack_collections(*args, traverse=traverse)
    if not collections:
        return args
    plan, places = lower(collections, optimize_graph)
    kept = get_scheduler(scheduler)._rask_persist(plan, **kwargs)
    rebuilt = [
        collection._rask_rebuild(kept.slice(place.start, place.stop))
        for collection, place in zip(collections, places, strict=True)
    ]
    return repack(rebuilt)


def optimize(*args: Any, traverse: bool = True, **kwargs: Any) -> tuple[Any, ...]:
    """The same collections with their graphs optimised together and lowered.

    Examples
    --------
    >>> import rask
    >>> import rask.array as da
    >>> (x,) = rask.optimize(da.ones(4, chunks=2) + 1)
    >>> x.compute()
    array([2., 2., 2., 2.])
    """
    collections, repack = unpack_collections(*args, traverse=traverse)
    if not collections:
        return args
    plan, places = lower(collections, True)
    rebuilt = [
        collection._rask_rebuild(plan.slice(place.start, place.stop))
        for collection, place in zip(collections, places, strict=True)
    ]
    return repack(rebuilt)


def visualize(
    *args: Any,
    filename: str | None = "rask",
    traverse: bool = True,
    optimize_graph: bool = False,
    format: str | None = None,
    **kwargs: Any,
) -> Any:
    """Draw the layers of collections with Graphviz.

    Parameters
    ----------
    filename : str or None
        Where to write, with or without an ending; None writes nothing.
    format : str, optional
        ``"png"`` (default), ``"svg"``, ``"pdf"`` or ``"dot"``; ``"dot"`` needs no Graphviz.

    Returns
    -------
    str or graphviz.Digraph
        The text in the dot language for ``format="dot"``, else the drawing.
    """
    from rask.dot import draw_plan

    collections, _ = unpack_collections(*args, traverse=traverse)
    plan, _ = lower(collections, optimize_graph)
    return draw_plan(plan, filename=filename, format=format)


# ---- annotations

_annotations: ContextVar[dict[str, Any]] = ContextVar("rask_annotations", default={})  # noqa: B039


def is_annotated() -> bool:
    """Whether `annotate` is in force."""
    return bool(_annotations.get())


def get_annotations() -> dict[str, Any]:
    """The annotations in force; in a task of a cluster the span that it belongs to is among them.

    Examples
    --------
    >>> with annotate(priority=10):
    ...     get_annotations()
    {'priority': 10}
    """
    found = dict(_annotations.get())
    if "span" not in found and (span := _core.task_span()) is not None:
        found["span"] = {"name": tuple(span[0]), "ids": tuple(span[1])}
    return found


@contextmanager
def annotate(**annotations: Any) -> Iterator[None]:
    """Annotate what is made within the block: collections, and calls that are submitted.

    How a cluster runs the tasks of a layer is said by ``priority``, ``retries``, ``retry_delay``,
    ``retry_delay_max``, ``workers``, ``allow_other_workers``, ``resources`` and ``task_timeout``, with
    the meaning that they have in `Client.submit`. It goes with the layers to wherever they are
    computed, and comes before what is said, or annotated, there. Layers that are annotated
    differently are never one task. Other annotations are for programs that ask for them. The local
    engine needs none.

    Raises
    ------
    TypeError, ValueError
        If a value makes no sense.

    Examples
    --------
    >>> import rask.array as da
    >>> with annotate(priority=10, retries=3):
    ...     x = da.ones(4, chunks=2) + 1
    >>> float(x.sum().compute())
    8.0
    """
    from rask._annotations import check_annotations

    if check_annotations(annotations):
        _core.use_annotations()
    token = _annotations.set({**_annotations.get(), **annotations})
    try:
        yield
    finally:
        _annotations.reset(token)
