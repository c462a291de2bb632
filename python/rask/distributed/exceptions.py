"""What goes wrong on a cluster, the user's own exceptions aside."""

from __future__ import annotations

import builtins
from concurrent.futures import CancelledError as _CancelledError

__all__ = ["CancelledError", "KilledWorker", "TimeoutError"]

TimeoutError = builtins.TimeoutError


class CancelledError(_CancelledError):
    """The future was cancelled, or its cluster is gone."""


class KilledWorker(RuntimeError):
    """A task was running on several workers when these died; it is not tried again."""
