"""Functions made of functions and keys."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

__all__ = ["Then", "as_function"]


class Then:
    """One function after another; picklable."""

    def __init__(self, first: Callable, second: Callable) -> None:
        self.first = first
        self.second = second

    def __call__(self, value: Any) -> Any:
        return self.second(self.first(value))


class _Getter:
    """An item's element as a function of the item."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def __call__(self, item: Any) -> Any:
        return operator.getitem(item, self.key)


def as_function(key: Any) -> Callable:
    """A key that is no function stands for an element of each item."""
    return key if callable(key) else _Getter(key)
