"""Averages and correlations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.joining import checked_axis, concatenate
from rask.array.manipulation import broadcast_to
from rask.array.moments import mean
from rask.array.products import dot
from rask.array.reductions import sum as sum_over

__all__ = ["allclose", "average", "corrcoef", "cov", "result_type"]


def result_type(*args: Any) -> np.dtype:
    """The type NumPy's promotion gives for arrays, scalars and types together."""
    return np.result_type(*[a.dtype if isinstance(a, Array) else a for a in args])


def allclose(
    arr1: Any, arr2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether two arrays agree everywhere within tolerances."""
    from rask.array.ufunc import isclose

    return isclose(arr1, arr2, rtol=rtol, atol=atol, equal_nan=equal_nan).all()


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """Weighted average over axes; see ``numpy.average``.

    Parameters
    ----------
    a : array-like
    axis : int or tuple of int, optional
    weights : array-like, optional
        Of the array's shape, or a vector along ``axis``.
    returned : bool
        Whether to return the sum of the weights as well.
    keepdims : bool
    """
    lazy = asanyarray(a)
    if weights is None:
        result = mean(lazy, axis, keepdims=keepdims)
        count = lazy.size / result.size
        scale = broadcast_to(asanyarray(result.dtype.type(count)), result.shape)
        return (result, scale) if returned else result
    heavy = asanyarray(weights)
    if lazy.shape != heavy.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        if heavy.ndim != 1:
            raise TypeError("1D weights expected when shapes of a and weights differ.")
        at = checked_axis(axis, lazy.ndim)
        if heavy.shape[0] != lazy.shape[at]:
            raise ValueError("Length of weights not compatible with specified axis.")
        heavy = heavy[(slice(None), *(None,) * (lazy.ndim - at - 1))]
        heavy = broadcast_to(heavy, lazy.shape)
    kind = np.result_type(lazy.dtype, heavy.dtype, np.float64) if lazy.dtype.kind in "iub" else None
    dtype = kind or np.result_type(lazy.dtype, heavy.dtype)
    scale = sum_over(heavy, axis, dtype, keepdims)
    result = sum_over(lazy * heavy, axis, dtype, keepdims) / scale
    return (result, broadcast_to(scale, result.shape)) if returned else result


def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None
) -> Array:
    """Covariance matrix of variables in rows; see ``numpy.cov``."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    lazy = asanyarray(m)
    if lazy.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    lazy = lazy.astype(np.result_type(lazy.dtype, float))
    lazy = lazy[None, :] if lazy.ndim == 1 else lazy if rowvar or lazy.shape[0] == 1 else lazy.T
    if y is not None:
        other = asanyarray(y)
        other = other[None, :] if other.ndim == 1 else other if rowvar else other.T
        lazy = concatenate([lazy, other.astype(lazy.dtype)], axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    factor = lazy.shape[1] - ddof
    if factor <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        factor = 0.0
    centered = lazy - lazy.mean(axis=1, keepdims=True)
    return (dot(centered, centered.T.conj()) / factor).squeeze()


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Array:
    """Correlation coefficients of variables in rows; see ``numpy.corrcoef``."""
    from rask.array.diagonals import diagonal
    from rask.array.ufunc import sqrt

    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    deviations = sqrt(diagonal(c).real)
    return c / deviations[:, None] / deviations[None, :]
