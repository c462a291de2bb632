"""A progress bar for futures."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rask._core import CompletionQueue
from rask.distributed._arguments import futures_of

__all__ = ["NotebookProgress", "progress", "watched"]

_WIDTH = 40
_REDRAW_SECONDS = 0.1


def progress(*futures: Any, notebook: bool | None = None, multi: bool = True, **kwargs: Any) -> Any:
    """Show how many futures are done, until all are.

    Parameters
    ----------
    *futures : Future or collection, or nested lists of them
    notebook : bool, optional
        Whether to show bars in a notebook, which go on by themselves while the cell has ended.
        Otherwise a bar on standard error, until all are done. Default: whether this is a notebook.
    multi : bool
        In a notebook, whether each function has a bar of its own.

    Returns
    -------
    NotebookProgress or None
        In a notebook, what is shown.
    """
    found = futures_of(list(futures))
    if not found:
        return None
    if _is_notebook() if notebook is None else notebook:
        bars = NotebookProgress(found, multi)
        bars.show()
        return bars
    _show_text(found)
    return None


def _is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _show_text(found: list[Any]) -> None:
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


class NotebookProgress:
    """Bars that show in a notebook how many futures are done.

    Parameters
    ----------
    futures : list of Future
    multi : bool
        Whether there is a bar for each function.
    """

    def __init__(self, futures: list[Any], multi: bool = True) -> None:
        groups: dict[str, list[Any]] = {}
        for future in futures:
            key = future.key if isinstance(future.key, str) else future.key[0]
            name = key.rpartition("-")[0] or key if multi else "all"
            groups.setdefault(name, []).append(future)
        self._queue = CompletionQueue()
        self._names = list(groups)
        self._totals = [len(group) for group in groups.values()]
        self._done = [0] * len(groups)
        #: The place of the bar of each token.
        self._bars: list[int] = []
        self._started = time.monotonic()
        self._ended: float | None = None
        for bar, group in enumerate(groups.values()):
            group[0].client._core.watch(group, self._queue, len(self._bars))
            self._bars += [bar] * len(group)

    @property
    def is_done(self) -> bool:
        """Whether all futures are done."""
        return self._done == self._totals

    def _repr_html_(self) -> str:
        from rask.distributed.widgets import progress_html

        bars = zip(self._done, self._totals, strict=True)
        end = self._ended or time.monotonic()
        return progress_html(dict(zip(self._names, bars, strict=True)), end - self._started)

    def show(self) -> None:
        """Show the bars where the cell's output goes, and keep them up to date."""
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        handle = display(self, display_id=True)
        threading.Thread(target=self._follow, args=(handle,), daemon=True).start()

    def _follow(self, handle: Any) -> None:
        drawn = time.monotonic()
        while not self.is_done:
            for token in self._queue.take(_REDRAW_SECONDS):
                self._done[self._bars[token]] += 1
            now = time.monotonic()
            if self.is_done:
                self._ended = now
            if now - drawn >= _REDRAW_SECONDS or self.is_done:
                drawn = now
                handle.update(self)


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
