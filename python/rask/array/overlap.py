"""Functions of blocks that need some of their neighbours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.blockwise_calls import unified
from rask.array.core import Array
from rask.array.creation import asanyarray, filled
from rask.array.joining import checked_axis, concatenate

__all__ = [
    "boundaries",
    "coerce_boundary",
    "coerce_depth",
    "constant",
    "ensure_minimum_chunksize",
    "map_overlap",
    "nearest",
    "overlap",
    "overlap_internal",
    "periodic",
    "push",
    "reflect",
    "sliding_window_view",
    "trim_internal",
    "trim_overlap",
]


def coerce_depth(ndim: int, depth: Any) -> dict[int, Any]:
    """A depth for each axis of a number, a tuple or a dict; pairs are before and after."""
    if depth is None:
        depth = 0
    if isinstance(depth, (int, np.integer)):
        return dict.fromkeys(range(ndim), int(depth))
    if isinstance(depth, tuple):
        if len(depth) != ndim:
            raise ValueError(f"depth has {len(depth)} entries for an array of {ndim} axes")
        depth = dict(enumerate(depth))
    if not isinstance(depth, dict):
        raise TypeError(f"depth is an int, a tuple or a dict, not {type(depth).__name__}")
    result: dict[int, Any] = dict.fromkeys(range(ndim), 0)
    for axis, value in depth.items():
        result[checked_axis(axis, ndim)] = value if isinstance(value, tuple) else int(value)
    return result


def coerce_boundary(ndim: int, boundary: Any) -> dict[int, Any]:
    """A boundary for each axis of one of them, a tuple or a dict."""
    if isinstance(boundary, dict):
        result: dict[int, Any] = dict.fromkeys(range(ndim), "none")
        for axis, value in boundary.items():
            result[checked_axis(axis, ndim)] = "none" if value is None else value
        return result
    if isinstance(boundary, (tuple, list)):
        if len(boundary) != ndim:
            raise ValueError(f"boundary has {len(boundary)} entries for an array of {ndim} axes")
        return {axis: "none" if value is None else value for axis, value in enumerate(boundary)}
    return dict.fromkeys(range(ndim), "none" if boundary is None else boundary)


def _pairs(depth: dict[int, Any], ndim: int) -> list[tuple[int, int]]:
    pairs = []
    for axis in range(ndim):
        value = depth[axis]
        pair = (int(value[0]), int(value[1])) if isinstance(value, tuple) else (value, value)
        if min(pair) < 0:
            raise ValueError(f"depth along axis {axis} is negative: {value}")
        pairs.append(pair)
    return pairs


def _checked_boundaries(boundary: dict[int, Any], pairs: list) -> list:
    for axis, kind in boundary.items():
        if isinstance(kind, str) and kind not in ("none", "reflect", "periodic", "nearest"):
            raise ValueError(
                f"boundary {kind!r} along axis {axis}: there are 'reflect', 'periodic', 'nearest', "
                "'none' and constants"
            )
        if pairs[axis][0] != pairs[axis][1] and kind != "none":
            raise NotImplementedError(
                "Asymmetric overlap is currently only implemented for boundary_type 'none'"
            )
    return [boundary[axis] for axis in range(len(pairs))]


def ensure_minimum_chunksize(size: int, chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Block lengths of at least ``size``, made by merging neighbours and borrowing from them.

    Raises
    ------
    ValueError
        When all together are shorter than ``size``.
    """
    if not chunks or min(chunks) >= size:
        return chunks
    merged: list[int] = []
    carried = 0
    for length in chunks:
        carried += length
        if carried >= size:
            merged.append(carried)
            carried = 0
    if carried and merged:
        if size - carried <= merged[-1] - size:
            borrowed = size - carried
            merged[-1] -= borrowed
            merged.append(size)
        else:
            merged[-1] += carried
    elif not merged:
        raise ValueError(f"The overlapping depth {size} is larger than your array {sum(chunks)}.")
    return tuple(merged)


