"""How long a run of a task may take, and when one that raised is run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask._annotations import TIMES
from rask.distributed._utils import parse_seconds

__all__ = ["take_timing", "with_timing"]


def take_timing(
    function: Callable[..., Any] | None = None, kwargs: dict[str, Any] | None = None
) -> dict[str, float]:
    """Seconds by name, of ``task_timeout``, ``retry_delay`` and ``retry_delay_max``.

    Those of a call are taken out of `kwargs`, unless the function has parameters of these names;
    what is not given comes from the annotations in force.
    """
    from rask.base import get_annotations

    annotations = get_annotations()
    if function is None and annotations.get("executor", "default") != "default":
        raise NotImplementedError(
            "executor=… is for client.submit and client.map: tasks of collections run on the "
            "workers' own threads"
        )
    timing: dict[str, float] = {}
    for name in TIMES:
        given = _take(name, function, kwargs)
        if given is None:
            given = annotations.get(name)
        if given is not None:
            _put(timing, name, given)
    return timing


def _put(timing: dict[str, Any], name: str, given: Any) -> None:
    seconds = parse_seconds(given)
    if seconds is None:
        return
    if seconds < 0:
        raise ValueError(f"{name} must not be negative, not {given!r}")
    timing[name] = seconds


def _take(name: str, function: Callable[..., Any] | None, kwargs: dict[str, Any] | None) -> Any:
    if not kwargs or name not in kwargs:
        return None
    if function is not None:
        from rask.distributed._calls import takes_argument

        if takes_argument(function, name):
            return None
    return kwargs.pop(name)


def with_timing(options: dict[str, Any] | None, timing: dict[str, float]) -> dict[str, Any] | None:
    """Options of a submission with times. Those of retries are the configuration's
    (``distributed.client.retry-delay`` and ``retry-delay-max``) where none are given."""
    if options and options.get("retries"):
        from rask import config

        timing = dict(timing)
        for name in ("retry_delay", "retry_delay_max"):
            if name not in timing:
                _put(timing, name, config.get(f"distributed.client.{name.replace('_', '-')}", None))
    return {**(options or {}), **timing} if timing else options
