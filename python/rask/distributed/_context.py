"""Which worker, and which task, the calling code runs for."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from rask import _core

__all__ = [
    "RunningTask",
    "enter",
    "find_task",
    "find_worker",
    "running",
    "set_process_worker",
    "workers",
]

#: Workers of this process by the number that `_core.current_worker` gives.
workers: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class RunningTask:
    """What runs: a task, or a method of an actor."""

    worker: Any
    key: Any = None
    layer: int = 0
    block: int = 0
    actor: bool = False
    #: Names and identifiers of its span, unless that is the default one.
    span: tuple[list[str], list[str]] | None = None


#: Set where code of a task runs on another thread than a compute thread.
running: ContextVar[RunningTask | None] = ContextVar("rask-running", default=None)


def enter(task: RunningTask) -> None:
    """In the current context, what runs is this task."""
    running.set(task)
    if task.span is not None:
        from rask.distributed.spans import enter_path

        enter_path(*task.span)


def key_of(name: str, block: int, numbered: bool) -> Any:
    """The key that users know a block by."""
    return (name, block) if numbered else name


def find_task() -> RunningTask | None:
    """The task that the calling code belongs to, if any."""
    known = running.get()
    if known is not None:
        return known
    task = _core.current_task()
    if task is None:
        return None
    number, layer, block, name, numbered = task
    worker = workers.get(number)
    if worker is None:
        return None
    return RunningTask(worker, key_of(name, block, numbered), layer, block)


#: The worker of a worker process.
_process_worker: Any = None


def set_process_worker(worker: Any) -> None:
    """This process is one of a worker: what belongs to no task is the worker's."""
    global _process_worker
    _process_worker = worker


def find_worker() -> Any:
    """The worker that the calling code runs on: that of the task, or the only one of a worker
    process; None otherwise."""
    known = running.get()
    if known is not None:
        return known.worker
    number = _core.current_worker()
    if number is not None:
        return workers.get(number)
    return _process_worker
