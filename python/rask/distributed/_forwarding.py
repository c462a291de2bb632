"""Log records of workers, handled by clients."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from rask.distributed.plugins import WorkerPlugin

__all__ = ["ForwardLogging", "handle_record"]

#: Loggers whose records come from sending records.
_OWN = ("rask.distributed.worker",)


class ForwardLogging(WorkerPlugin):
    """Sends the records of a worker's logger to those who follow a topic.

    Parameters
    ----------
    logger_name : str or None
        None: the root logger.
    level : int or str
        Records of this level and above.
    topic : str
    """

    def __init__(self, logger_name: str | None, level: int | str, topic: str) -> None:
        self.logger_name = logger_name
        self.level = level
        self.topic = topic
        self._handler: logging.Handler | None = None

    def setup(self, worker: Any) -> None:
        """Begin to forward."""
        self._handler = _Forwarder(worker, self.topic, self.level)
        logging.getLogger(self.logger_name).addHandler(self._handler)

    def teardown(self, worker: Any) -> None:
        """Forward no longer."""
        if self._handler is not None:
            logging.getLogger(self.logger_name).removeHandler(self._handler)
            self._handler = None


class _Forwarder(logging.Handler):
    def __init__(self, worker: Any, topic: str, level: int | str) -> None:
        super().__init__(level)
        self._worker = worker
        self._topic = topic

    def emit(self, record: logging.LogRecord) -> None:
        if record.name in _OWN and record.levelno < logging.WARNING:
            return
        try:
            self._worker.log_event(self._topic, _describe(record, self._worker.address))
        except Exception:
            self.handleError(record)


def _describe(record: logging.LogRecord, address: str) -> dict[str, Any]:
    """The record as attributes that every client can read: its message and traceback as text."""
    described = dict(record.__dict__)
    described["msg"] = record.getMessage()
    described["args"] = None
    described["worker"] = address
    if record.exc_info:
        if not record.exc_text:
            described["exc_text"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        described["exc_info"] = None
    plain = (str, int, float, bool, type(None))
    return {
        name: value if isinstance(value, plain) else repr(value)
        for name, value in described.items()
    }


def handle_record(event: tuple[float, Any]) -> None:
    """Have the logger of the same name handle a record of a worker."""
    record = logging.makeLogRecord(event[1])
    logging.getLogger(record.name).handle(record)
