"""Reductions: native kernels where there are some, else functions of blocks put together in a tree."""

from __future__ import annotations

import builtins
import functools
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.elementwise import handle_out
from rask.array.joining import checked_axis
from rask.array.manipulation import checked_axes

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "all",
    "any",
    "max",
    "min",
    "nanmax",
    "nanmin",
    "nanprod",
    "nansum",
    "prod",
    "ptp",
    "reduction",
    "sum",
    "trace",
]


def reduced_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes a reduction goes over, counted from the front; all of them when none is given."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(
        sorted(checked_axes(tuple(axis) if isinstance(axis, (tuple, list)) else axis, ndim))
    )


def split_limits(split_every: Any, axes: tuple[int, ...], ndim: int) -> Any:
    """How many blocks along each axis are put together at a time: an int, a dict, or ``None``."""
    if split_every is None or split_every is False:
        return None if split_every is None else 2**31 - 1
    if isinstance(split_every, dict):
        return {checked_axis(axis, ndim): int(count) for axis, count in split_every.items()}
    if int(split_every) < 2:
        raise ValueError("split_every must be greater than or equal to 2")
    return int(split_every)


def reduction(
    x: Any,
    chunk: Callable,
    aggregate: Callable,
    axis: Any = None,
    keepdims: bool = False,
    dtype: DTypeLike | None = None,
    split_every: Any = None,
    combine: Callable | None = None,
    name: str | None = None,
    out: Array | None = None,
    concatenate: bool = True,
    output_size: int = 1,
    meta: Any = None,
    weights: Any = None,
) -> Array:
    """A reduction made of functions of blocks.

    Parameters
    ----------
    x : array-like
    chunk : callable
        ``chunk(block, axis, keepdims=True)`` reduces one block.
    aggregate : callable
        ``aggregate(parts, axis, keepdims)`` makes the result of what is left.
    axis : int or sequence of int, optional
        Axes to reduce; all if not given.
    keepdims : bool
        Whether reduced axes stay with length one.
    dtype : dtype
        Type of the result's elements.
    split_every : int or dict, optional
        How many parts are put together at a time.
    combine : callable, optional
        ``combine(parts, axis, keepdims=True)`` puts parts together; ``aggregate`` if not given.
    name : str, optional
        Label of the layers.
    out : Array, optional
        Array that becomes the result.
    concatenate : bool
        Whether parts come concatenated; as nested lists otherwise.
    output_size : int
        Length of the reduced axis if ``keepdims``.
    meta : array-like, optional
        Empty block of the result's type.
    weights : array-like, optional
        Passed to ``chunk`` as ``weights``, block by block.

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> x = da.arange(8, chunks=3)
    >>> int(da.reduction(x, np.sum, np.sum, dtype=x.dtype))
    28
    """
    lazy = asanyarray(x)
    axes = reduced_axes(axis, lazy.ndim)
    label = name or getattr(chunk, "__name__", None) or "reduction"
    if weights is not None:
        from rask.array.blockwise_calls import blockwise
        from rask.array.manipulation import broadcast_to

        ind = tuple(range(lazy.ndim))
        spread = broadcast_to(asanyarray(weights), lazy.shape)
        lazy = blockwise(
            _WeightedChunk(chunk, axes),
            ind,
            lazy,
            ind,
            spread,
            ind,
            dtype=object,
            token=label,
            adjust_chunks={axis: 1 for axis in axes},
            meta=None,
        )
        chunk = _as_it_is
    to = np.dtype(dtype) if dtype is not None else lazy.dtype
    expr = lazy._expr.reduce_opaque(
        chunk,
        combine or aggregate,
        aggregate,
        axes,
        keepdims,
        to,
        label,
        None if meta is None or type(meta) is np.ndarray else meta,
        split_limits(split_every, axes, lazy.ndim),
        concatenate,
        output_size,
    )
    return handle_out(out, Array(expr))


class _WeightedChunk:
    def __init__(self, chunk: Callable, axes: tuple[int, ...]) -> None:
        self.chunk, self.axes = chunk, axes

    def __call__(self, block: Any, weights: Any) -> Any:
        return self.chunk(block, axis=self.axes, keepdims=True, weights=weights)


def _as_it_is(block: Any, axis: Any = None, keepdims: bool = True) -> Any:
    return block


def _check_not_empty(lazy: Array, axes: tuple[int, ...], name: str) -> None:
    if builtins.any(lazy.shape[axis] == 0 for axis in axes):
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")


def native_reduction(
    x: Any,
    name: str,
    axis: Any,
    keepdims: bool,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    split_every: Any = None,
) -> tuple[Array, tuple[int, ...], Array | None]:
    lazy = asanyarray(x)
    axes = reduced_axes(axis, lazy.ndim)
    to = None if dtype is None else np.dtype(dtype)
    limits = split_limits(split_every, axes, lazy.ndim)
    expr = lazy._expr.reduce(name, axes, bool(keepdims), to, ddof, limits)
    return lazy, axes, None if expr is None else Array(expr)


