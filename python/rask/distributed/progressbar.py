"""A progress bar for futures."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rask._core import CompletionQueue

__all__ = ["progress", "watched"]

_WIDTH = 40
_REDRAW_SECONDS = 0.1


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
    drawn = 0.0
    done = 0
    while done < len(found):
        done += len(queue.take(_REDRAW_SECONDS))
        now = time.monotonic()
        if now - drawn >= _REDRAW_SECONDS or done == len(found):
            drawn = now
            _draw(done, len(found), now - started)
    sys.stderr.write("\n")


def _draw(done: int, total: int, seconds: float) -> None:
    filled = _WIDTH * done // total
    bar = "#" * filled + " " * (_WIDTH - filled)
    sys.stderr.write(f"\r[{bar}] {done}/{total} | {seconds:.1f}s")
    sys.stderr.flush()


class FutureProgress:
    """How many of some futures are done, in the form that callbacks watch."""

    def __init__(self, futures: list) -> None:
        self._pending = list(futures)
        self.total = len(futures)

    @property
    def done(self) -> int:
        """Futures that are done, failed or cancelled."""
        self._pending = [future for future in self._pending if not future.done()]
        return self.total - len(self._pending)


@contextmanager
def watched(futures: list) -> Iterator[None]:
    """Within the block, the active callbacks (a `ProgressBar`, say) follow the futures."""
    from rask.callbacks import active_observer

    observer = active_observer()
    if observer is None:
        yield
        return
    failed = True
    observer.on_run_started(FutureProgress(futures))
    try:
        yield
        failed = False
    finally:
        observer.on_run_finished(failed)
