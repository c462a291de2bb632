"""Small names of Dask's interface that belong to no other module."""

from __future__ import annotations

from typing import Any

import numpy as np

from rask.array.core import Array

__all__ = [
    "PerformanceWarning",
    "array_expr_enabled",
    "assert_eq",
    "optimize",
    "register_chunk_type",
]


class PerformanceWarning(Warning):
    """A warning about blocks that make an operation slow."""


#: Types that may be blocks of an array besides NumPy's.
_CHUNK_TYPES: list[type] = [np.ndarray, np.ma.MaskedArray]


def register_chunk_type(kind: type) -> None:
    """Says that objects of a type may be blocks.

    Rask takes every type that has NumPy's protocols; the function is there for programs written for
    Dask.
    """
    if kind not in _CHUNK_TYPES:
        _CHUNK_TYPES.append(kind)


def array_expr_enabled() -> bool:
    """Whether arrays are expressions: always."""
    return True


def optimize(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """A graph of Dask's form as it is: Rask optimizes expressions when it lowers them."""
    return dsk


def assert_eq(
    a: Any, b: Any, check_shape: bool = True, equal_nan: bool = True, **kwargs: Any
) -> bool:
    """Asserts that two arrays have equal shapes, types and elements, computing lazy ones.

    Raises
    ------
    AssertionError
        When they differ.
    """
    for lazy in (a, b):
        if isinstance(lazy, Array):
            _check_blocks(lazy)
    left = a.compute() if isinstance(a, Array) else a
    right = b.compute() if isinstance(b, Array) else b
    if kwargs.get("check_dtype", True):
        kinds = getattr(a, "dtype", None), getattr(b, "dtype", None)
        assert kinds[0] == kinds[1] or None in kinds, f"types differ: {kinds[0]} and {kinds[1]}"
    if check_shape:
        assert np.shape(left) == np.shape(right), (
            f"shapes differ: {np.shape(left)} and {np.shape(right)}"
        )
    left, right = np.asarray(left), np.asarray(right)
    if left.dtype.kind in "fc" or right.dtype.kind in "fc":
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-8, equal_nan=equal_nan)
    else:
        np.testing.assert_array_equal(left, right)
    return True


def _check_blocks(lazy: Array) -> None:
    """The blocks have the lengths and the type that the array says."""
    computed = lazy.compute()
    assert np.asarray(computed).dtype == lazy.dtype, (np.asarray(computed).dtype, lazy.dtype)
    for length, actual in zip(lazy.shape, np.shape(computed), strict=True):
        assert length != length or length == actual, (lazy.shape, np.shape(computed))