def _simple(
    x: Any, name: str, axis: Any, dtype: Any, keepdims: bool, split_every: Any, out: Any
) -> Array:
    """A reduction that NumPy's function of the same name puts together from its own results."""
    lazy, axes, native = native_reduction(x, name, axis, keepdims, dtype, 0, split_every)
    if native is not None:
        return handle_out(out, native)
    function = getattr(np, name)
    onward = getattr(np, name.removeprefix("nan"))
    to = dtype
    if to is None:
        to = getattr(function(np.ones((1,), dtype=lazy.dtype)), "dtype", object)
    typed = dtype is not None and name.removeprefix("nan") in ("sum", "prod")
    return reduction(
        lazy,
        functools.partial(function, dtype=dtype) if typed else function,
        onward,
        axis=axes,
        keepdims=keepdims,
        dtype=to,
        split_every=split_every,
        name=name,
        out=out,
        meta=lazy._meta,
    )


def sum(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Sum of the elements over axes.

    Parameters
    ----------
    a : array-like
    axis : int or tuple of int, optional
        Axes to sum over; all if not given.
    dtype : dtype, optional
        Type to sum in; as NumPy chooses otherwise.
    keepdims : bool
        Whether summed axes stay with length one.
    split_every : int or dict, optional
        How many partial sums are put together at a time.
    out : Array, optional
        Array that becomes the result.

    Examples
    --------
    >>> import rask.array as da
    >>> da.ones((2, 3)).sum(axis=1).compute()
    array([3., 3.])
    """
    return _simple(a, "sum", axis, dtype, keepdims, split_every, out)


def prod(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Product of the elements over axes. Parameters as of ``sum``."""
    return _simple(a, "prod", axis, dtype, keepdims, split_every, out)


def min(
    a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Array:
    """Smallest element over axes. Parameters as of ``sum``."""
    lazy = asanyarray(a)
    _check_not_empty(lazy, reduced_axes(axis, lazy.ndim), "minimum")
    return _simple(lazy, "min", axis, None, keepdims, split_every, out)


def max(
    a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Array:
    """Largest element over axes. Parameters as of ``sum``."""
    lazy = asanyarray(a)
    _check_not_empty(lazy, reduced_axes(axis, lazy.ndim), "maximum")
    return _simple(lazy, "max", axis, None, keepdims, split_every, out)


def any(
    a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Array:
    """Whether any element over axes is true. Parameters as of ``sum``."""
    return _simple(a, "any", axis, None, keepdims, split_every, out)


def all(
    a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Array:
    """Whether all elements over axes are true. Parameters as of ``sum``."""
    return _simple(a, "all", axis, None, keepdims, split_every, out)


def nansum(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Sum of the elements that are not nan. Parameters as of ``sum``."""
    return _simple(a, "nansum", axis, dtype, keepdims, split_every, out)


def nanprod(
    a: Any,
    axis: Any = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Product of the elements that are not nan. Parameters as of ``sum``."""
    return _simple(a, "nanprod", axis, dtype, keepdims, split_every, out)


def nanmin(
    a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Array:
    """Smallest element that is not nan. Parameters as of ``sum``."""
    lazy = asanyarray(a)
    _check_not_empty(lazy, reduced_axes(axis, lazy.ndim), "fmin")
    return _simple_nan_extreme(lazy, "nanmin", np.fmin, axis, keepdims, split_every, out)


def nanmax(
    a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Array:
    """Largest element that is not nan. Parameters as of ``sum``."""
    lazy = asanyarray(a)
    _check_not_empty(lazy, reduced_axes(axis, lazy.ndim), "fmax")
    return _simple_nan_extreme(lazy, "nanmax", np.fmax, axis, keepdims, split_every, out)


def _simple_nan_extreme(
    lazy: Array, name: str, function: np.ufunc, axis: Any, keepdims: bool, split: Any, out: Any
) -> Array:
    lazy, axes, native = native_reduction(lazy, name, axis, keepdims, None, 0, split)
    if native is not None:
        return handle_out(out, native)
    return reduction(
        lazy,
        function.reduce,
        function.reduce,
        axis=axes,
        keepdims=keepdims,
        dtype=lazy.dtype,
        split_every=split,
        name=name,
        out=out,
        meta=lazy._meta,
    )


def ptp(a: Any, axis: Any = None) -> Array:
    """Range of the elements over axes: the largest less the smallest."""
    return max(a, axis) - min(a, axis)


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None
) -> Array:
    """Sum along a diagonal of two axes."""
    from rask.array.diagonals import diagonal

    return sum(diagonal(a, offset, axis1, axis2), -1, dtype)


def __getattr__(name: str) -> Any:
    # Dask's module of this name has these as well.
    for module in ("moments", "positions", "cumulative", "quantiles"):
        found = importlib.import_module(f"rask.array.{module}")
        if name in found.__all__:
            return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