def _roomy(x: Array, pairs: list[tuple[int, int]], allow_rechunk: bool) -> Array:
    chunks = []
    for axis, (lengths, pair) in enumerate(zip(x.chunks, pairs, strict=True)):
        deepest = max(pair)
        if deepest > x.shape[axis]:
            raise ValueError(
                f"The overlapping depth {deepest} is larger than your array {x.shape[axis]}."
            )
        if deepest and min(lengths) < deepest and len(lengths) > 1:
            if not allow_rechunk:
                raise ValueError(
                    f"the overlapping depth {deepest} is larger than the smallest block along axis "
                    f"{axis}, {min(lengths)}; allow_rechunk=True merges blocks"
                )
            lengths = ensure_minimum_chunksize(deepest, lengths)
        chunks.append(lengths)
    return x.rechunk(tuple(chunks))


def overlap(x: Any, depth: Any, boundary: Any = None, *, allow_rechunk: bool = True) -> Array:
    """Every block extended by the elements of its neighbours.

    Parameters
    ----------
    x : array-like
    depth : int, tuple or dict
        How many elements along each axis; a pair for before and after.
    boundary : str, number, tuple or dict, optional
        What lies outside the array: ``"reflect"``, ``"periodic"``, ``"nearest"``, a constant, or
        ``"none"`` for nothing.
    allow_rechunk : bool
        Whether blocks smaller than the depth are merged; an error otherwise.

    Examples
    --------
    >>> import rask.array as da
    >>> x = da.arange(6, chunks=3)
    >>> da.overlap.overlap(x, depth=1, boundary="periodic").compute()
    array([5, 0, 1, 2, 3, 2, 3, 4, 5, 0])
    """
    lazy = asanyarray(x)
    pairs = _pairs(coerce_depth(lazy.ndim, depth), lazy.ndim)
    kinds = _checked_boundaries(coerce_boundary(lazy.ndim, boundary), pairs)
    lazy = _roomy(lazy, pairs, allow_rechunk)
    if not any(width for pair in pairs for width in pair):
        return lazy
    return Array(lazy._expr.overlap(pairs, kinds))


def overlap_internal(x: Array, axes: Any) -> Array:
    """Every block extended by the elements of its neighbours, with nothing outside the array."""
    return overlap(x, axes, "none")


def trim_internal(x: Array, axes: Any, boundary: Any = None) -> Array:
    """Every block without the elements that ``overlap`` added."""
    pairs = _pairs(coerce_depth(x.ndim, axes), x.ndim)
    kinds = coerce_boundary(x.ndim, boundary)
    if not any(width for pair in pairs for width in pair):
        return x
    return Array(x._expr.trim(pairs, [kinds[axis] for axis in range(x.ndim)]))


def trim_overlap(x: Array, depth: Any, boundary: Any = None) -> Array:
    """Every block without the elements that ``overlap`` added."""
    return trim_internal(x, depth, boundary)


def _widened(x: Array, axis: int, first: Any, last: Any) -> Array:
    return concatenate([first, x, last], axis=axis)


def _part(x: Array, axis: int, start: Any, stop: Any, step: Any = None) -> Array:
    return x[(*(slice(None),) * axis, slice(start, stop, step))]


def periodic(x: Array, axis: int, depth: int) -> Array:
    """The array with its end before its beginning and its beginning after its end."""
    return _widened(x, axis, _part(x, axis, -depth, None), _part(x, axis, 0, depth))


def reflect(x: Array, axis: int, depth: int) -> Array:
    """The array with its edges mirrored, the outermost element included."""
    left = _part(_part(x, axis, 0, depth), axis, None, None, -1)
    right = _part(_part(x, axis, -depth, None), axis, None, None, -1)
    return _widened(x, axis, left, right)


def nearest(x: Array, axis: int, depth: int) -> Array:
    """The array with its outermost elements repeated."""
    from rask.array.manipulation import repeat

    left, right = _part(x, axis, 0, 1), _part(x, axis, -1, None)
    return _widened(x, axis, repeat(left, depth, axis), repeat(right, depth, axis))


