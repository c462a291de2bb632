"""Arguments of functions over blocks that are not there yet: delayed values, futures, collections."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rask import _core
from rask.base import is_rask_collection

__all__ = ["LastAsKeywords", "is_pending", "split_keywords"]


def is_pending(value: Any) -> bool:
    """Whether a value has to be computed, or waited for, before a function can be called with it."""
    return is_rask_collection(value) or isinstance(value, _core.Future)


def split_keywords(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keyword arguments that are there, and those that are not there yet."""
    pending = {name: value for name, value in kwargs.items() if is_pending(value)}
    return {name: value for name, value in kwargs.items() if name not in pending}, pending


class LastAsKeywords:
    """A function whose last arguments are keyword arguments of another.

    Parameters
    ----------
    function : callable
    names : tuple of str
        Of the last arguments.
    """

    def __init__(self, function: Callable[..., Any], names: tuple[str, ...]) -> None:
        self.function = function
        self.names = names
        functools.update_wrapper(self, function)

    def __reduce__(self) -> tuple[Any, ...]:
        return LastAsKeywords, (self.function, self.names)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        count = len(args) - len(self.names)
        named = dict(zip(self.names, args[count:], strict=True))
        return self.function(*args[:count], **named, **kwargs)
