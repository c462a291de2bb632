"""What goes wrong on a cluster, the user's own exceptions aside."""

from __future__ import annotations

import builtins
from concurrent.futures import CancelledError as _CancelledError

__all__ = [
    "CancelledError",
    "KilledWorker",
    "Reschedule",
    "TimeoutError",
    "WorkerStartTimeoutError",
]

TimeoutError = builtins.TimeoutError


class CancelledError(_CancelledError):
    """The future was cancelled, or its cluster is gone."""


class KilledWorker(RuntimeError):
    """A task was running on several workers when these died; it is not tried again."""


class Reschedule(Exception):
    """Raised by a task that asks to be run again, on another worker if possible.

    It is no failure: nothing is told to the user, and retries are not counted.

    Examples
    --------
    >>> from rask.distributed import Reschedule, get_worker
    >>> def pick(path):
    ...     if not os.path.exists(path):
    ...         raise Reschedule()
    ...     return open(path).read()
    """


class WorkerStartTimeoutError(TimeoutError):
    """Too few workers came within the time."""

    def __init__(self, available_workers: int, expected_workers: int, timeout: float) -> None:
        super().__init__(available_workers, expected_workers, timeout)

    @property
    def available_workers(self) -> int:
        """Workers that are there."""
        return self.args[0]

    @property
    def expected_workers(self) -> int:
        """Workers that were waited for."""
        return self.args[1]

    @property
    def timeout(self) -> float:
        """Seconds waited."""
        return self.args[2]

    def __str__(self) -> str:
        return (
            f"{self.available_workers} of {self.expected_workers} workers were there after "
            f"{self.timeout} seconds"
        )
