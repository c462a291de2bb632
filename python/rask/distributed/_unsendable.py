"""Which part of a call it is that cannot be sent to workers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from rask import _core
from rask.distributed._arguments import extract
from rask.distributed._submission import function_name

__all__ = ["name_unsendable"]


def name_unsendable(
    error: TypeError, function: Callable[..., Any], arguments: Iterable[tuple[str, Any]]
) -> None:
    """Raise an error that names what cannot be pickled, if that was the reason of `error`.

    Parameters
    ----------
    error : TypeError
        Raised while the call was pickled as a whole.
    function : callable
    arguments : iterable of tuple
        What each is, in words, and its value.

    Raises
    ------
    TypeError
    """
    if not str(error).startswith("cannot serialise"):
        return
    name = function_name(function)
    reason = _why_not(function)
    if reason is not None:
        raise TypeError(
            f"the function {name}{_culprit(function)} cannot be sent to the workers: {reason}"
        ) from error
    for what, value in arguments:
        reason = _why_not(value)
        if reason is not None:
            raise TypeError(
                f"{what} of {name} cannot be sent to the workers: {reason}. Make such objects in the "
                "function itself, on the worker"
            ) from error


def _why_not(value: Any) -> str | None:
    try:
        _core.Payload(extract(value, []))
    except TypeError as error:
        return str(error)
    return None


def _culprit(function: Callable[..., Any]) -> str:
    """The variable that a function uses and that cannot be pickled, in words."""
    try:
        used = inspect.getclosurevars(inspect.unwrap(function))
    except (TypeError, ValueError):
        return ""
    for variable, value in (*used.nonlocals.items(), *used.globals.items()):
        if not inspect.ismodule(value) and _why_not(value) is not None:
            return f", which uses the variable {variable!r},"
    return ""
