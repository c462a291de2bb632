"""Functions of groups of neighbours and of whole axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.joining import checked_axis

__all__ = ["apply_along_axis", "apply_over_axes", "coarsen"]


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
