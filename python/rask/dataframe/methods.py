"""Operators and reductions by name, added to the classes of collections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["operator_methods", "reductions"]


def operator_methods(cls: type) -> type:
    """Adds Python's operators and pandas' methods of the same meaning."""
    arithmetic = {
        "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
        "pow": "**", "and": "&", "or": "|", "xor": "^",
    }  # fmt: skip
    comparisons = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

    def forward(symbol: str, reflected: bool = False) -> Callable:
        def method(self: Any, other: Any) -> Any:
            return self._binary(symbol, other, reflected)

        return method

    def named(symbol: str, reflected: bool = False) -> Callable:
        def method(self: Any, other: Any, level=None, fill_value=None, axis=None) -> Any:
            if fill_value is not None:
                self = self.fillna(fill_value)
                other = other.fillna(fill_value) if hasattr(other, "_expr") else other
            return self._binary(symbol, other, reflected)

        return method

    for name, symbol in arithmetic.items():
        setattr(cls, f"__{name}__", forward(symbol))
        setattr(cls, f"__r{name}__", forward(symbol, True))
        if name not in ("and", "or", "xor"):
            setattr(cls, name, named(symbol))
            setattr(cls, f"r{name}", named(symbol, True))
    cls.div, cls.rdiv = cls.truediv, cls.rtruediv
    for name, symbol in comparisons.items():
        setattr(cls, f"__{name}__", forward(symbol))
        setattr(cls, name, named(symbol))
    return cls


def reductions(cls: type) -> type:
    """Adds the reductions that take the usual arguments."""

    def plain(name: str) -> Callable:
        def method(
            self: Any, axis: Any = 0, skipna: bool = True, numeric_only: bool = False,
            split_every: Any = False,
        ) -> Any:  # fmt: skip
            return self._reduce(name, skipna=skipna, numeric_only=numeric_only, axis=axis)

        method.__doc__ = f"``{name}`` of the values (of each column)."
        method.__name__ = name
        return method

    def counted(name: str) -> Callable:
        def method(
            self: Any, axis: Any = 0, skipna: bool = True, numeric_only: bool = False,
            min_count: int = 0, split_every: Any = False,
        ) -> Any:  # fmt: skip
            return self._reduce(
                name, skipna=skipna, numeric_only=numeric_only, min_count=min_count, axis=axis
            )

        method.__doc__ = f"``{name}`` of the values (of each column)."
        method.__name__ = name
        return method

    def spread(name: str) -> Callable:
        def method(
            self: Any, axis: Any = 0, skipna: bool = True, ddof: int = 1,
            numeric_only: bool = False, split_every: Any = False,
        ) -> Any:  # fmt: skip
            return self._reduce(name, ddof, skipna=skipna, numeric_only=numeric_only, axis=axis)

        method.__doc__ = f"``{name}`` of the values (of each column)."
        method.__name__ = name
        return method

    for name in ("mean", "min", "max", "any", "all", "skew", "kurt", "count", "median"):
        setattr(cls, name, plain(name))
    for name in ("sum", "prod"):
        setattr(cls, name, counted(name))
    for name in ("std", "var", "sem"):
        setattr(cls, name, spread(name))
    cls.product = cls.prod
    return cls
