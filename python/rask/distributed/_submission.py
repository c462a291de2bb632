"""From calls to what is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core
from rask._annotations import task_options
from rask._core import Future
from rask.base import get_annotations
from rask.distributed._arguments import extract

__all__ = ["call_name", "function_name", "is_collection", "map_pages", "options_of", "worker_names"]

_PAGE_BLOCKS = 1024
_PAGE_ITEM_BYTES_MAX = 8192


def function_name(function: Callable[..., Any]) -> str:
    """A short name of a callable, for keys and diagnostics."""
    name = getattr(function, "__name__", None)
    if name is None and hasattr(function, "func"):
        return function_name(function.func)
    name = name or type(function).__name__
    return "lambda" if name == "<lambda>" else name


def call_name(prefix: str, payloads: list[Any], futures: list[Future], pure: bool) -> str:
    """The name of a layer of calls: equal for equal calls if `pure`."""
    return _core.call_name(prefix, payloads, futures, pure)


def options_of(
    priority: int,
    retries: int | None,
    workers: Any,
    allow_other_workers: bool,
    resources: dict[str, float] | None,
    annotated: bool = True,
) -> dict[str, Any] | None:
    """Keyword arguments of a submission; None if all have their defaults.

    What is not given is taken from the annotations in force, if the submission is `annotated`.
    """
    notes = task_options(get_annotations()) if annotated else None
    if notes:
        priority = priority or notes.get("priority", 0)
        retries = notes.get("retries") if retries is None else retries
        if not workers and "workers" in notes:
            workers = notes["workers"]
            allow_other_workers = allow_other_workers or notes.get("allow_other_workers", False)
        resources = resources or notes.get("resources")
    options: dict[str, Any] = {}
    if priority:
        options["priority"] = int(priority)
    if retries:
        options["retries"] = int(retries)
    if workers:
        options["workers"] = worker_names(workers)
        options["allow_other_workers"] = bool(allow_other_workers)
    if resources:
        options["resources"] = {name: float(amount) for name, amount in resources.items()}
    return options or None


def worker_names(workers: Any) -> list[str]:
    """Names or addresses of workers as users give them: one, several or none."""
    if workers is None:
        return []
    if isinstance(workers, (str, int)):
        workers = [workers]
    return [str(worker) for worker in workers]


def map_pages(
    columns: list[list[Any]], shared: list[Future]
) -> tuple[list[Any], int, list[Future], list[int]]:
    """Arguments of many calls as pages of columns.

    Parameters
    ----------
    columns : list of list
        One for each positional argument.
    shared : list of Future
        Futures among the keyword arguments, which every call has.

    Returns
    -------
    pages : list
        Pickled tuples of lists.
    page_blocks : int
        Calls of a page.
    futures : list of Future
        Those of all calls, one call after the other.
    offsets : list of int
        Where those of each call begin, and the end.
    """
    count = len(columns[0])
    futures: list[Future] = []
    offsets: list[int] = []
    if shared or any(_may_hold_futures(column) for column in columns):
        offsets.append(0)
        columns = [list(column) for column in columns]
        for at in range(count):
            for column in columns:
                column[at] = extract(column[at], futures)
            futures.extend(shared)
            offsets.append(len(futures))
        if not futures:
            offsets = []
    page_blocks = 1 if _is_large(columns) else min(_PAGE_BLOCKS, count)
    pages = [
        _core.Payload(tuple(column[start : start + page_blocks] for column in columns))
        for start in range(0, count, page_blocks)
    ]
    return pages, page_blocks, futures, offsets


_PLAIN = frozenset({int, float, str, bytes, bool, type(None)})


def _may_hold_futures(column: list[Any]) -> bool:
    return not set(map(type, column)) <= _PLAIN


def _is_large(columns: list[list[Any]]) -> bool:
    first = tuple(column[0] for column in columns)
    if all(isinstance(item, (int, float, bool, type(None))) for item in first):
        return False
    return _core.Payload(first).nbytes > _PAGE_ITEM_BYTES_MAX


def is_collection(value: Any) -> bool:
    """Whether this is one of Rask's lazy collections."""
    return hasattr(type(value), "_rask_lower")
