"""What a client asks of what the cluster did."""

from __future__ import annotations

import time
from typing import Any

from rask import _core
from rask.distributed._utils import parse_seconds

__all__ = ["DiagnosticsMethods"]


class DiagnosticsMethods:
    """Part of `Client`."""

    _core: Any
    _either: Any

    def get_task_stream(
        self,
        start: Any = None,
        stop: Any = None,
        count: int | None = None,
        plot: bool | str = False,
        filename: str = "task-stream.html",
        bokeh_resources: Any = None,
    ) -> Any:
        """The tasks that ended last: when, where, how long.

        The scheduler remembers the last 100,000.

        Parameters
        ----------
        start, stop : float or str, optional
            Seconds since the epoch, or how long ago (``"5 min"``).
        count : int, optional
            The last so many.
        plot : bool or "save"
            Whether to draw them: ``"save"`` writes `filename`, a page that needs no network.
        filename : str

        Returns
        -------
        list of dict
            ``key``, ``name`` (the operation), ``worker``, ``status``, ``nbytes`` (of the value),
            ``working_bytes`` (by which the process grew at most while the task ran; 0 if that was not
            measured, as of tasks of a few milliseconds) and ``startstops``: a list of one dict of
            ``action``, ``start`` and ``stop`` in seconds since the epoch. With `plot` the list and the
            page as text.
        """
        return self._either(self._get_task_stream, start, stop, count, plot, filename)

    def _get_task_stream(
        self, start: Any, stop: Any, count: int | None, plot: bool | str, filename: str
    ) -> Any:
        first, last = _moment(start), _moment(stop)
        now = time.time()
        micros, _, ended = _core.Diagnostics(self._core).task_stream(0, count or 0)
        origin = now - micros / 1e6
        stream = [_describe(task, origin) for task in ended]
        stream = [
            task
            for task in stream
            if (first is None or task["startstops"][0]["stop"] >= first)
            and (last is None or task["startstops"][0]["start"] <= last)
        ]
        if not plot:
            return stream
        from rask.distributed._report import task_stream_page

        page = task_stream_page(stream)
        if plot == "save":
            with open(filename, "w", encoding="utf-8") as file:
                file.write(page)
        return stream, page


def _moment(value: Any) -> float | None:
    """Seconds since the epoch of a time, or of a duration ago."""
    if value is None or isinstance(value, (int, float)):
        return value
    return time.time() - (parse_seconds(value) or 0.0)


def _describe(task: dict[str, Any], origin: float) -> dict[str, Any]:
    start = origin + task["start"] / 1e6
    stop = start + task["duration"] / 1e6
    return {
        "key": (task["layer"], task["block"]),
        "name": task["operation"],
        "worker": task["worker"],
        "status": "OK",
        "nbytes": task["nbytes"],
        "working_bytes": task["working_bytes"],
        "startstops": [{"action": "compute", "start": start, "stop": stop}],
    }
