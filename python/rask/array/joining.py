"""Arrays put together: ``concatenate``, ``stack``, ``block`` and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rask import _core
from rask.array.core import Array
from rask.array.creation import asanyarray

__all__ = [
    "append",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "concatenate",
    "dstack",
    "hstack",
    "stack",
    "vstack",
]


def checked_axis(axis: int, ndim: int) -> int:
    """An axis counted from the front.

    Raises
    ------
    numpy.exceptions.AxisError
        When the array has no such axis.
    """
    if not isinstance(axis, (int, np.integer)):
        raise TypeError(f"{type(axis).__name__!r} object cannot be interpreted as an integer")
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return int(axis) % ndim


def concatenate(
    seq: Sequence[Any], axis: int | None = 0, allow_unknown_chunksizes: bool = False
) -> Array:
    """Arrays one after the other along an axis they have.

    Parameters
    ----------
    seq : sequence of array-like
    axis : int or None
        ``None`` flattens the arrays first.
    allow_unknown_chunksizes : bool
        Whether to trust that blocks of unknown lengths fit.

    Raises
    ------
    ValueError
        When lengths along other axes differ.

    Examples
    --------
    >>> import rask.array as da
    >>> da.concatenate([da.zeros(2), da.ones(1)]).compute()
    array([0., 0., 1.])
    """
    arrays = [asanyarray(part) for part in seq]
    if not arrays:
        raise ValueError("Need array(s) to concatenate")
    if axis is None:
        arrays, axis = [array.reshape((-1,)) for array in arrays], 0
    ndim = arrays[0].ndim
    if any(array.ndim != ndim for array in arrays):
        raise ValueError(
            "all the input array dimensions must match, but the arrays have "
            f"{[array.ndim for array in arrays]} dimensions"
        )
    if not ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    axis = checked_axis(axis, ndim)
    for number, array in enumerate(arrays):
        for other in range(ndim):
            first, length = arrays[0].shape[other], array.shape[other]
            if other != axis and first == first and length == length and first != length:
                raise ValueError(
                    "all the input array dimensions except for the concatenation axis must match "
                    f"exactly, but along dimension {other}, the array at index 0 has size {first} "
                    f"and the array at index {number} has size {length}"
                )
    if not allow_unknown_chunksizes:
        _refuse_unknown(arrays, axis)
    arrays = [array for array in arrays if array.shape[axis] != 0] or arrays[:1]
    if len(arrays) == 1:
        return arrays[0].astype(np.result_type(*[asanyarray(part).dtype for part in seq]))
    dtype = np.result_type(*[asanyarray(part).dtype for part in seq])
    exprs = [array.astype(dtype)._expr for array in arrays]
    return Array(_core.ArrayExpr.concatenate(exprs, axis))


def _refuse_unknown(arrays: list[Array], axis: int) -> None:
    if len(arrays) < 2:
        return
    for array in arrays:
        for other, length in enumerate(array.shape):
            if other != axis and length != length:
                raise ValueError(
                    "Tried to concatenate arrays with unknown shape "
                    f"{array.shape}. To force concatenation pass allow_unknown_chunksizes=True."
                )


def stack(seq: Sequence[Any], axis: int = 0, allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays of the same shape one after the other along a new axis.

    Parameters
    ----------
    seq : sequence of array-like
    axis : int
        Where the new axis is.
    allow_unknown_chunksizes : bool
        Whether to trust that blocks of unknown lengths fit.

    Examples
    --------
    >>> import rask.array as da
    >>> da.stack([da.zeros(2), da.ones(2)], axis=1).compute()
    array([[0., 1.],
           [0., 1.]])
    """
    arrays = [asanyarray(part) for part in seq]
    if not arrays:
        raise ValueError("Need array(s) to stack")
    shapes = {tuple(-1 if n != n else n for n in array.shape) for array in arrays}
    if len(shapes) > 1:
        raise ValueError(
            "Stacked arrays must have the same shape. The arrays have shapes "
            f"{[array.shape for array in arrays]}"
        )
    axis = checked_axis(axis, arrays[0].ndim + 1)
    dtype = np.result_type(*[array.dtype for array in arrays])
    exprs = [array.astype(dtype)._expr for array in arrays]
    return Array(_core.ArrayExpr.stack(exprs, axis))


def atleast_1d(*arys: Any) -> Any:
    """Arrays with at least one axis."""
    return _at_least(arys, lambda x: x[None] if not x.ndim else x)


def atleast_2d(*arys: Any) -> Any:
    """Arrays with at least two axes."""
    return _at_least(arys, lambda x: x[(None,) * (2 - x.ndim) + (...,)] if x.ndim < 2 else x)


def atleast_3d(*arys: Any) -> Any:
    """Arrays with at least three axes."""

    def widen(x: Array) -> Array:
        if x.ndim == 0:
            return x[None, None, None]
        if x.ndim == 1:
            return x[None, :, None]
        return x[:, :, None] if x.ndim == 2 else x

    return _at_least(arys, widen)


def _at_least(arys: tuple, widen: Any) -> Any:
    widened = [widen(asanyarray(array)) for array in arys]
    return widened[0] if len(widened) == 1 else widened


def _all_at_least(arys: Any, function: Any) -> list[Array]:
    if isinstance(arys, Array):
        raise TypeError("``*args`` is a sequence of arrays, not one array")
    result = function(*arys)
    return result if isinstance(result, list) else [result]


def vstack(tup: Sequence[Any], allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays below each other; vectors are rows."""
    return concatenate(_all_at_least(tup, atleast_2d), 0, allow_unknown_chunksizes)


def hstack(tup: Sequence[Any], allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays beside each other."""
    arrays = _all_at_least(tup, atleast_1d)
    return concatenate(arrays, 0 if arrays[0].ndim == 1 else 1, allow_unknown_chunksizes)


def dstack(tup: Sequence[Any], allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays behind each other, along the third axis."""
    return concatenate(_all_at_least(tup, atleast_3d), 2, allow_unknown_chunksizes)


def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    """Values after an array; both are flattened when no axis is given."""
    return concatenate([asanyarray(arr), asanyarray(values)], axis)


def block(arrays: Any, allow_unknown_chunksizes: bool = False) -> Array:
    """An array of nested lists of blocks; see ``numpy.block``."""

    def depth(part: Any) -> int:
        if isinstance(part, tuple):
            raise TypeError("block takes lists, not tuples")
        if isinstance(part, list):
            if not part:
                raise ValueError("block: an empty list has no blocks")
            depths = {depth(inner) for inner in part}
            if len(depths) > 1:
                raise ValueError("block: lists are nested to different depths")
            return 1 + depths.pop()
        return 0

    levels = depth(arrays)

    def widest(part: Any) -> int:
        return max(map(widest, part)) if isinstance(part, list) else asanyarray(part).ndim

    ndim = max(levels, widest(arrays))

    def join(part: Any, level: int) -> Array:
        if not isinstance(part, list):
            lazy = asanyarray(part)
            return lazy[(None,) * (ndim - lazy.ndim) + (...,)]
        joined = [join(inner, level + 1) for inner in part]
        return concatenate(joined, ndim - levels + level, allow_unknown_chunksizes)

    return join(arrays, 0)
