"""Running totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.elementwise import handle_out
from rask.array.joining import checked_axis

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["cumprod", "cumsum", "nancumprod", "nancumsum"]


def _running(name: str, x: Any, axis: Any, dtype: Any, out: Any) -> Array:
    lazy = asanyarray(x)
    if axis is None:
        if lazy.ndim > 1:
            lazy = lazy.reshape((-1,))
        axis = 0
    at = checked_axis(axis, lazy.ndim)
    to = None if dtype is None else np.dtype(dtype)
    expr = lazy._expr.cumulative(name, at, to)
    if expr is not None:
        return handle_out(out, Array(expr))
    from rask.array.blocks import map_blocks

    function = getattr(np, name)
    if to is None:
        to = function(np.ones((1,), dtype=lazy.dtype)).dtype
    whole = lazy.rechunk({at: -1})
    return handle_out(out, map_blocks(function, whole, axis=at, dtype=to, token=name))


def cumsum(
    x: Any, axis: Any = None, dtype: DTypeLike | None = None, out: Any = None, method: Any = None
) -> Array:
    """Running sums along an axis; of the flattened array when none is given.

    Parameters
    ----------
    x : array-like
    axis : int, optional
    dtype : dtype, optional
    out : Array, optional
        Array that becomes the result.
    method : {"sequential", "blelloch"}, optional
        Accepted as in Dask; there is one method.
    """
    return _running("cumsum", x, axis, dtype, out)


def cumprod(
    x: Any, axis: Any = None, dtype: DTypeLike | None = None, out: Any = None, method: Any = None
) -> Array:
    """Running products along an axis. Parameters as of ``cumsum``."""
    return _running("cumprod", x, axis, dtype, out)


def nancumsum(
    x: Any, axis: Any = None, dtype: DTypeLike | None = None, out: Any = None, *, method: Any = None
) -> Array:
    """Running sums, nan taken for zero. Parameters as of ``cumsum``."""
    return _running("nancumsum", x, axis, dtype, out)


def nancumprod(
    x: Any, axis: Any = None, dtype: DTypeLike | None = None, out: Any = None, *, method: Any = None
) -> Array:
    """Running products, nan taken for one. Parameters as of ``cumsum``."""
    return _running("nancumprod", x, axis, dtype, out)
