"""A progress bar in text."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, TextIO

from rask.callbacks import Callback
from rask.utils import format_time

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """A line that shows how much of each computation is done.

    Parameters
    ----------
    minimum : float
        Seconds that a computation must take before a bar is shown.
    width : int
        Characters of the bar.
    dt : float
        Seconds between updates.
    out : file, optional
        Where to write; standard output by default.

    Examples
    --------
    >>> import rask
    >>> with ProgressBar(minimum=60):
    ...     rask.delayed(sum)([1, 2]).compute()
    3
    """

    def __init__(
        self, minimum: float = 0, width: int = 40, dt: float = 0.1, out: TextIO | None = None
    ) -> None:
        super().__init__()
        self._minimum = minimum
        self._width = width
        self._dt = dt
        self._file = out
        self._runs: dict[int, _Bar] = {}
        self.last_duration = 0.0

    def _start(self, graph: Any) -> None:
        bar = _Bar(self, graph)
        self._runs[id(graph)] = bar
        bar.thread.start()

    def _finish(self, graph: Any, state: dict, failed: bool) -> None:
        bar = self._runs.pop(id(graph), None)
        if bar is not None:
            bar.stop(failed)
            self.last_duration = bar.elapsed()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        for bar in list(self._runs.values()):
            bar.stop(True)
        self._runs.clear()


class _Bar:
    """The bar of one computation, drawn from a thread of its own."""

    def __init__(self, owner: ProgressBar, progress: Any) -> None:
        self.owner = owner
        self.progress = progress
        self.started = time.perf_counter()
        self.ended: float | None = None
        self.drawn = False
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True, name="rask-progress")

    def elapsed(self) -> float:
        return (self.ended or time.perf_counter()) - self.started

    def watch(self) -> None:
        while not self.done.wait(self.owner._dt):
            if self.elapsed() >= self.owner._minimum:
                self.draw(self.progress.done / max(self.progress.total, 1))

    def stop(self, failed: bool) -> None:
        self.ended = time.perf_counter()
        self.done.set()
        if self.thread.ident is not None:
            self.thread.join()
        if self.elapsed() < self.owner._minimum:
            return
        total = max(self.progress.total, 1)
        self.draw(self.progress.done / total if failed else 1.0)
        self.write("\n")

    def draw(self, share: float) -> None:
        width = self.owner._width
        bar = "#" * int(share * width)
        text = f"\r[{bar:<{width}}] | {share:4.0%} Completed | {format_time(self.elapsed())}"
        self.write(f"{text:<{width + 40}}")

    def write(self, text: str) -> None:
        file = self.owner._file or sys.stdout
        file.write(text)
        file.flush()
