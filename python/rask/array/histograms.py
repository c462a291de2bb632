"""Counts of elements by value."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from rask.array.blockwise_calls import blockwise
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.joining import stack
from rask.array.reductions import sum as sum_over

__all__ = ["bincount", "histogram", "histogram2d", "histogramdd"]


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
