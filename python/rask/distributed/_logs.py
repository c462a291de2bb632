"""What workers and nannies log, kept for those who ask."""

from __future__ import annotations

import logging
import threading
from collections import deque

__all__ = ["LogKeeper", "keeper"]

#: Lines kept a process.
LINES_MAX = 10_000
_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


class LogKeeper(logging.Handler):
    """Keeps the last lines that any logger of this process writes."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._lines: deque[tuple[str, str]] = deque(maxlen=LINES_MAX)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            self._lines.append((record.levelname, self.format(record)))
        except Exception:
            self.handleError(record)

    def last(self, count: int | None = None) -> list[tuple[str, str]]:
        """Level and line of the last `count`, or of all, the latest first."""
        lines = list(self._lines)[::-1]
        return lines if count is None else lines[:count]


_keeper: LogKeeper | None = None
_lock = threading.Lock()


def keeper() -> LogKeeper:
    """The keeper of this process, made and attached to the root logger when it is first asked for."""
    global _keeper
    with _lock:
        if _keeper is None:
            _keeper = LogKeeper()
            logging.getLogger().addHandler(_keeper)
        return _keeper
