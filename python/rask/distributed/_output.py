"""Printing and warning from tasks, shown by the clients."""

from __future__ import annotations

import builtins
import pickle
import sys
import uuid
import warnings
from typing import Any, TextIO

from rask.distributed._context import find_worker

__all__ = ["on_print", "on_warn", "print", "warn"]

#: A client in the process that printed does not print again.
_PROCESS = uuid.uuid4().hex


def print(
    *args: Any,
    sep: str | None = " ",
    end: str | None = "\n",
    file: TextIO | None = None,
    flush: bool = False,
) -> None:
    """Print, and from tasks also at every client.

    Outside of tasks it does what the built-in function does.

    Parameters
    ----------
    *args
        Sent as text.
    sep, end : str
        Between them, and after them.
    file : ``sys.stdout`` or ``sys.stderr``, optional
    flush : bool

    Raises
    ------
    TypeError
        In tasks, for other files.

    Examples
    --------
    >>> from rask.distributed import print
    >>> print("seen by the user", 1)
    seen by the user 1
    """
    worker = find_worker()
    if worker is not None:
        message: dict[str, Any] = {
            "args": tuple(map(str, args)),
            "sep": sep,
            "end": end,
            "flush": flush,
            "process": _PROCESS,
        }
        if file is not None:
            message["file"] = _number_of(file)
        worker.log_event("print", message)
    builtins.print(*args, sep=sep, end=end, file=file, flush=flush)


def _number_of(file: Any) -> int:
    if file is sys.stdout:
        return 1
    if file is sys.stderr:
        return 2
    raise TypeError(f"tasks can print to sys.stdout and sys.stderr; got file={file!r}")


def warn(
    message: str | Warning,
    category: type[Warning] | None = UserWarning,
    stacklevel: int = 1,
    source: Any = None,
) -> None:
    """Warn, and from tasks also at every client.

    Outside of tasks it does what `warnings.warn` does. At clients `stacklevel` and `source` mean
    nothing.
    """
    worker = find_worker()
    if worker is not None:
        worker.log_event(
            "warn",
            {
                "message": pickle.dumps(message),
                "category": pickle.dumps(category),
                "process": _PROCESS,
            },
        )
    warnings.warn(message, category, stacklevel + 1, source)


def on_print(event: tuple[float, Any]) -> None:
    """Print what a task printed."""
    _, message = event
    if not isinstance(message, dict):
        # Somebody logged an event of this topic by hand.
        builtins.print(message)
        return
    if message.get("process") == _PROCESS:
        return
    args = message.get("args")
    if not isinstance(args, tuple):
        raise TypeError(f"a print event without a tuple of arguments: {args!r}")
    file = {None: None, 1: sys.stdout, 2: sys.stderr}[message.get("file")]
    builtins.print(
        *args,
        sep=message.get("sep"),
        end=message.get("end"),
        file=file,
        flush=bool(message.get("flush")),
    )


def on_warn(event: tuple[float, Any]) -> None:
    """Warn of what a task warned of."""
    _, message = event
    if not isinstance(message, dict):
        warnings.warn(message, stacklevel=1)
        return
    if message.get("process") == _PROCESS:
        return
    if "message" not in message:
        raise TypeError("a warn event without a message")
    category = pickle.loads(message["category"]) if "category" in message else None
    warnings.warn(pickle.loads(message["message"]), category=category, stacklevel=1)
