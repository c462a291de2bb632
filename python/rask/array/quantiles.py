"""Medians, quantiles and percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.elementwise import handle_out
from rask.array.reductions import reduced_axes

if TYPE_CHECKING:
    pass
from rask.array.moments import mean_dtype

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]


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
        dtype=mean_dtype(lazy.dtype),
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
