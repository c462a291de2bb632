"""Averages, histograms, correlations, differences and quantiles."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.blocks import blockwise, map_blocks
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.joining import checked_axis, concatenate, stack
from rask.array.manipulation import broadcast_to
from rask.array.products import dot
from rask.array.reductions import mean, reduced_axes
from rask.array.reductions import sum as sum_over

__all__ = [
    "allclose",
    "apply_along_axis",
    "apply_over_axes",
    "average",
    "bincount",
    "coarsen",
    "corrcoef",
    "cov",
    "diff",
    "ediff1d",
    "gradient",
    "histogram",
    "histogram2d",
    "histogramdd",
    "nanpercentile",
    "nanquantile",
    "percentile",
    "quantile",
    "result_type",
]


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


def bincount(x: Any, weights: Any = None, minlength: int = 0, split_every: Any = None) -> Array:
    """How often each number occurs in a vector of non-negative integers; see ``numpy.bincount``.

    Parameters
    ----------
    x : array-like
    weights : array-like, optional
    minlength : int
        Without one, the length of the result is not known before computing.
    """
    lazy = asanyarray(x)
    if lazy.ndim != 1:
        raise ValueError("Input array must be one dimensional. Try using x.ravel()")
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    dtype = np.bincount([1], weights=None if weights is None else [1]).dtype
    pairs: list[Any] = [lazy, "i"]
    if weights is not None:
        heavy = asanyarray(weights)
        if heavy.chunks != lazy.chunks:
            heavy = heavy.rechunk(lazy.chunks)
        pairs += [heavy, "i"]
    length = minlength or np.nan
    return blockwise(
        _bincount_blocks,
        "j",
        *pairs,
        minlength=minlength,
        new_axes={"j": length},
        dtype=dtype,
        concatenate=True,
        token="bincount",
    )


def _bincount_blocks(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    return np.bincount(x, weights=weights, minlength=minlength)


def _bin_edges(bins: Any, range: Any) -> np.ndarray:
    if isinstance(bins, Array):
        bins = bins.compute()
    if isinstance(range, Array) or (
        range is not None and any(isinstance(limit, Array) for limit in range)
    ):
        range = [float(limit) for limit in range]
    if np.ndim(bins):
        edges = np.asarray(bins)
        if np.any(edges[1:] < edges[:-1]):
            raise ValueError("`bins` must increase monotonically, when an array")
        return edges
    if isinstance(bins, str):
        raise NotImplementedError(
            "histogram chooses no bins by name; give edges or a number and a range"
        )
    if range is None:
        raise ValueError(
            "histogram requires either specifying bins as an iterable or specifying both a range and "
            "the number of bins"
        )
    if len(range) != 2:
        raise ValueError("range must be a sequence or array of length 2")
    return np.histogram_bin_edges([], int(bins), range=range)


def histogram(
    a: Any,
    bins: Any = None,
    range: Any = None,
    normed: bool = False,
    weights: Any = None,
    density: bool = False,
) -> tuple[Array, Any]:
    """How many elements fall into each bin.

    Parameters
    ----------
    a : array-like
    bins : int or array-like
        Number of bins, with ``range``, or their edges.
    range : pair of float, optional
    weights : array-like, optional
    density : bool
        Whether to divide by the number of elements and the widths.

    Returns
    -------
    counts : Array
    edges : numpy.ndarray
    """
    if normed:
        raise ValueError("the normed= keyword argument is gone; use density=")
    edges = _bin_edges(bins, range)
    lazy = asanyarray(a).reshape((-1,))
    pairs: list[Any] = [lazy, "i"]
    if weights is not None:
        heavy = asanyarray(weights).reshape((-1,))
        if heavy.shape != lazy.shape:
            raise ValueError("Input array and weights must have the same shape")
        pairs += [heavy.rechunk(lazy.chunks), "i"]
    dtype = np.histogram([], weights=None if weights is None else np.empty(0, pairs[2].dtype))[
        0
    ].dtype
    parts = blockwise(
        _histogram_block,
        "ij",
        *pairs,
        edges=edges,
        new_axes={"j": len(edges) - 1},
        adjust_chunks={"i": 1},
        dtype=dtype,
        token="histogram",
    )
    counts = sum_over(parts, 0)
    if density:
        return counts / np.diff(edges) / counts.sum(), edges
    return counts, edges


def _histogram_block(block: Any, weights: Any = None, edges: Any = None) -> Any:
    return np.histogram(block, bins=edges, weights=weights)[0][None]


def histogramdd(
    sample: Any,
    bins: Any,
    range: Any = None,
    normed: Any = None,
    weights: Any = None,
    density: bool | None = None,
) -> tuple[Array, list]:
    """How many points fall into each cell of a grid; see ``numpy.histogramdd``.

    Parameters
    ----------
    sample : Array of shape (points, dimensions), or sequence of vectors
    bins : int or sequence
        Number of bins or edges, for all or for each dimension.
    range : sequence of pairs, optional
        Needed where ``bins`` gives numbers.
    weights : array-like, optional
    density : bool
    """
    if isinstance(sample, (tuple, list)):
        sample = stack([asanyarray(part) for part in sample], axis=1)
    points = asanyarray(sample)
    if points.ndim != 2:
        raise ValueError("sample is an array of shape (points, dimensions)")
    dimensions = points.shape[1]
    if isinstance(bins, (int, np.integer)):
        bins = (bins,) * dimensions
    if len(bins) != dimensions:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample.")
    ranges = [None] * dimensions if range is None else range
    edges = [_bin_edges(b, r) for b, r in zip(bins, ranges, strict=True)]
    points = points.rechunk({1: -1})
    pairs: list[Any] = [points, "ij"]
    if weights is not None:
        pairs += [asanyarray(weights).rechunk((points.chunks[0],)), "i"]
    axes = (
        tuple("abcdefgh"[:dimensions])
        if dimensions <= 8
        else tuple(map(str, np.arange(dimensions)))
    )
    dtype = np.dtype(float if weights is None else asanyarray(weights).dtype)
    parts = blockwise(
        _histogramdd_block,
        ("i", *axes),
        *pairs,
        edges=edges,
        concatenate=True,
        new_axes={axis: len(edge) - 1 for axis, edge in zip(axes, edges, strict=True)},
        adjust_chunks={"i": 1},
        dtype=dtype,
        token="histogramdd",
    )
    counts = sum_over(parts, 0)
    if density:
        volume = functools.reduce(np.multiply.outer, [np.diff(edge) for edge in edges])
        return counts / volume / counts.sum(), edges
    return counts, edges


def _histogramdd_block(points: Any, weights: Any = None, edges: Any = None) -> Any:
    return np.histogramdd(points, bins=edges, weights=weights)[0][None]


def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    normed: Any = None,
    weights: Any = None,
    density: bool | None = None,
) -> tuple[Array, Any, Any]:
    """How many points of a plane fall into each cell; see ``numpy.histogram2d``."""
    single = isinstance(bins, (int, np.integer)) or (len(bins) > 2 and not np.ndim(bins[0]))
    counts, edges = histogramdd(
        (x, y), (bins, bins) if single else bins, range=range, weights=weights, density=density
    )
    return counts, edges[0], edges[1]


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


def _sides(lazy: Array, axis: int, *extras: Any) -> Array:
    before, after = extras
    parts = [lazy]
    for place, extra in ((0, before), (1, after)):
        if extra is None:
            continue
        part = asanyarray(extra)
        if not part.ndim:
            shape = tuple(1 if at == axis else n for at, n in enumerate(lazy.shape))
            part = broadcast_to(part, shape)
        parts.insert(0 if not place else len(parts), part)
    return concatenate(parts, axis=axis) if len(parts) > 1 else lazy


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """Differences of neighbours along an axis, ``n`` times; see ``numpy.diff``."""
    lazy = asanyarray(a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return lazy
    axis = checked_axis(axis, lazy.ndim)
    lazy = _sides(lazy, axis, prepend, append)
    ahead, behind = (
        (*(slice(None),) * axis, slice(1, None)),
        (*(slice(None),) * axis, slice(None, -1)),
    )
    for _ in range(n):
        lazy = lazy[ahead] != lazy[behind] if lazy.dtype == bool else lazy[ahead] - lazy[behind]
    return lazy


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """Differences of neighbours of the flattened array, with more at both ends."""
    flat = asanyarray(ary).ravel()
    steps = flat[1:] - flat[:-1]
    parts = [
        steps if extra is None else asanyarray(extra).ravel().astype(steps.dtype)
        for extra in (to_begin, steps, to_end)
        if extra is not None
    ]
    return concatenate(parts)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes along axes by differences; see ``numpy.gradient``.

    Parameters
    ----------
    f : array-like
    *varargs : float or array
        Spacing for all axes, or for each; or coordinates along each.
    axis : int or tuple of int, optional
    edge_order : {1, 2}
    """
    lazy = asanyarray(f)
    axes = reduced_axes(axis, lazy.ndim)
    if axis is not None and isinstance(axis, (tuple, list)):
        axes = tuple(checked_axis(at, lazy.ndim) for at in axis)
    spacings: list[Any] = list(varargs) or [1.0]
    if len(spacings) == 1:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("Spacing must either be a single scalar, or a scalar / 1d-array per axis")
    if lazy.dtype.kind not in "fcmM":
        lazy = lazy.astype(float)
    results = []
    for at, spacing in zip(axes, spacings, strict=True):
        if lazy.shape[at] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least "
                "(edge_order + 1) elements are required."
            )
        results.append(_slope(lazy, at, spacing, edge_order))
    return results[0] if len(results) == 1 else results