def constant(x: Array, axis: int, depth: int, value: Any) -> Array:
    """The array with a constant at both ends."""
    shape = tuple(depth if at == axis else n for at, n in enumerate(x.shape))
    chunks = tuple((depth,) if at == axis else c for at, c in enumerate(x.chunks))
    edge = filled(shape, value, x.dtype, chunks)
    return _widened(x, axis, edge, edge)


def boundaries(x: Array, depth: Any = None, kind: Any = None) -> Array:
    """The array with what lies outside it added at its edges."""
    depth, kind = coerce_depth(x.ndim, depth), coerce_boundary(x.ndim, kind)
    functions: dict[Any, Callable] = {"periodic": periodic, "reflect": reflect, "nearest": nearest}
    for axis in range(x.ndim):
        if not depth[axis] or kind[axis] == "none":
            continue
        if isinstance(kind[axis], str):
            x = functions[kind[axis]](x, axis, depth[axis])
        else:
            x = constant(x, axis, depth[axis], kind[axis])
    return x


def map_overlap(
    func: Callable,
    *args: Any,
    depth: Any = None,
    boundary: Any = None,
    trim: bool = True,
    align_arrays: bool = True,
    allow_rechunk: bool = True,
    **kwargs: Any,
) -> Array:
    """Calls a function on every block extended by its neighbours, and trims the result.

    Parameters
    ----------
    func : callable
        Takes an extended block of each array and returns a block, extended if ``trim``.
    *args : array-like
    depth : int, tuple, dict or list of these
        How many elements of the neighbours along each axis; a list has one for each array.
    boundary : str, number, tuple, dict or list of these, optional
        What lies outside: ``"reflect"``, ``"periodic"``, ``"nearest"``, a constant, or ``"none"``
        (the default).
    trim : bool
        Whether to trim ``depth`` elements from the blocks of the result.
    align_arrays : bool
        Whether several arrays are rechunked to common blocks.
    allow_rechunk : bool
        Whether blocks smaller than the depth are merged.
    **kwargs
        Of ``map_blocks``, and of ``func``.

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> x = da.arange(6, chunks=3)
    >>> def smooth(block):
    ...     return block + np.roll(block, 1) + np.roll(block, -1)
    >>> da.map_overlap(smooth, x, depth=1, boundary="periodic").compute()
    array([ 6,  3,  6,  9, 12,  9])
    """
    if isinstance(func, Array) and args and callable(args[0]):
        warnings.warn(
            "The use of map_overlap(array, func, **kwargs) is deprecated; use "
            "map_overlap(func, array, **kwargs).",
            FutureWarning,
            stacklevel=2,
        )
        func, args = args[0], (func, *args[1:])
    if not callable(func):
        raise TypeError(
            f"the first argument of map_overlap is a function, not {type(func).__name__}"
        )
    if not args:
        raise ValueError("map_overlap needs at least one array")
    arrays = [asanyarray(array) for array in args]
    width = max(array.ndim for array in arrays)
    if align_arrays and len(arrays) > 1:
        arrays = unified([(a, tuple(range(width - a.ndim, width))) for a in arrays])
    depths = [
        coerce_depth(a.ndim, d) for a, d in zip(arrays, _each(depth, len(arrays)), strict=True)
    ]
    kinds = [
        coerce_boundary(a.ndim, b)
        for a, b in zip(arrays, _each(boundary, len(arrays)), strict=True)
    ]
    if trim:
        for d, b in zip(depths, kinds, strict=True):
            for axis, value in d.items():
                if isinstance(value, tuple) and value[0] != value[1] and b[axis] != "none":
                    raise NotImplementedError(
                        "Asymmetric overlap is currently only implemented for boundary_type 'none'"
                    )
    extended = [
        overlap(a, d, b, allow_rechunk=allow_rechunk)
        for a, d, b in zip(arrays, depths, kinds, strict=True)
    ]
    result = map_blocks(func, *extended, **kwargs)
    if not trim:
        return result
    widest = max(range(len(arrays)), key=lambda at: arrays[at].ndim)
    dropped = kwargs.get("drop_axis")
    added = kwargs.get("new_axis")
    depth_of, kind_of = depths[widest], kinds[widest]
    if dropped is not None or added is not None:
        kept = [
            (depth_of[axis], kind_of[axis])
            for axis in range(width)
            if axis
            not in {
                a % width for a in np.atleast_1d([] if dropped is None else dropped).astype(int)
            }
        ]
        for axis in sorted(np.atleast_1d([] if added is None else added).astype(int)):
            kept.insert(axis, (0, "none"))
        depth_of = {axis: pair[0] for axis, pair in enumerate(kept)}
        kind_of = {axis: pair[1] for axis, pair in enumerate(kept)}
    return trim_internal(result, depth_of, kind_of)


