"""The scheduler's state at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rask.distributed._helper import TaskView, WorkerView

__all__ = ["Snapshot"]


class Snapshot:
    """Workers and tasks, which refer to each other.

    Attributes
    ----------
    workers : dict
        By address.
    tasks : dict
        By key.
    running : set of WorkerView
        Workers that take tasks and values.
    replicated_tasks : set of TaskView
        Those whose values several workers hold.
    """

    def __init__(self, workers: dict[str, WorkerView], tasks: dict[Any, TaskView]) -> None:
        self.workers = workers
        self.tasks = tasks
        self.running = {worker for worker in workers.values() if not worker.paused}
        self.replicated_tasks = {task for task in tasks.values() if len(task.who_has) > 1}
