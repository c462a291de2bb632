"""Finding, selecting, sorting and counting elements."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.blockwise_calls import blockwise
from rask.array.core import Array
from rask.array.creation import arange, asanyarray
from rask.array.joining import checked_axis, stack
from rask.array.reductions import sum as sum_over
from rask.array.ufunc import choose_where

__all__ = [
    "argtopk",
    "argwhere",
    "choose",
    "compress",
    "count_nonzero",
    "digitize",
    "extract",
    "flatnonzero",
    "isin",
    "nonzero",
    "piecewise",
    "ravel_multi_index",
    "searchsorted",
    "select",
    "take",
    "topk",
    "union1d",
    "unique",
    "unravel_index",
]


def take(a: Any, indices: Any, axis: int = 0) -> Array:
    """Elements at the given places along an axis; places may have several axes."""
    lazy = asanyarray(a)
    axis = checked_axis(axis, lazy.ndim)
    places = indices if isinstance(indices, Array) else np.asarray(indices)
    return lazy[(*(slice(None),) * axis, places)]


def compress(condition: Any, a: Any, axis: int | None = None) -> Array:
    """Elements along an axis where a vector of booleans holds; it may be shorter than the axis."""
    lazy = asanyarray(a)
    if axis is None:
        lazy, axis = lazy.reshape((-1,)), 0
    axis = checked_axis(axis, lazy.ndim)
    if getattr(condition, "ndim", np.ndim(condition)) != 1:
        raise ValueError("Condition must be one dimensional")
    kept = condition if isinstance(condition, Array) else np.asarray(condition, dtype=bool)
    count = len(kept)
    lazy = lazy[(*(slice(None),) * axis, slice(None, count))]
    return lazy[(*(slice(None),) * axis, kept.astype(bool))]


def extract(condition: Any, arr: Any) -> Array:
    """Elements of the flattened array where the condition holds."""
    return compress(asanyarray(condition).astype(bool).ravel(), asanyarray(arr).ravel())


def choose(a: Any, choices: Any) -> Array:
    """Elements of ``choices`` selected by an array of numbers; see ``numpy.choose``."""
    from rask.array.elementwise import elemwise

    return elemwise(_choose_blocks, asanyarray(a), *choices, name="choose")


def _choose_blocks(selector: Any, *choices: Any) -> Any:
    return np.choose(selector, choices)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Array:
    """Elements of the first choice whose condition holds; see ``numpy.select``."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    choices = [c if np.isscalar(c) else asanyarray(c) for c in choicelist]
    dtype = np.result_type(*[c.dtype if isinstance(c, Array) else c for c in choices], default)
    result: Any = np.asarray(default, dtype=dtype)[()]
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        result = choose_where(condition, choice, result)
    return result.astype(dtype)


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Array:
    """Functions of the parts of an array where conditions hold; see ``numpy.piecewise``."""
    lazy = asanyarray(x)
    conditions = condlist if isinstance(condlist, list) else [condlist]
    lazy_conditions = [asanyarray(condition) for condition in conditions]
    return map_blocks(
        _piecewise_block,
        lazy,
        *lazy_conditions,
        funclist=list(funclist),
        args=args,
        kw=kw,
        dtype=lazy.dtype,
        token="piecewise",
    )


def _piecewise_block(block: Any, *conditions: Any, funclist: list, args: tuple, kw: dict) -> Any:
    return np.piecewise(block, list(conditions), funclist, *args, **kw)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False
) -> Array:
    """Where elements are among the test elements."""
    lazy, tests = asanyarray(element), asanyarray(test_elements).reshape((-1,))
    ind = tuple(range(lazy.ndim))
    call = functools.partial(_isin_block, invert=invert)
    return blockwise(
        call, ind, lazy, ind, tests, (lazy.ndim,), dtype=bool, concatenate=True, token="isin"
    )


def _isin_block(block: Any, tests: Any, invert: bool) -> Any:
    return np.isin(block, tests, invert=invert)


def nonzero(a: Any) -> tuple[Array, ...]:
    """Positions of the elements that are not zero, one array an axis."""
    places = argwhere(a)
    return tuple(places[:, axis] for axis in range(places.shape[1]))


def argwhere(a: Any) -> Array:
    """Positions of the elements that are not zero, one row each."""
    lazy = asanyarray(a)
    mask = lazy.astype(bool).ravel()
    flat = arange(lazy.size, dtype=np.intp, chunks=mask.chunks)[mask]
    if lazy.ndim == 1:
        return flat[:, None]
    if not lazy.ndim:
        return flat[:, None][:, :0]
    return stack(unravel_index(flat, lazy.shape), axis=1, allow_unknown_chunksizes=True)


def flatnonzero(a: Any) -> Array:
    """Positions of the elements of the flattened array that are not zero."""
    return nonzero(asanyarray(a).ravel())[0]


def count_nonzero(a: Any, axis: Any = None) -> Array:
    """How many elements over axes are not zero."""
    lazy = asanyarray(a)
    return sum_over(lazy if lazy.dtype == bool else lazy != lazy.dtype.type(0), axis, np.intp)


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Array, ...]:
    """Positions in an array of a shape from positions in its flattened form."""
    lazy = asanyarray(indices)
    lengths = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(
        map_blocks(_unravel_block, lazy, lengths, order, axis, dtype=np.intp, token="unravel_index")
        for axis in range(len(lengths))
    )


