"""What workers and nannies log, kept for those who ask."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from typing import Any

from rask import _core

__all__ = ["LogKeeper", "formatted", "keeper"]

#: Lines kept a process, unless ``distributed.admin.log-length`` says otherwise.
LINES_MAX = 10_000
_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


def lines_max() -> int:
    """How many lines a process keeps."""
    from rask import config

    return int(config.get("distributed.admin.log-length", LINES_MAX))


class LogKeeper:
    """Keeps the last lines that any logger of this process writes.

    It is no handler: a root logger that has one makes `logging.basicConfig` do nothing, and lets
    warnings vanish that Python shows where nobody handles them.
    """

    def __init__(self) -> None:
        self._formatter = logging.Formatter(_FORMAT)
        length = lines_max()
        _core.set_log_length(length)
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=length)

    def watch(self) -> None:
        """Keep the records that are made from now on."""
        make = logging.getLogRecordFactory()

        def make_and_keep(name: Any, *args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(name, *args, **kwargs)
            # Without a name are those that are to be filled with what another process logged.
            if name is not None:
                self._keep(record)
            return record

        logging.setLogRecordFactory(make_and_keep)

    def _keep(self, record: logging.LogRecord) -> None:
        # What cannot be formatted is told of by those who handle it.
        with contextlib.suppress(Exception):
            line = self._formatter.format(record)
            self._lines.append((record.created, record.levelname, line))
        # Others may format exceptions in another way.
        record.exc_text = None

    def last(self, count: int | None = None, target: str = "") -> tuple[tuple[str, str], ...]:
        """Level and line of the last `count`, or of all, the latest first; with the lines of Rust
        modules whose names begin with `target`."""
        lines = list(self._lines)
        if target:
            native = _core.process_logs(target)
            lines += [(when, *formatted(when, level, text)) for when, level, text in native]
            lines.sort(key=lambda line: line[0])
        latest = tuple(line[1:] for line in reversed(lines))
        return latest if count is None else latest[: max(count, 0)]


def formatted(seconds: float, level: str, text: str) -> tuple[str, str]:
    """Level and line of what Rust code logged, in the form of Python's lines."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    name, _, message = text.partition(" - ")
    return level, f"{when},{int(seconds % 1 * 1000):03d} - {name} - {level} - {message}"


_keeper: LogKeeper | None = None
_lock = threading.Lock()


def keeper() -> LogKeeper:
    """The keeper of this process, made when it is first asked for."""
    global _keeper
    with _lock:
        if _keeper is None:
            _keeper = LogKeeper()
            _keeper.watch()
        return _keeper