def _slope(lazy: Array, axis: int, spacing: Any, edge_order: int) -> Array:
    def part(start: Any, stop: Any) -> Array:
        return lazy[(*(slice(None),) * axis, slice(start, stop))]

    if np.ndim(spacing):
        whole = lazy.rechunk({axis: -1})
        call = functools.partial(
            _gradient_block, spacing=np.asarray(spacing), axis=axis, order=edge_order
        )
        return map_blocks(call, whole, dtype=lazy.dtype, token="gradient")
    inner = (part(2, None) - part(None, -2)) / (2.0 * spacing)
    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / spacing
        last = (part(-1, None) - part(-2, -1)) / spacing
    else:
        first = (part(0, 1) * -1.5 + part(1, 2) * 2.0 + part(2, 3) * -0.5) / spacing
        last = (part(-3, -2) * 0.5 + part(-2, -1) * -2.0 + part(-1, None) * 1.5) / spacing
    return concatenate([first, inner, last], axis=axis).astype(lazy.dtype).rechunk(lazy.chunks)


def _gradient_block(block: Any, spacing: Any, axis: int, order: int) -> Any:
    return np.gradient(block, spacing, axis=axis, edge_order=order)  # pyright: ignore[reportArgumentType, reportCallIssue]


def coarsen(
    reduction: Callable, x: Any, axes: dict, trim_excess: bool = False, **kwargs: Any
) -> Array:
    """A reduction of every ``n`` neighbours along axes.

    Parameters
    ----------
    reduction : callable
        ``np.sum``, ``np.mean``, …: takes ``axis``.
    x : array-like
    axes : dict
        From axis to the number of neighbours.
    trim_excess : bool
        Whether to drop what is left over at the end of an axis.

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> da.coarsen(np.sum, da.arange(6), {0: 2}).compute()
    array([1, 5, 9])
    """
    lazy = asanyarray(x)
    counts = {checked_axis(axis, lazy.ndim): int(count) for axis, count in axes.items()}
    for axis, count in counts.items():
        if lazy.shape[axis] % count and not trim_excess:
            raise ValueError(
                f"Coarsening factors {counts} do not align with array shape {lazy.shape}; "
                "trim_excess=True drops the rest"
            )
    index = tuple(
        slice(0, length - length % counts.get(axis, 1)) for axis, length in enumerate(lazy.shape)
    )
    lazy = lazy[index]
    blocks = {
        axis: tuple(c for c in _whole_groups(lazy.chunks[axis], count) if c)
        for axis, count in counts.items()
    }
    lazy = lazy.rechunk(blocks) if lazy.size else lazy
    chunks = tuple(
        tuple(c // counts.get(axis, 1) for c in lengths) for axis, lengths in enumerate(lazy.chunks)
    )
    sample = reduction(np.ones((1,), dtype=lazy.dtype), axis=0, **kwargs)
    return map_blocks(
        _coarsen_block,
        lazy,
        reduction,
        counts,
        dtype=np.asarray(sample).dtype,
        chunks=chunks,
        token="coarsen",
        **kwargs,
    )


def _whole_groups(lengths: tuple[int, ...], count: int) -> list[int]:
    result, carried = [], 0
    for length in lengths:
        carried += length
        result.append(carried - carried % count)
        carried %= count
    return result


def _coarsen_block(block: Any, reduction: Callable, counts: dict, **kwargs: Any) -> Any:
    shape: list[int] = []
    axes = []
    for axis, length in enumerate(block.shape):
        count = counts.get(axis, 1)
        shape += [length // count, count]
        axes.append(2 * axis + 1)
    return reduction(block.reshape(shape), axis=tuple(axes), **kwargs)


def apply_along_axis(
    func1d: Callable,
    axis: int,
    arr: Any,
    *args: Any,
    dtype: Any = None,
    shape: Any = None,
    **kwargs: Any,
) -> Array:
    """A function of vectors called on every vector along an axis; see ``numpy.apply_along_axis``.

    Parameters
    ----------
    func1d : callable
    axis : int
    arr : array-like
    dtype, shape : optional
        Of the function's result; found by calling it on a vector of ones otherwise.
    """
    lazy = asanyarray(arr)
    axis = checked_axis(axis, lazy.ndim)
    if dtype is None or shape is None:
        sample = np.asarray(func1d(np.ones((1,), dtype=lazy.dtype), *args, **kwargs))
        dtype = dtype or sample.dtype
        shape = sample.shape if shape is None else shape
    whole = lazy.rechunk({axis: -1})
    before, after = whole.chunks[:axis], whole.chunks[axis + 1 :]
    return map_blocks(
        _along_axis_block,
        whole,
        func1d,
        axis,
        args,
        kwargs,
        dtype=dtype,
        chunks=(*before, *((length,) for length in shape), *after),
        drop_axis=axis,
        new_axis=list(range(axis, axis + len(shape))) or None,
        token="apply_along_axis",
    )


def _along_axis_block(block: Any, func1d: Callable, axis: int, args: tuple, kwargs: dict) -> Any:
    return np.apply_along_axis(func1d, axis, block, *args, **kwargs)


def apply_over_axes(func: Callable, a: Any, axes: Any) -> Array:
    """A function ``func(array, axis)`` called for one axis after the other."""
    lazy = asanyarray(a)
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        at = checked_axis(axis, lazy.ndim)
        result = func(lazy, at)
        if result.ndim == lazy.ndim - 1:
            result = result[(*(slice(None),) * at, None)]
        elif result.ndim != lazy.ndim:
            raise ValueError(
                "func must either preserve dimensionality of the input or reduce it by one."
            )
        lazy = result
    return lazy


def _quantile_of(
    name: str, a: Any, q: Any, axis: Any, method: str, keepdims: bool, out: Any, weights: Any = None
) -> Array:
    from rask.array.elementwise import handle_out

    if weights is not None:
        raise NotImplementedError(f"{name} with weights")
    lazy = asanyarray(a)
    wanted = np.asarray(q)
    top = 100 if "percentile" in name else 1
    if wanted.size and (wanted.min() < 0 or wanted.max() > top):
        raise ValueError(
            f"{'Percentiles' if top == 100 else 'Quantiles'} must be in the range [0, {top}]"
        )
    if axis is None and lazy.ndim > 1:
        lazy = lazy.reshape((-1,))
    axes = reduced_axes(axis, lazy.ndim)
    whole = lazy.rechunk({at: -1 for at in axes})
    kept = [
        (1,) if at in axes else lengths
        for at, lengths in enumerate(whole.chunks)
        if keepdims or at not in axes
    ]
    sample = getattr(np, name)(np.ones((1,), dtype=lazy.dtype), wanted, method=method)
    result = map_blocks(
        _quantile_block,
        whole,
        name,
        wanted,
        axes,
        method,
        keepdims,
        dtype=sample.dtype,
        chunks=(*((n,) for n in wanted.shape), *kept),
        drop_axis=None if keepdims else list(axes),
        new_axis=list(range(wanted.ndim)) or None,
        token=name,
    )
    return handle_out(out, result)


def _quantile_block(block: Any, name: str, q: Any, axes: tuple, method: str, keepdims: bool) -> Any:
    return getattr(np, name)(block, q, axis=axes, method=method, keepdims=keepdims)


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Array:
    """Quantiles over axes, which are put into one block; exact, see ``numpy.quantile``."""
    return _quantile_of("quantile", a, q, axis, interpolation or method, keepdims, out, weights)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Array:
    """Quantiles of the elements that are not nan. Parameters as of ``quantile``."""
    return _quantile_of("nanquantile", a, q, axis, interpolation or method, keepdims, out, weights)


def percentile(
    a: Any,
    q: Any,
    method: str = "linear",
    internal_method: str = "default",
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
    **kwargs: Any,
) -> Array:
    """Percentiles of a vector, or over axes; exact, where Dask approximates.

    Parameters
    ----------
    a : array-like
    q : float or sequence of float
        Between 0 and 100.
    method : str
        NumPy's methods.
    internal_method : str
        Accepted as in Dask; there is one, and it is exact.
    axis : int or tuple of int, optional
    """
    method = kwargs.pop("interpolation", method)
    if kwargs:
        raise TypeError(f"percentile() got an unexpected keyword argument {next(iter(kwargs))!r}")
    result = _quantile_of("percentile", a, q, axis, method, keepdims, out)
    return result


def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Array:
    """Percentiles of the elements that are not nan. Parameters as of ``quantile``."""
    return _quantile_of(
        "nanpercentile", a, q, axis, interpolation or method, keepdims, out, weights
    )
