"""Where the least and the greatest elements are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.elementwise import handle_out
from rask.array.joining import checked_axis

if TYPE_CHECKING:
    pass
from rask.array.reductions import native_reduction

__all__ = ["argmax", "argmin", "nanargmax", "nanargmin"]


def _position(name: str, a: Any, axis: Any, keepdims: bool, split: Any, out: Any) -> Array:
    lazy = asanyarray(a)
    if (axis is None and lazy.ndim > 1) or (axis is None and not lazy.ndim):
        flat = _position(name, lazy.reshape((-1,)), 0, False, split, None)
        return handle_out(out, flat.reshape((1,) * lazy.ndim) if keepdims else flat)
    at = 0 if axis is None else checked_axis(axis, lazy.ndim)
    if lazy.shape[at] == 0:
        raise ValueError(f"attempt to get {name} of an empty sequence")
    lazy, _, native = native_reduction(lazy, name, at, keepdims, None, 0, split)
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
