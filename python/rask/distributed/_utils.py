"""Durations and sizes as users write them."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import timedelta
from typing import Any

__all__ = [
    "cpu_count",
    "memory_bytes",
    "memory_limit_bytes",
    "parse_bytes",
    "parse_seconds",
    "seconds_left",
]

#: Between looks for signals while waiting.
_POLL_SECONDS = 0.25

_SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "days": 86400.0,
}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
}


def _split(text: str) -> tuple[float, str]:
    text = text.strip().replace(" ", "").lower()
    digits = len(text)
    while digits and not (text[digits - 1].isdigit() or text[digits - 1] == "."):
        digits -= 1
    number, unit = text[:digits], text[digits:]
    return float(number or 1), unit


def seconds_left(deadline: float | None) -> float:
    """How long to wait at a time, until a time by `time.monotonic` or for ever."""
    if deadline is None:
        return _POLL_SECONDS
    return max(0.0, min(_POLL_SECONDS, deadline - time.monotonic()))


def parse_seconds(value: Any) -> float | None:
    """Seconds from a number, ``"2s"``, ``"5 min"`` or a timedelta; None stays None."""
    if value is None or value == "" or value == "none":
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)):
        return float(value)
    number, unit = _split(str(value))
    if unit not in _SECONDS and unit != "":
        raise ValueError(f"{value!r} is not a duration; write 5, '5s', '300ms' or '2 min'")
    return number * _SECONDS.get(unit, 1.0)


def parse_bytes(value: Any) -> int:
    """Bytes from a number or ``"4 GiB"``."""
    if isinstance(value, (int, float)):
        return int(value)
    number, unit = _split(str(value))
    if unit not in _BYTES:
        raise ValueError(f"{value!r} is not a size; write 4000000, '4 MB' or '4 GiB'")
    return int(number * _BYTES[unit])


def cpu_count() -> int:
    """Processors that this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory of this machine, or of the control group if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as file:
                total = min(total, int(file.read()))
        except (OSError, ValueError):
            continue
    return total


def memory_limit_bytes(text: Any, nthreads: int) -> int:
    """Bytes of what users give for the memory limit of a worker; 0 is without limit.

    Parameters
    ----------
    text : str, int, float or None
        Bytes, a share of the machine's memory, text like ``"4GiB"``, or "auto": the threads' share.
    nthreads : int
        Threads of the worker.
    """
    if text is None or text == 0 or text == "0":
        return 0
    if text == "auto":
        return int(memory_bytes() * min(1.0, nthreads / cpu_count()))
    if isinstance(text, str):
        with contextlib.suppress(ValueError):
            text = float(text)
    if isinstance(text, float) and 0 < text <= 1:
        return int(memory_bytes() * text)
    return parse_bytes(text)