def _each(value: Any, count: int) -> list:
    if isinstance(value, list):
        if len(value) != count:
            raise ValueError(f"a list of {len(value)} depths or boundaries for {count} arrays")
        return value
    return [value] * count


def push(array: Any, n: int | None, axis: int) -> Array:
    """Fills each nan with the last element before it that is not; at most ``n`` places away."""
    lazy = asanyarray(array)
    axis = checked_axis(axis, lazy.ndim)
    whole = lazy.rechunk({axis: -1})
    return map_blocks(_push_block, whole, n=n, axis=axis, dtype=lazy.dtype, token="push")


def _push_block(block: Any, n: int | None, axis: int) -> Any:
    places = np.arange(block.shape[axis]).reshape(
        [-1 if at == axis else 1 for at in range(block.ndim)]
    )
    known = np.where(np.isnan(block), -1, places)
    last = np.maximum.accumulate(known, axis=axis)
    filled_block = np.take_along_axis(block, np.maximum(last, 0), axis=axis)
    reachable = last >= 0
    if n is not None:
        reachable &= places - last <= n
    return np.where(reachable, filled_block, np.where(np.isnan(block), np.nan, block))


def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, automatic_rechunk: bool = True
) -> Array:
    """Windows of an array, as further axes at the end; see NumPy's function of that name.

    Parameters
    ----------
    x : array-like
    window_shape : int or tuple of int
    axis : int or tuple of int, optional
    automatic_rechunk : bool
        Accepted as in Dask.
    """
    lazy = asanyarray(x)
    windows = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    if any(window < 0 for window in windows):
        raise ValueError("`window_shape` cannot contain negative values")
    if axis is None:
        axes = tuple(range(lazy.ndim))
        if len(windows) != len(axes):
            raise ValueError(
                "Since axis is None, must provide window_shape for all dimensions of `x`; got "
                f"{len(windows)} window_shape elements and `x.ndim` is {lazy.ndim}."
            )
    else:
        given = axis if np.iterable(axis) else (axis,)
        axes = tuple(checked_axis(at, lazy.ndim) for at in given)
        if len(windows) != len(axes):
            raise ValueError(
                f"Must provide matching length window_shape and axis; got {len(windows)} "
                f"window_shape elements and {len(axes)} axes elements."
            )
    depths = [0] * lazy.ndim
    for at, window in zip(axes, windows, strict=True):
        depths[at] += max(window - 1, 0)
    if any(depth > n - 1 for depth, n in zip(depths, lazy.shape, strict=True) if depth):
        raise ValueError("window shape cannot be larger than input array shape")
    base = _roomy(lazy, [(0, depth + 1 if depth else 0) for depth in depths], True)
    extended = overlap(base, {at: (0, depth) for at, depth in enumerate(depths)}, "none")
    chunks = tuple(
        (*lengths[:-1], lengths[-1] - depth)
        for lengths, depth in zip(base.chunks, depths, strict=True)
    )
    return map_blocks(
        _window_block,
        extended,
        windows=windows,
        axes=axes,
        dtype=lazy.dtype,
        chunks=(*chunks, *((window,) for window in windows)),
        new_axis=list(range(lazy.ndim, lazy.ndim + len(axes))),
        token="sliding_window_view",
    )


def _window_block(block: Any, windows: tuple, axes: tuple) -> Any:
    return np.lib.stride_tricks.sliding_window_view(block, windows, axis=axes)
