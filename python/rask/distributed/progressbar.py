"""A progress bar for futures."""

from __future__ import annotations

import sys
import time
from typing import Any

from rask._core import CompletionQueue

__all__ = ["progress"]

_WIDTH = 40


def progress(
    *futures: Any, notebook: bool | None = None, multi: bool = True, **kwargs: Any
) -> None:
    """Show on standard error how many futures are done, until all are.

    Parameters
    ----------
    *futures : Future, or nested lists of them
    """
    from rask.distributed.client import futures_of

    found = futures_of(list(futures))
    if not found:
        return
    queue = CompletionQueue()
    found[0].client._core.watch(found, queue, 0)
    started = time.monotonic()
    done = 0
    while done < len(found):
        done += len(queue.take(0.25))
        filled = _WIDTH * done // len(found)
        bar = "#" * filled + " " * (_WIDTH - filled)
        seconds = time.monotonic() - started
        sys.stderr.write(f"\r[{bar}] {done}/{len(found)} | {seconds:.1f}s")
        sys.stderr.flush()
    sys.stderr.write("\n")
