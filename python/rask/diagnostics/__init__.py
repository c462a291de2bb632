"""Watching computations: a progress bar, profilers, callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rask.callbacks import Callback
    from rask.diagnostics.profile import CacheProfiler, Profiler, ResourceProfiler
    from rask.diagnostics.progress import ProgressBar

__all__ = ["CacheProfiler", "Callback", "Profiler", "ProgressBar", "ResourceProfiler"]


def __getattr__(name: str) -> Any:
    if name == "Callback":
        from rask.callbacks import Callback

        return Callback
    if name == "ProgressBar":
        from rask.diagnostics.progress import ProgressBar

        return ProgressBar
    if name in ("CacheProfiler", "Profiler", "ResourceProfiler"):
        from rask.diagnostics import profile

        return getattr(profile, name)
    raise AttributeError(f"module 'rask.diagnostics' has no attribute {name!r}")
