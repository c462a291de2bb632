"""Looking at what a cluster does while something runs."""

from __future__ import annotations

import html
import inspect
import linecache
import os
import time
from typing import Any

from rask import _core
from rask.distributed._clients import default_client

__all__ = ["get_task_stream", "performance_report"]


class get_task_stream:
    """Collect the tasks that end within a block of code.

    Parameters
    ----------
    client : Client, optional
    plot : bool or "save"
        Whether to draw them.
    filename : str
        Where to, with ``"save"``.

    Attributes
    ----------
    data : list of dict
        As of `Client.get_task_stream`.
    figure : str or None
        The page, if it was drawn.

    Examples
    --------
    >>> with get_task_stream() as stream:  # doctest: +SKIP
    ...     x.compute()
    >>> len(stream.data)  # doctest: +SKIP
    """

    def __init__(
        self, client: Any = None, plot: bool | str = False, filename: str = "task-stream.html"
    ) -> None:
        self.client = client
        self.data: list[dict[str, Any]] = []
        self.figure: str | None = None
        self._plot = plot
        self._filename = filename
        self._start = 0.0

    def _begin(self) -> None:
        self.client = self.client or default_client()
        self._start = time.time()

    def _end(self) -> None:
        found = self.client._get_task_stream(self._start, None, None, self._plot, self._filename)
        if self._plot:
            found, self.figure = found
        self.data.extend(found)

    def __enter__(self) -> get_task_stream:
        self._begin()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._end()

    async def __aenter__(self) -> get_task_stream:
        self._begin()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self.client._either(self._end)


class performance_report:
    """Write a page about what the cluster did within a block of code.

    The page needs no network: a summary, the task stream to zoom into, operations, spans, workers,
    the calls in which tasks spent their time, and the code that ran. The scheduler keeps the report
    from the beginning of the block: if the client is gone before the end of it, because its process
    was killed or its connection closed, the scheduler writes the page, without the calls, into a
    folder on its own machine (``distributed.scheduler.reports-directory`` in its configuration), and
    logs where.

    Parameters
    ----------
    filename : str
        A path, or a URL for `fsspec`.
    stacklevel : int
        How many calls above lies the code to show.
    mode
        Accepted: the page holds everything it needs.
    storage_options : dict, optional
        For `fsspec.open`.

    Attributes
    ----------
    scheduler_folder : str
        Where the scheduler writes the page if the client is gone, on the scheduler's machine.

    Raises
    ------
    RuntimeError
        At the end, if the scheduler was restarted meanwhile.

    Examples
    --------
    >>> with performance_report(filename="report.html"):  # doctest: +SKIP
    ...     x.compute()
    """

    def __init__(
        self,
        filename: str = "rask-report.html",
        stacklevel: int = 1,
        mode: str | None = None,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        self.filename = filename
        self.scheduler_folder = ""
        self._stacklevel = stacklevel
        self._storage_options = storage_options or {}
        self._key = ""
        self._code = ""
        self._start = 0.0
        self._client: Any = None

    def _note_code(self) -> None:
        self._client = default_client()
        frame = inspect.currentframe()
        for _ in range(self._stacklevel + 1):
            frame = frame.f_back if frame is not None else None
        if frame is not None:
            self._code = _code_around(frame.f_code.co_filename, frame.f_lineno)
        self._start = time.time()

    def _begin(self) -> None:
        reports = _core.Reports(self._client._core)
        name = os.path.basename(self.filename)
        self._key, self.scheduler_folder = reports.begin(name, self._code)

    def _end(self) -> None:
        from rask.distributed._report import with_section

        try:
            page = _core.Reports(self._client._core).end(self._key)
        except ConnectionError as error:
            error.add_note(
                f"the scheduler writes the report itself, on its machine, in {self.scheduler_folder}"
            )
            raise
        self._write(with_section(page, "Calls of tasks", self._calls()))

    def _calls(self) -> str:
        from rask.distributed._flame import flame_section

        try:
            return flame_section(self._client._profile((None, self._start, None), None, True))
        except RuntimeError as error:
            return f"<p>{html.escape(str(error))}</p>"

    def _write(self, page: str) -> None:
        if "://" in self.filename:
            import fsspec

            target: Any = fsspec.open(self.filename, "w", encoding="utf-8", **self._storage_options)
            with target as file:
                file.write(page)
            return
        with open(self.filename, "w", encoding="utf-8") as file:
            file.write(page)

    def __enter__(self) -> performance_report:
        self._note_code()
        self._begin()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._end()

    async def __aenter__(self) -> performance_report:
        self._note_code()
        await self._client._either(self._begin)
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._client._either(self._end)


def _code_around(file: str, line: int) -> str:
    """The source from some lines before a line to some after."""
    lines = linecache.getlines(file)[max(0, line - 6) : line + 15]
    return "".join(lines)