def _unravel_block(block: Any, shape: tuple, order: str, axis: int) -> Any:
    return np.unravel_index(block, shape, order=order)[axis]  # pyright: ignore[reportArgumentType, reportCallIssue]


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Array:
    """Positions in the flattened form from positions along each axis."""
    from rask.array.elementwise import elemwise

    if np.isscalar(dims):
        dims = (dims,)
    return elemwise(
        _ravel_blocks,
        *[asanyarray(part) for part in multi_index],
        dims=tuple(dims),
        mode=mode,
        order=order,
        dtype=np.intp,
        name="ravel_multi_index",
    )


def _ravel_blocks(*blocks: Any, dims: tuple, mode: Any, order: str) -> Any:
    return np.ravel_multi_index(blocks, dims, mode=mode, order=order)  # pyright: ignore[reportArgumentType, reportCallIssue]


def digitize(a: Any, bins: Any, right: bool = False) -> Array:
    """Which bin each element is in; see ``numpy.digitize``."""
    edges = np.asarray(bins)
    call = functools.partial(np.digitize, bins=edges, right=right)
    return map_blocks(call, asanyarray(a), dtype=np.intp, token="digitize")


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Array:
    """Where elements would go in a sorted vector; see ``numpy.searchsorted``."""
    sorted_array, values = asanyarray(a), asanyarray(v)
    if sorted_array.ndim != 1:
        raise ValueError("Input array a must be one dimensional")
    if sorter is not None:
        raise NotImplementedError("da.searchsorted with a sorter argument is not supported")
    ind = tuple(range(values.ndim))
    return blockwise(
        _searchsorted_block,
        ind,
        sorted_array,
        (values.ndim,),
        values,
        ind,
        side=side,
        dtype=np.intp,
        concatenate=True,
        token="searchsorted",
    )


def _searchsorted_block(edges: Any, values: Any, side: str) -> Any:
    return np.searchsorted(edges, values, side=side)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _top(k: int, a: Any, axis: int, split_every: Any, positions: bool) -> Array:
    lazy = asanyarray(a)
    axis = checked_axis(axis, lazy.ndim)
    whole = lazy.rechunk({axis: -1})
    count = min(abs(int(k)), whole.shape[axis])
    chunks = list(whole.chunks)
    chunks[axis] = (count,)
    return map_blocks(
        _top_block,
        whole,
        int(k),
        axis,
        positions,
        dtype=np.intp if positions else lazy.dtype,
        chunks=tuple(chunks),
        token="argtopk" if positions else "topk",
    )


def _top_block(block: Any, k: int, axis: int, positions: bool) -> Any:
    length = block.shape[axis]
    order = np.argsort(block, axis=axis, kind="stable") if positions else np.sort(block, axis=axis)
    index: list = [slice(None)] * block.ndim
    if k >= 0:
        index[axis] = slice(length - 1, length - 1 - min(k, length) or None, -1)
        if min(k, length) == length:
            index[axis] = slice(None, None, -1)
        if not k:
            index[axis] = slice(0, 0)
    else:
        index[axis] = slice(None, min(-k, length))
    return order[tuple(index)]


def topk(a: Any, k: int, axis: int = -1, split_every: Any = None) -> Array:
    """The ``k`` largest elements along an axis, largest first; smallest if ``k`` is negative."""
    return _top(k, a, axis, split_every, positions=False)


def argtopk(a: Any, k: int, axis: int = -1, split_every: Any = None) -> Array:
    """Positions of the ``k`` largest elements along an axis, largest first."""
    return _top(k, a, axis, split_every, positions=True)


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False
) -> Any:
    """Sorted distinct elements of the flattened array; their number is not known before computing.

    Parameters
    ----------
    ar : array-like
    return_index, return_inverse, return_counts : bool
        Whether to return where each is first, which each element is, and how many there are.
    """
    flat = asanyarray(ar).reshape((-1,))
    known = map_blocks(
        _unique_block,
        flat,
        dtype=flat.dtype,
        chunks=((np.nan,) * flat.npartitions,),
        token="unique",
    )
    values = _one_block(known, _unique_block, flat.dtype)
    if not (return_index or return_inverse or return_counts):
        return values
    result: list[Array] = [values]
    whole = flat.rechunk(-1) if flat.size == flat.size else flat
    for wanted, argument in (
        (return_index, "return_index"),
        (return_inverse, "return_inverse"),
        (return_counts, "return_counts"),
    ):
        if not wanted:
            continue
        chunks = whole.chunks if argument == "return_inverse" else ((np.nan,),)
        result.append(
            map_blocks(_unique_part, whole, argument, dtype=np.intp, chunks=chunks, token="unique")
        )
    return tuple(result)


def _unique_block(block: Any) -> Any:
    return np.unique(block)


def _unique_part(block: Any, argument: str) -> Any:
    return np.unique(block, **{argument: True})[1]  # pyright: ignore[reportArgumentType, reportCallIssue]


def _one_block(x: Array, function: Callable, dtype: Any) -> Array:
    """A function of all the blocks of a vector together; the length of its result is not known."""
    return blockwise(
        function, "j", x, "i", new_axes={"j": np.nan}, concatenate=True, dtype=dtype, token="unique"
    )


def union1d(ar1: Any, ar2: Any) -> Array:
    """Sorted distinct elements of two arrays."""
    from rask.array.joining import concatenate

    return unique(
        concatenate(
            [asanyarray(ar1).ravel(), asanyarray(ar2).ravel()], allow_unknown_chunksizes=True
        )
    )
