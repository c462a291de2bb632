"""The same elements in another shape or order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rask.array.chunks import normalize_chunks, product
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.joining import checked_axis, concatenate

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "delete",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "insert",
    "moveaxis",
    "ndim",
    "ravel",
    "repeat",
    "reshape",
    "reshape_blockwise",
    "roll",
    "rollaxis",
    "rot90",
    "shape",
    "shuffle",
    "squeeze",
    "swapaxes",
    "tile",
    "transpose",
]


def checked_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, each once."""
    given = axes if isinstance(axes, (tuple, list)) else (axes,)
    found = tuple(checked_axis(axis, ndim) for axis in given)
    if len(set(found)) != len(found):
        raise ValueError("repeated axis")
    return found


def shape(array: Any) -> tuple[int, ...]:
    """Lengths of the axes."""
    return asanyarray(array).shape


def ndim(array: Any) -> int:
    """Number of axes."""
    return asanyarray(array).ndim


def transpose(a: Any, axes: Sequence[int] | None = None) -> Array:
    """The array with its axes permuted; reversed when none are given."""
    lazy = asanyarray(a)
    if axes is None:
        order = tuple(reversed(range(lazy.ndim)))
    else:
        if len(axes) != lazy.ndim:
            raise ValueError("axes don't match array")
        order = checked_axes(tuple(axes), lazy.ndim)
    if order == tuple(range(lazy.ndim)):
        return lazy
    return Array(lazy._expr.transpose(order))


def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    """The array with two axes exchanged."""
    lazy = asanyarray(a)
    order = list(range(lazy.ndim))
    first, second = checked_axis(axis1, lazy.ndim), checked_axis(axis2, lazy.ndim)
    order[first], order[second] = second, first
    return transpose(lazy, order)


