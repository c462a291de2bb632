"""Means, variances and other moments."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.elementwise import handle_out

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
from rask.array.reductions import nansum, native_reduction, reduced_axes, sum

__all__ = ["mean", "moment", "nanmean", "nanstd", "nanvar", "std", "var"]


def mean_dtype(dtype: np.dtype) -> np.dtype:
    if dtype.kind == "O":
        return dtype
    return np.mean(np.ones((1,), dtype=dtype)).dtype


def _count(lazy: Array, axes: tuple[int, ...], keepdims: bool, skip_nan: bool) -> Any:
    """How many elements there are over the axes; those that are not nan when asked."""
    if skip_nan and lazy.dtype.kind in "fcO":
        from rask.array.ufunc import isnull

        return sum(~isnull(lazy), axes, np.int64, keepdims)
    lengths = [lazy.shape[axis] for axis in axes]
    if builtins.any(length != length for length in lengths):
        return sum(ones_of(lazy), axes, np.int64, keepdims)
    return math.prod(lengths)


def ones_of(lazy: Array) -> Array:
    """Ones in the blocks of an array whose lengths may be unknown."""
    from rask.array.blocks import map_blocks

    return map_blocks(np.ones_like, lazy, dtype=np.int64)


def _average(
    name: str, a: Any, axis: Any, dtype: Any, keepdims: bool, split: Any, out: Any
) -> Array:
    lazy, axes, native = native_reduction(a, name, axis, keepdims, dtype, 0, split)
    if native is not None:
        return handle_out(out, native)
    to = np.dtype(dtype) if dtype is not None else mean_dtype(lazy.dtype)
    total = (nansum if name == "nanmean" else sum)(
        lazy, axes, None if to.kind == "O" else to, keepdims, split
    )
    mean = total / _count(lazy, axes, keepdims, name == "nanmean")
    return handle_out(out, mean.astype(to))


def mean(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Arithmetic mean over axes. Parameters as of ``sum``."""
    return _average("mean", a, axis, dtype, keepdims, split_every, out)


def nanmean(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Arithmetic mean of the elements that are not nan. Parameters as of ``sum``."""
    return _average("nanmean", a, axis, dtype, keepdims, split_every, out)


def _spread(
    name: str, a: Any, axis: Any, dtype: Any, keepdims: bool, ddof: float, split: Any, out: Any
) -> Array:
    """Variance: by the native kernel, else in two passes, the mean first."""
    lazy, axes, native = native_reduction(a, name, axis, keepdims, dtype, ddof, split)
    if native is not None:
        return handle_out(out, native)
    from rask.array.ufunc import absolute, sqrt

    skip = name.startswith("nan")
    center = (nanmean if skip else mean)(lazy, axes, dtype, True, split)
    distance = lazy - center
    squares = absolute(distance) ** 2 if lazy.dtype.kind == "c" else distance * distance
    total = (nansum if skip else sum)(squares, axes, None, keepdims, split)
    result = total / (_count(lazy, axes, keepdims, skip) - ddof)
    if name.endswith("std"):
        result = sqrt(result)
    return handle_out(out, result if dtype is None else result.astype(dtype))


def var(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    ddof: float = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Variance over axes, divided by ``n - ddof``. Other parameters as of ``sum``."""
    return _spread("var", a, axis, dtype, keepdims, ddof, split_every, out)


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    ddof: float = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Variance of the elements that are not nan. Parameters as of ``var``."""
    return _spread("nanvar", a, axis, dtype, keepdims, ddof, split_every, out)


def std(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    ddof: float = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Standard deviation over axes. Parameters as of ``var``."""
    return _spread("std", a, axis, dtype, keepdims, ddof, split_every, out)


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    ddof: float = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Standard deviation of the elements that are not nan. Parameters as of ``var``."""
    return _spread("nanstd", a, axis, dtype, keepdims, ddof, split_every, out)


def moment(
    a: Any,
    order: int,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    ddof: float = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Central moment of an order over axes: the mean of ``(x - mean) ** order``, in two passes.

    Parameters
    ----------
    a : array-like
    order : int
        Not negative; order 0 is 1, order 1 is 0.
    axis, dtype, keepdims, ddof, split_every, out
        As of ``var``.
    """
    if not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError("Order must be an integer >= 0")
    lazy = asanyarray(a)
    axes = reduced_axes(axis, lazy.ndim)
    to = np.dtype(dtype) if dtype is not None else mean_dtype(lazy.dtype)
    if order < 2:
        from rask.array.creation import ones_like

        reduced = sum(lazy, axes, to, keepdims, split_every)
        exact = ones_like(reduced, dtype=to)
        return handle_out(out, exact if order == 0 else exact * 0)
    distance = lazy.astype(to) - mean(lazy, axes, to, True, split_every)
    total = sum(distance**order, axes, to, keepdims, split_every)
    return handle_out(out, total / (_count(lazy, axes, keepdims, False) - ddof))
