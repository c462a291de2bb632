"""Tasks that submit tasks."""

from __future__ import annotations

import weakref
from typing import Any

from rask.distributed._context import find_task
from rask.distributed.client import QuietClient

__all__ = ["TaskClient"]


class TaskClient(QuietClient):
    """The client that the tasks of a worker share. What a task submits with it is counted for the
    task's share, and runs before what was submitted together with the task.

    Parameters
    ----------
    worker : Worker
    """

    def __init__(self, worker: Any, *args: Any, **kwargs: Any) -> None:
        self._worker = weakref.ref(worker)
        super().__init__(*args, **kwargs)

    def _as_submitter(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        task = find_task()
        if task is None or task.actor or task.worker is not self._worker():
            return options
        return {**(options or {}), "submitted_by": (task.layer, task.block)}
