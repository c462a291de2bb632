"""What workers and nannies log, kept for those who ask."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from rask import _core

__all__ = ["LogKeeper", "formatted", "keeper"]

#: Lines kept a process, unless ``distributed.admin.log-length`` says otherwise.
LINES_MAX = 10_000
_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


def lines_max() -> int:
    """How many lines a process keeps."""
    from rask import config

    return int(config.get("distributed.admin.log-length", LINES_MAX))


class LogKeeper(logging.Handler):
    """Keeps the last lines that any logger of this process writes."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        length = lines_max()
        _core.set_log_length(length)
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=length)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            self._lines.append((record.created, record.levelname, self.format(record)))
        except Exception:
            self.handleError(record)

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
    """The keeper of this process, made and attached to the root logger when it is first asked for."""
    global _keeper
    with _lock:
        if _keeper is None:
            _keeper = LogKeeper()
            logging.getLogger().addHandler(_keeper)
        return _keeper
