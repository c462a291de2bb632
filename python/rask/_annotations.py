"""What annotations say of how tasks are run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["TIMES", "check_annotations", "has_functions", "options_of_key", "task_options"]

#: Annotations that are times.
TIMES = ("task_timeout", "retry_delay", "retry_delay_max")

_KINDS: dict[str, tuple[type, ...]] = {
    "priority": (int, float),
    "retries": (int,),
    "resources": (dict,),
    "workers": (str, int, list, tuple, set),
    "allow_other_workers": (bool,),
}


def check_annotations(annotations: Mapping[str, Any]) -> bool:
    """Whether any of these says how tasks are run.

    Raises
    ------
    TypeError, ValueError
        If what it says makes no sense.
    """
    from rask.distributed._utils import parse_seconds

    found = False
    for name, kinds in _KINDS.items():
        value = annotations.get(name)
        found |= value is not None
        if value is not None and not isinstance(value, kinds) and not callable(value):
            raise TypeError(f"{name!r} must be of type {kinds[0].__name__}, not {value!r}")
    for name in TIMES:
        value = annotations.get(name)
        found |= value is not None
        if not callable(value):
            seconds = parse_seconds(value)
            if seconds is not None and seconds < 0:
                raise ValueError(f"{name} must not be negative, not {value!r}")
    return found


def has_functions(annotations: Mapping[str, Any]) -> bool:
    """Whether any of what these say of tasks is a function of keys."""
    return any(callable(annotations.get(name)) for name in (*_KINDS, *TIMES))


def options_of_key(annotations: Mapping[str, Any], key: Any, place: str) -> dict[str, Any] | None:
    """As `task_options`, with functions called with a key.

    Raises
    ------
    RuntimeError
        With what a function raised as its cause, and the `place` where it was annotated.
    TypeError, ValueError
        If what one returns makes no sense.
    """
    called = dict(annotations)
    for name in (*_KINDS, *TIMES):
        value = annotations.get(name)
        if callable(value):
            try:
                called[name] = value(key)
            except Exception as error:
                raise RuntimeError(
                    f"the annotation {name!r} raised {type(error).__name__} for the key {key!r}: "
                    f"{error} (annotated at {place})"
                ) from error
    try:
        check_annotations(called)
        return task_options(called)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}, for the key {key!r} (annotated at {place})") from None


def task_options(annotations: Mapping[str, Any]) -> dict[str, Any] | None:
    """Annotations in the form of a submission's options; None if they say nothing of tasks.

    Raises
    ------
    NotImplementedError
        For functions of keys; see `options_of_key`.
    """
    from rask import config
    from rask.distributed._submission import worker_names
    from rask.distributed._utils import parse_seconds

    options: dict[str, Any] = {}
    for name in (*_KINDS, *TIMES):
        value = annotations.get(name)
        if value is None:
            continue
        if callable(value):
            raise NotImplementedError(
                f"the annotation {name!r} is a function of keys, which are not known before a call is "
                "submitted: say it of delayed calls and collections, or give the call a value"
            )
        options[name] = value
    if "priority" in options:
        options["priority"] = int(options["priority"])
    if "workers" in options:
        options["workers"] = worker_names(options["workers"])
    if "resources" in options:
        amounts = options["resources"].items()
        options["resources"] = {name: float(amount) for name, amount in amounts}
    for name in TIMES:
        value = options.get(name)
        if value is None and name != "task_timeout" and options.get("retries"):
            value = config.get(f"distributed.client.{name.replace('_', '-')}", None)
        seconds = parse_seconds(value)
        if seconds is not None:
            options[name] = seconds
    return options or None
