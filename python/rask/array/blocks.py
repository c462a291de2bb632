"""Functions called on blocks, one after the other: ``map_blocks``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core
from rask.array.blockinfo import ArrayInfo, CallWithPlace
from rask.array.core import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
from rask.array.blockwise_calls import unified, without_pending
from rask.array.metas import apply_infer_dtype, foreign_meta, infer_meta, label_of, meta_of_width

__all__ = ["map_blocks"]


def map_blocks(
    func: Callable,
    *args: Any,
    name: str | None = None,
    token: str | None = None,
    dtype: DTypeLike | None = None,
    chunks: Any = None,
    drop_axis: int | Iterable[int] | None = None,
    new_axis: int | Iterable[int] | None = None,
    enforce_ndim: bool = False,
    meta: Any = None,
    **kwargs: Any,
) -> Array:
    """Calls a function on corresponding blocks of arrays.

    Parameters
    ----------
    func : callable
        Takes a block of each array and returns a block. If it has a parameter ``block_id`` it gets
        the block's position in the grid; if it has ``block_info``, a dict that describes the blocks
        (``None`` for the result's, ``0``, ``1``, … for those of the arguments): ``shape``,
        ``num-chunks``, ``array-location``, ``chunk-location``, and ``chunk-shape`` and ``dtype``
        for the result.
    *args
        Arrays, which broadcast against each other, and values that are passed as they are; of
        delayed values and of futures their values. The same goes for keyword arguments.
    name, token : str, optional
        Name of the layer; its first part.
    dtype : dtype, optional
        Type of the result's elements; found by calling ``func`` on empty blocks otherwise.
    chunks : tuple, optional
        Shape of a block of the result if that differs, or all block lengths.
    drop_axis : int or iterable of int, optional
        Axes that the function removes.
    new_axis : int or iterable of int, optional
        Axes that the function adds, with one block each unless ``chunks`` says otherwise.
    enforce_ndim : bool
        Whether a block with another number of axes than expected is an error.
    meta : array-like, optional
        Empty block of the result's type.
    **kwargs
        Passed to ``func``.

    Examples
    --------
    >>> import rask.array as da
    >>> x = da.arange(6, chunks=3)
    >>> x.map_blocks(lambda block: block * 2).compute()
    array([ 0,  2,  4,  6,  8, 10])
    >>> def position(block, block_id=None):
    ...     return block + 100 * block_id[0]
    >>> x.map_blocks(position, dtype=x.dtype).compute()
    array([  0,   1,   2, 103, 104, 105])
    """
    if not callable(func):
        raise TypeError(
            "the first argument of map_blocks is a function, "
            f"not {type(func).__name__}: map_blocks(func, x)"
        )
    label = token or (name.rsplit("-", 1)[0] if name else label_of(func).strip("_"))
    replaceable = [not isinstance(value, Array) for value in args]
    given = without_pending(func, args, kwargs, dtype, meta, replaceable)
    if given is not None:
        if all(replaceable):
            raise NotImplementedError(
                "map_blocks of delayed values alone: make an array of one with from_delayed"
            )
        func, args, kwargs = given
    wants_id, wants_info = _wanted_place(func, kwargs)
    arrays = [value for value in args if isinstance(value, Array)]
    if not arrays:
        return _from_nothing(
            func, args, kwargs, chunks, dtype, meta, label, name, wants_id, wants_info
        )
    width = max(array.ndim for array in arrays)
    dropped, added = _axes(drop_axis, width, "drop_axis"), _new_axes(new_axis)
    kept = [axis for axis in range(width) if axis not in dropped]
    out = list(kept)
    for number, axis in enumerate(sorted(added)):
        out.insert(axis, width + number)
    values = _lined_up(args, width)
    lengths = _block_lengths(values, width)
    out_chunks = _result_chunks(chunks, out, lengths, width)
    if dtype is None and meta is None:
        meta = _place_meta(func, values, kwargs, len(out), wants_id, wants_info)
        dtype = meta.dtype
    elif meta is not None:
        meta = meta_of_width(meta, len(out)) if hasattr(meta, "dtype") else np.empty(0, meta)
        dtype = meta.dtype if dtype is None else dtype
    dtype = np.dtype(dtype)  # type: ignore[arg-type]
    call = func
    if wants_id or wants_info or enforce_ndim:
        infos = [ArrayInfo.of(v.shape, v.chunks) if isinstance(v, Array) else None for v in values]
        result = ArrayInfo(tuple(map(_total, out_chunks)), out_chunks)
        places = [
            tuple(out.index(axis) if axis in out else -1 for axis in range(width - v.ndim, width))
            if isinstance(v, Array)
            else None
            for v in values
        ]
        call = CallWithPlace(
            func, infos, result, places, dtype, wants_id, wants_info, enforce_ndim, len(out)
        )
    expr = _core.ArrayExpr.blockwise(
        call,
        tuple(out),
        [
            (v._expr, tuple(range(width - v.ndim, width))) if isinstance(v, Array) else (v, None)
            for v in values
        ],
        kwargs or None,
        dtype,
        label,
        name,
        foreign_meta(meta),
        {index: out_chunks[at] for at, index in enumerate(out) if index >= width} or None,
        {index: out_chunks[at] for at, index in enumerate(out) if index < width} or None,
        True,
        isinstance(call, CallWithPlace),
    )
    return Array(expr)


def _wanted_place(func: Callable, kwargs: dict) -> tuple[bool, bool]:
    try:
        parameters = inspect.signature(func).parameters
    except (TypeError, ValueError):
        return False, False
    return (
        "block_id" in parameters and "block_id" not in kwargs,
        "block_info" in parameters and "block_info" not in kwargs,
    )


def _total(lengths: tuple) -> Any:
    return sum(lengths)


def _axes(axes: Any, width: int, what: str) -> set[int]:
    given = [] if axes is None else list(axes) if isinstance(axes, Iterable) else [axes]
    for axis in given:
        if not -width <= axis < width:
            raise np.exceptions.AxisError(axis, width, what)
    return {int(axis) % width for axis in given}


def _new_axes(axes: Any) -> list[int]:
    return [] if axes is None else list(axes) if isinstance(axes, Iterable) else [int(axes)]


def _lined_up(args: tuple, width: int) -> list:
    pairs = [
        (value, tuple(range(width - value.ndim, width)))
        for value in args
        if isinstance(value, Array)
    ]
    if len(pairs) < 2:
        return list(args)
    lined_up = iter(unified(pairs))
    return [next(lined_up) if isinstance(value, Array) else value for value in args]


def _block_lengths(values: list, width: int) -> list[tuple]:
    lengths: list[tuple] = [(1,)] * width
    for value in values:
        if not isinstance(value, Array):
            continue
        for axis, axis_lengths in enumerate(value.chunks, width - value.ndim):
            if lengths[axis] == (1,):
                lengths[axis] = axis_lengths
    return lengths


def _result_chunks(chunks: Any, out: list[int], lengths: list[tuple], width: int) -> tuple:
    counts = [len(lengths[index]) if index < width else 1 for index in out]
    if chunks is None:
        return tuple(lengths[index] if index < width else (1,) for index in out)
    if len(chunks) != len(out):
        raise ValueError(
            f"chunks gives lengths for {len(chunks)} axes, but the result has {len(out)}; "
            "see drop_axis and new_axis"
        )
    result = []
    for axis, (spec, count) in enumerate(zip(chunks, counts, strict=True)):
        if not isinstance(spec, (tuple, list)):
            result.append((spec,) * count)
            continue
        if out[axis] < width and len(spec) not in (count, 1):
            raise ValueError(
                f"chunks gives {len(spec)} block lengths along axis {axis}, which has {count} blocks"
            )
        same = len(spec) == count or out[axis] >= width
        result.append(tuple(spec) if same else (spec[0],) * count)
    return tuple(result)


def _place_meta(
    func: Callable, values: list, kwargs: dict, ndim: int, wants_id: bool, wants_info: bool
) -> Any:
    extra = dict(kwargs)
    if wants_id:
        extra["block_id"] = (0,) * ndim
    if wants_info:
        extra["block_info"] = None
    meta = infer_meta(func, values, extra, ndim)
    if meta is not None:
        return meta
    if wants_info:
        infos = {
            at: ArrayInfo.of(v.shape, v.chunks).first(v.dtype)
            for at, v in enumerate(values)
            if isinstance(v, Array)
        }
        first = next(iter(infos.values()))
        extra["block_info"] = {**infos, None: {**first, "chunk-shape": (1,) * ndim}}
    return np.empty((0,) * ndim, dtype=apply_infer_dtype(func, values, extra, "map_blocks"))


def _from_nothing(
    func: Callable,
    args: tuple,
    kwargs: dict,
    chunks: Any,
    dtype: Any,
    meta: Any,
    label: str,
    name: str | None,
    wants_id: bool,
    wants_info: bool,
) -> Array:
    if chunks is None:
        raise ValueError("map_blocks without arrays needs chunks: the block lengths of the result")
    lengths = tuple(tuple(s) if isinstance(s, (tuple, list)) else (s,) for s in chunks)
    shape = tuple(map(_total, lengths))
    if dtype is None and meta is None:
        extra = dict(kwargs)
        if wants_id:
            extra["block_id"] = (0,) * len(lengths)
        if wants_info:
            extra["block_info"] = {
                None: {
                    **ArrayInfo(shape, lengths).first(None),
                    "chunk-shape": tuple(c[0] for c in lengths),
                }
            }
        dtype = apply_infer_dtype(func, list(args), extra, "map_blocks")
    elif dtype is None:
        dtype = meta.dtype if hasattr(meta, "dtype") else np.dtype(meta)
    dtype = np.dtype(dtype)
    call = CallWithPlace(
        func,
        [None] * len(args),
        ArrayInfo(shape, lengths),
        [None] * len(args),
        dtype,
        wants_id,
        wants_info,
        False,
        len(lengths),
    )
    return Array(
        _core.ArrayExpr.blockwise(
            call,
            tuple(range(len(lengths))),
            [(value, None) for value in args],
            kwargs or None,
            dtype,
            label,
            name,
            foreign_meta(meta),
            dict(enumerate(lengths)) or None,
            None,
            True,
            True,
        )
    )
