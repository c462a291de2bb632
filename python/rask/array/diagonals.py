"""Diagonals and triangles of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from rask.array.core import Array
from rask.array.creation import arange, asanyarray, tri
from rask.array.joining import checked_axis
from rask.array.manipulation import moveaxis
from rask.array.ufunc import choose_where

__all__ = [
    "diag",
    "diagonal",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
]


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """A diagonal along two axes, which it replaces by one at the end.

    Parameters
    ----------
    a : array-like
    offset : int
        Above the main diagonal if positive.
    axis1, axis2 : int
    """
    lazy = asanyarray(a)
    if lazy.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = checked_axis(axis1, lazy.ndim), checked_axis(axis2, lazy.ndim)
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    lazy = moveaxis(lazy, (first, second), (-2, -1))
    rows, columns = lazy.shape[-2:]
    start_row, start_column = max(0, -offset), max(0, offset)
    count = max(0, min(rows - start_row, columns - start_column))
    if not count:
        return lazy[..., 0:0, 0]
    places = (
        np.arange(start_row, start_row + count),
        np.arange(start_column, start_column + count),
    )
    picked = lazy.vindex[(*(slice(None),) * (lazy.ndim - 2), *places)]
    return moveaxis(picked, 0, -1)


def diag(v: Any, k: int = 0) -> Array:
    """A matrix with ``v`` on a diagonal, or a diagonal of the matrix ``v``."""
    from rask.array.padding import pad

    lazy = asanyarray(v)
    if lazy.ndim == 2:
        return diagonal(lazy, k)
    if lazy.ndim != 1:
        raise ValueError("Array must be 1d or 2d only")
    size = lazy.shape[0]
    places = arange(size, chunks=lazy.chunks)
    square = choose_where(places[:, None] == places[None, :], lazy[:, None], lazy.dtype.type(0))
    square = square.astype(lazy.dtype)
    if not k:
        return square
    below, right = max(0, -k), max(0, k)
    return pad(square, ((below, right), (right, below)), mode="constant", constant_values=0)


def _triangle(m: Any, k: int, lower: bool) -> Array:
    lazy = asanyarray(m)
    if lazy.ndim < 2:
        raise ValueError("input must have at least two dimensions")
    mask = tri(*lazy.shape[-2:], k=k, dtype=bool, chunks=lazy.chunks[-2:])
    zero = lazy.dtype.type(0)
    kept = choose_where(mask, lazy, zero) if lower else choose_where(mask, zero, lazy)
    return kept.astype(lazy.dtype)


def tril(m: Any, k: int = 0) -> Array:
    """The array with its elements above a diagonal replaced by zeros."""
    return _triangle(m, k, lower=True)


def triu(m: Any, k: int = 0) -> Array:
    """The array with its elements below a diagonal replaced by zeros."""
    return _triangle(m, k - 1, lower=False)


def tril_indices(n: int, k: int = 0, m: int | None = None, chunks: Any = "auto") -> tuple:
    """Positions of the elements at and below a diagonal."""
    from rask.array.searching import nonzero

    return nonzero(tri(n, m, k=k, dtype=bool, chunks=chunks))


def tril_indices_from(arr: Any, k: int = 0) -> tuple:
    """Positions of the elements at and below a diagonal of an array."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return tril_indices(arr.shape[-2], k=k, m=arr.shape[-1], chunks=arr.chunks)


def triu_indices(n: int, k: int = 0, m: int | None = None, chunks: Any = "auto") -> tuple:
    """Positions of the elements at and above a diagonal."""
    from rask.array.searching import nonzero

    return nonzero(~tri(n, m, k=k - 1, dtype=bool, chunks=chunks))


def triu_indices_from(arr: Any, k: int = 0) -> tuple:
    """Positions of the elements at and above a diagonal of an array."""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return triu_indices(arr.shape[-2], k=k, m=arr.shape[-1], chunks=arr.chunks)