def moveaxis(a: Any, source: Any, destination: Any) -> Array:
    """The array with axes moved to other places."""
    lazy = asanyarray(a)
    sources, targets = checked_axes(source, lazy.ndim), checked_axes(destination, lazy.ndim)
    if len(sources) != len(targets):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [axis for axis in range(lazy.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return transpose(lazy, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Array:
    """The array with an axis moved before the one at ``start``."""
    lazy = asanyarray(a)
    axis = checked_axis(axis, lazy.ndim)
    if not -lazy.ndim <= start <= lazy.ndim:
        raise np.exceptions.AxisError(start, lazy.ndim + 1)
    start += lazy.ndim if start < 0 else 0
    return moveaxis(lazy, axis, start - 1 if axis < start else start)


def full_shape(lazy: Array, shape: Sequence[int]) -> tuple[int, ...]:
    """A shape with its ``-1`` worked out.

    Raises
    ------
    ValueError
        When the number of elements differs.
    """
    lengths = [int(length) if length == length else length for length in shape]
    if any(length < -1 for length in lengths) or lengths.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    if -1 in lengths:
        rest = product(length for length in lengths if length != -1)
        if lazy.size != lazy.size:
            lengths[lengths.index(-1)] = math.nan  # type: ignore[call-overload]
            return tuple(lengths)
        if not rest or lazy.size % rest:
            raise ValueError(f"cannot reshape array of size {lazy.size} into shape {tuple(shape)}")
        lengths[lengths.index(-1)] = lazy.size // rest
    if lazy.size == lazy.size and product(lengths) != lazy.size:
        raise ValueError(f"cannot reshape array of size {lazy.size} into shape {tuple(shape)}")
    return tuple(lengths)


def reshape(a: Any, shape: Any, merge_chunks: bool = True, limit: Any = None) -> Array:
    """The same elements in C order in another shape.

    Parameters
    ----------
    a : array-like
    shape : int or tuple of int
        One length may be ``-1``: whatever the number of elements leaves.
    merge_chunks : bool
        Whether blocks may be merged to make larger ones of the result.
    limit : int, optional
        Accepted as in Dask.

    Raises
    ------
    ValueError
        When the number of elements differs.

    Examples
    --------
    >>> import rask.array as da
    >>> da.arange(6, chunks=2).reshape(2, 3).compute()
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    lazy = asanyarray(a)
    given = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    lengths = full_shape(lazy, given)
    if lengths == lazy.shape:
        return lazy
    if any(length != length for length in (*lazy.shape, *lengths)):
        return _reshape_unknown(lazy, lengths)
    return Array(lazy._expr.reshape(lengths, merge_chunks))


def _reshape_unknown(lazy: Array, lengths: tuple) -> Array:
    """Reshapes blocks of unknown lengths: flattening, and leaving the first axis alone."""
    from rask.array.blocks import map_blocks

    if lazy.npartitions > 1 and not all(count == 1 for count in lazy.numblocks[1:]):
        raise ValueError(
            "an array of unknown shape can only be reshaped when it has blocks along its first axis "
            "alone; call compute_chunk_sizes() first"
        )
    inner = tuple(int(length) for length in lengths[1:])
    return map_blocks(
        _reshape_block,
        lazy,
        inner=inner,
        dtype=lazy.dtype,
        drop_axis=list(range(1, lazy.ndim)),
        new_axis=list(range(1, len(lengths))) or None,
        chunks=((math.nan,) * lazy.numblocks[0], *((length,) for length in inner)),
        token="reshape",
    )


def _reshape_block(block: Any, inner: tuple[int, ...]) -> Any:
    return block.reshape((-1, *inner))


def reshape_blockwise(x: Array, shape: Any, chunks: Any = None) -> Array:
    """Reshapes each block by itself: elements of different blocks do not follow C order.

    Parameters
    ----------
    x : Array
    shape : tuple of int
    chunks : tuple of tuples of int, optional
        Blocks of the result, needed when it has more axes than ``x``.
    """
    from rask.array.blocks import map_blocks

    lengths = full_shape(x, tuple(shape) if isinstance(shape, (tuple, list)) else (shape,))
    if len(lengths) > x.ndim:
        if chunks is None:
            raise TypeError("Need to specify chunks if expanding dimensions.")
    elif chunks is None:
        raise NotImplementedError("reshape_blockwise to fewer axes needs chunks")
    grid = tuple(len(axis) for axis in chunks)
    if int(np.prod(grid)) != x.npartitions:
        raise ValueError(f"chunks has {int(np.prod(grid))} blocks, the array has {x.npartitions}")
    flat = [
        map_blocks(
            np.reshape,
            block,
            tuple(chunks[a][i] for a, i in enumerate(place)),
            dtype=x.dtype,
            drop_axis=list(range(x.ndim)),
            new_axis=list(range(len(lengths))),
            chunks=tuple(chunks[a][i] for a, i in enumerate(place)),
        )
        for block, place in zip(x.blocks.ravel(), np.ndindex(grid), strict=True)
    ]
    nested: Any = np.empty(grid, dtype=object)
    for place, part in zip(np.ndindex(grid), flat, strict=True):
        nested[place] = part
    for axis in reversed(range(len(grid))):
        joined = np.empty(grid[:axis], dtype=object)
        for place in np.ndindex(grid[:axis]):
            joined[place] = concatenate(list(nested[place]), axis=axis)
        nested = joined
    return nested[()]


def ravel(array_like: Any) -> Array:
    """The elements in C order along one axis."""
    return reshape(array_like, (-1,))


def expand_dims(a: Any, axis: Any) -> Array:
    """The array with new axes of length one at the given places."""
    lazy = asanyarray(a)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = checked_axes(tuple(given), lazy.ndim + len(given))
    return lazy[
        tuple(None if at in places else slice(None) for at in range(lazy.ndim + len(given)))
    ]


def squeeze(a: Any, axis: Any = None) -> Array:
    """The array without axes of length one: all of them, or the given ones."""
    lazy = asanyarray(a)
    if axis is None:
        places = tuple(at for at, length in enumerate(lazy.shape) if length == 1)
    else:
        places = checked_axes(axis, lazy.ndim)
    if any(lazy.shape[at] != 1 for at in places):
        raise ValueError("cannot squeeze axis with size other than one")
    if not places:
        return lazy
    return lazy[tuple(0 if at in places else slice(None) for at in range(lazy.ndim))]


def broadcast_to(
    x: Any, shape: Any, chunks: Any = None, meta: Any = None, subok: bool = False
) -> Array:
    """The array repeated along new and length-one axes, without copies.

    Parameters
    ----------
    x : array-like
    shape : tuple of int
    chunks : tuple, optional
        Blocks of the result along the axes that are new or had length one.
    """
    lazy = asanyarray(x)
    lengths = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if lengths == lazy.shape and (
        chunks is None or normalize_chunks(chunks, lengths) == lazy.chunks
    ):
        return lazy
    new = len(lengths) - lazy.ndim
    fits = new >= 0 and all(
        old in (1, to) or old != old for old, to in zip(lazy.shape, lengths[new:], strict=True)
    )
    if not fits:
        raise ValueError(f"cannot broadcast shape {lazy.shape} to shape {lengths}")
    blocks = None
    if chunks is not None:
        blocks = normalize_chunks(chunks, lengths, dtype=lazy.dtype)
        for old, axis in zip(lazy.chunks, blocks[new:], strict=True):
            if old != axis and old != (1,):
                raise ValueError(
                    f"cannot broadcast chunks {lazy.chunks} to chunks {blocks}: new chunks must "
                    "either be along a new dimension or a dimension of size 1"
                )
    return Array(lazy._expr.broadcast_to(lengths, blocks))


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Array, ...]:
    """Arrays broadcast against each other, in common blocks."""
    from rask.array.blockwise_calls import unified
    from rask.array.elementwise import check_broadcast

    arrays = [asanyarray(array) for array in args]
    check_broadcast(arrays)
    if not arrays:
        return ()
    width = max(array.ndim for array in arrays)
    arrays = unified([(a, tuple(range(width - a.ndim, width))) for a in arrays])
    lengths: list = [1] * width
    blocks: list = [(1,)] * width
    for array in arrays:
        for axis in range(array.ndim):
            at = width - array.ndim + axis
            if lengths[at] == 1:
                lengths[at], blocks[at] = array.shape[axis], array.chunks[axis]
    return tuple(broadcast_to(a, tuple(lengths), chunks=tuple(blocks)) for a in arrays)


def flip(m: Any, axis: Any = None) -> Array:
    """The array with the order of its elements along axes reversed; along all when none is given."""
    lazy = asanyarray(m)
    axes = tuple(range(lazy.ndim)) if axis is None else checked_axes(axis, lazy.ndim)
    backwards, forwards = slice(None, None, -1), slice(None)
    return lazy[tuple(backwards if at in axes else forwards for at in range(lazy.ndim))]


def flipud(m: Any) -> Array:
    """The array upside down."""
    return flip(m, 0)


def fliplr(m: Any) -> Array:
    """The array left to right."""
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """The array turned by ``k`` right angles in the plane of two axes."""
    lazy = asanyarray(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    first, second = (checked_axis(axis, lazy.ndim) for axis in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    turns = k % 4
    if turns == 0:
        return lazy
    if turns == 2:
        return flip(flip(lazy, first), second)
    if turns == 1:
        return swapaxes(flip(lazy, second), first, second)
    return flip(swapaxes(lazy, first, second), second)


def roll(array: Any, shift: Any, axis: Any = None) -> Array:
    """The array with its elements moved along axes; what leaves at one end enters at the other."""
    lazy = asanyarray(array)
    if axis is None:
        return roll(lazy.reshape((-1,)), shift, 0).reshape(lazy.shape)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    if len(shifts) != len(axes):
        if 1 not in (len(shifts), len(axes)):
            raise ValueError("Must have the same number of shifts as axes.")
        shifts = tuple(shifts) * (len(axes) if len(shifts) == 1 else 1)
        axes = tuple(axes) * (len(shifts) if len(axes) == 1 else 1)
    for amount, at in zip(shifts, axes, strict=True):
        at = checked_axis(at, lazy.ndim)
        length = lazy.shape[at]
        cut = int(-amount) % length if length else 0
        if not cut:
            continue
        index = (slice(None),) * at
        lazy = concatenate([lazy[(*index, slice(cut, None))], lazy[(*index, slice(None, cut))]], at)
    return lazy


def repeat(a: Any, repeats: int, axis: int | None = None) -> Array:
    """Each element ``repeats`` times along an axis; of the flattened array when none is given."""
    lazy = asanyarray(a)
    if axis is None:
        lazy, axis = lazy.reshape((-1,)), 0
    axis = checked_axis(axis, lazy.ndim)
    if np.ndim(repeats):
        places = np.repeat(np.arange(lazy.shape[axis]), np.asarray(repeats))
    else:
        if int(repeats) < 0:
            raise ValueError("repeats may not contain negative values.")
        places = np.repeat(np.arange(lazy.shape[axis]), int(repeats))
    return lazy[(*(slice(None),) * axis, places)]


def tile(A: Any, reps: Any) -> Array:
    """The array repeated as a whole along axes."""
    lazy = asanyarray(A)
    counts = tuple(reps) if isinstance(reps, (tuple, list)) else (reps,)
    if any(count < 0 for count in counts):
        raise ValueError("Negative `reps` are not allowed.")
    lazy = lazy[(None,) * max(0, len(counts) - lazy.ndim) + (...,)]
    counts = (1,) * (lazy.ndim - len(counts)) + counts
    for axis, count in enumerate(counts):
        if count == 0:
            lazy = lazy[(*(slice(None),) * axis, slice(0, 0))]
        elif count > 1:
            lazy = concatenate([lazy] * count, axis)
    return lazy


def insert(arr: Any, obj: Any, values: Any, axis: int) -> Array:
    """Values put before the given places along an axis.

    Parameters
    ----------
    arr : array-like
    obj : int, slice or sequence of int
    values : array-like
    axis : int
    """
    lazy = asanyarray(arr)
    axis = checked_axis(axis, lazy.ndim)
    length = lazy.shape[axis]
    single = isinstance(obj, (int, np.integer))
    places = np.arange(length)[obj] if isinstance(obj, slice) else np.atleast_1d(np.asarray(obj))
    if np.any(places < -length) or np.any(places > length):
        raise IndexError(f"index {obj} is out of bounds for axis {axis} with size {length}")
    places = np.where(places < 0, places + length, places)
    new = asanyarray(values)
    if new.ndim == 1 and not single:
        new = new[(slice(None), *(None,) * (lazy.ndim - axis - 1))]
    elif single and new.ndim == lazy.ndim - 1:
        new = new[(*(slice(None),) * axis, None)]
    while new.ndim < lazy.ndim:
        new = new[None]
    count = len(places) if not single else max(1, new.shape[axis])
    target = tuple(count if at == axis else n for at, n in enumerate(lazy.shape))
    new = broadcast_to(new, target).astype(lazy.dtype)
    if single:
        places = np.repeat(places, count)
    order = np.argsort(places, kind="stable")
    merged = np.argsort(np.concatenate([places[order] - 0.5, np.arange(length)]), kind="stable")
    source = np.concatenate([length + order, np.arange(length)])[merged]
    both = concatenate([lazy, new], axis)
    return both[(*(slice(None),) * axis, source)]


def delete(arr: Any, obj: Any, axis: int | None) -> Array:
    """The array without the given places along an axis."""
    lazy = asanyarray(arr)
    if axis is None:
        lazy, axis = lazy.reshape((-1,)), 0
    axis = checked_axis(axis, lazy.ndim)
    length = lazy.shape[axis]
    kept = np.ones(length, dtype=bool)
    where = obj if isinstance(obj, slice) else np.atleast_1d(np.asarray(obj))
    if not isinstance(where, slice) and where.size == 0:
        where = where.astype(np.intp)
    kept[where] = False
    return lazy[(*(slice(None),) * axis, np.flatnonzero(kept))]


def shuffle(x: Any, indexer: list[list[int]], axis: int, chunks: str = "auto") -> Array:
    """The array with its elements along an axis in another order.

    Parameters
    ----------
    x : array-like
    indexer : list of lists of int
        Places along the axis; each inner list stays together in one block.
    axis : int
    chunks : {"auto"}
    """
    lazy = asanyarray(x)
    axis = checked_axis(axis, lazy.ndim)
    if chunks != "auto":
        raise NotImplementedError("only chunks='auto' is supported")
    if not isinstance(indexer, list) or not all(isinstance(part, list) for part in indexer):
        raise ValueError("indexer must be a list of lists of positional indices")
    flat = np.array([place for part in indexer for place in part], dtype=np.int64)
    if flat.size and flat.max() >= lazy.shape[axis]:
        raise IndexError(
            f"Indexer contains out of bounds index. Dimension only has {lazy.shape[axis]} elements."
        )
    taken = lazy[(*(slice(None),) * axis, flat)]
    longest = max(lazy.chunks[axis], default=1)
    lengths: list[int] = []
    for part in indexer:
        if lengths and lengths[-1] + len(part) <= longest * 1.25:
            lengths[-1] += len(part)
        elif part:
            lengths.append(len(part))
    return taken.rechunk({axis: tuple(lengths) or (0,)})


def view(x: Array, dtype: Any, order: str = "C") -> Array:
    """The same bytes seen as elements of another type; see ``Array.view``."""
    from rask.array.blocks import map_blocks

    to = x.dtype if dtype is None else np.dtype(dtype)
    ratio = x.dtype.itemsize / to.itemsize
    if order not in ("C", "F"):
        raise ValueError("order must be 'C' or 'F'")
    axis = x.ndim - 1 if order == "C" else 0
    lengths = tuple(length * ratio for length in x.chunks[axis])
    if any(length != int(length) for length in lengths):
        raise ValueError(
            "When changing to a larger dtype, its size must be a divisor of the total size in bytes "
            "of every block along the last axis."
        )
    chunks = list(x.chunks)
    chunks[axis] = tuple(int(length) for length in lengths)
    return map_blocks(_view_block, x, to, order, dtype=to, chunks=tuple(chunks), token="view")


def _view_block(block: np.ndarray, dtype: np.dtype, order: str) -> np.ndarray:
    if order == "F":
        return np.ascontiguousarray(block.T).view(dtype).T
    return np.ascontiguousarray(block).view(dtype)


def to_backend(x: Array, backend: str | None = None, **kwargs: Any) -> Array:
    """Blocks moved to another array library; see ``Array.to_backend``."""
    import importlib

    from rask.array.blocks import map_blocks

    if backend in (None, "numpy"):
        return x if type(x._meta) is np.ndarray else map_blocks(np.asarray, x, dtype=x.dtype)
    if backend != "cupy":
        raise ValueError(f"there is no backend {backend!r}; there are 'numpy' and 'cupy'")
    library = importlib.import_module(backend)
    return map_blocks(library.asarray, x, dtype=x.dtype)
