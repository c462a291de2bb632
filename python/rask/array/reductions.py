"""Reductions: native kernels where there are some, else functions of blocks put together in a tree."""

from __future__ import annotations

import builtins
import functools
import math
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
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "max",
    "mean",
    "median",
    "min",
    "moment",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "prod",
    "ptp",
    "reduction",
    "std",
    "sum",
    "trace",
    "var",
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
        from rask.array.blocks import blockwise
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


def _native(
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
    lazy, axes, native = _native(x, name, axis, keepdims, dtype, 0, split_every)
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
    lazy, axes, native = _native(lazy, name, axis, keepdims, None, 0, split)
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


def _mean_dtype(dtype: np.dtype) -> np.dtype:
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
    lazy, axes, native = _native(a, name, axis, keepdims, dtype, 0, split)
    if native is not None:
        return handle_out(out, native)
    to = np.dtype(dtype) if dtype is not None else _mean_dtype(lazy.dtype)
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
    lazy, axes, native = _native(a, name, axis, keepdims, dtype, ddof, split)
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
    to = np.dtype(dtype) if dtype is not None else _mean_dtype(lazy.dtype)
    if order < 2:
        from rask.array.creation import ones_like

        reduced = sum(lazy, axes, to, keepdims, split_every)
        exact = ones_like(reduced, dtype=to)
        return handle_out(out, exact if order == 0 else exact * 0)
    distance = lazy.astype(to) - mean(lazy, axes, to, True, split_every)
    total = sum(distance**order, axes, to, keepdims, split_every)
    return handle_out(out, total / (_count(lazy, axes, keepdims, False) - ddof))


def _position(name: str, a: Any, axis: Any, keepdims: bool, split: Any, out: Any) -> Array:
    lazy = asanyarray(a)
    if (axis is None and lazy.ndim > 1) or (axis is None and not lazy.ndim):
        flat = _position(name, lazy.reshape((-1,)), 0, False, split, None)
        return handle_out(out, flat.reshape((1,) * lazy.ndim) if keepdims else flat)
    at = 0 if axis is None else checked_axis(axis, lazy.ndim)
    if lazy.shape[at] == 0:
        raise ValueError(f"attempt to get {name} of an empty sequence")
    lazy, _, native = _native(lazy, name, at, keepdims, None, 0, split)
    if native is not None:
        return handle_out(out, native)
    return handle_out(
        out, along_axis(getattr(np, name), lazy, at, keepdims, np.dtype(np.intp), name)
    )


def along_axis(
    function: Callable, lazy: Array, axis: int, keepdims: bool, dtype: np.dtype, name: str
) -> Array:
    """A function that needs the whole axis at once: the axis is put into one block first."""
    from rask.array.blocks import map_blocks

    whole = lazy.rechunk({axis: -1}) if lazy.numblocks[axis] > 1 else lazy
    chunks = list(whole.chunks)
    if keepdims:
        chunks[axis] = (1,)
    else:
        del chunks[axis]
    options = {"axis": axis, "keepdims": True} if keepdims else {"axis": axis}
    return map_blocks(
        functools.partial(function, **options),
        whole,
        dtype=dtype,
        chunks=tuple(chunks),
        drop_axis=None if keepdims else axis,
        token=name,
    )


def argmin(
    a: Any,
    axis: int | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Position of the first smallest element along an axis, or of the flattened array."""
    return _position("argmin", a, axis, keepdims, split_every, out)


def argmax(
    a: Any,
    axis: int | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Position of the first largest element along an axis, or of the flattened array."""
    return _position("argmax", a, axis, keepdims, split_every, out)


def nanargmin(
    a: Any,
    axis: int | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Position of the first smallest element that is not nan."""
    return _position("nanargmin", a, axis, keepdims, split_every, out)


def nanargmax(
    a: Any,
    axis: int | None = None,
    keepdims: bool = False,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """Position of the first largest element that is not nan."""
    return _position("nanargmax", a, axis, keepdims, split_every, out)


def ptp(a: Any, axis: Any = None) -> Array:
    """Range of the elements over axes: the largest less the smallest."""
    return max(a, axis) - min(a, axis)


def _middle(name: str, a: Any, axis: Any, keepdims: bool, out: Any) -> Array:
    lazy = asanyarray(a)
    if axis is None:
        raise NotImplementedError(
            f"{name} over the whole array needs it in one block; name the axes: {name}(x, axis=0)"
        )
    axes = reduced_axes(axis, lazy.ndim)
    from rask.array.blocks import map_blocks

    whole = lazy.rechunk({at: -1 for at in axes})
    chunks = tuple(
        (1,) if at in axes else lengths
        for at, lengths in enumerate(whole.chunks)
        if keepdims or at not in axes
    )
    result = map_blocks(
        getattr(np, name),
        whole,
        axis=axes,
        keepdims=keepdims,
        dtype=_mean_dtype(lazy.dtype),
        chunks=chunks,
        drop_axis=None if keepdims else list(axes),
        token=name,
    )
    return handle_out(out, result)


def median(a: Any, axis: Any = None, keepdims: bool = False, out: Any = None) -> Array:
    """Median over axes, which are put into one block; the whole array's is refused."""
    return _middle("median", a, axis, keepdims, out)


def nanmedian(a: Any, axis: Any = None, keepdims: bool = False, out: Any = None) -> Array:
    """Median of the elements that are not nan over axes, which are put into one block."""
    return _middle("nanmedian", a, axis, keepdims, out)


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


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None
) -> Array:
    """Sum along a diagonal of two axes."""
    from rask.array.diagonals import diagonal

    return sum(diagonal(a, offset, axis1, axis2), -1, dtype)
