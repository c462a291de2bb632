"""Comparing bags in tests."""

from __future__ import annotations

import contextlib
from typing import Any

__all__ = ["assert_eq"]


def assert_eq(a: Any, b: Any, scheduler: str = "sync") -> None:
    """Check that two bags, or a bag and a list, hold equal items, in order if both are lists."""
    left, right = (x.compute(scheduler=scheduler) if hasattr(x, "compute") else x for x in (a, b))
    if isinstance(left, list) and isinstance(right, list):
        with contextlib.suppress(TypeError):
            left, right = sorted(left), sorted(right)
    assert left == right, f"{left!r} != {right!r}"
