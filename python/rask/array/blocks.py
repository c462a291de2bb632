"""Python functions called on blocks: ``blockwise`` and ``map_blocks``."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core
from rask._pending import LastAsKeywords, is_pending, split_keywords
from rask.array.blockinfo import ArrayInfo, CallWithPlace
from rask.array.core import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["apply_infer_dtype", "atop", "blockwise", "map_blocks"]


def label_of(func: Callable) -> str:
    """A function's name for layers and messages."""
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", None) or type(func).__name__
    return "lambda" if name == "<lambda>" else name


def numbered_indices(indices: Iterable[Any]) -> dict[Hashable, int]:
    """A number for each index label, in the order in which they appear."""
    numbers: dict[Hashable, int] = {}
    for ind in indices:
        for label in ind or ():
            numbers.setdefault(label, len(numbers))
    return numbers


def unified(pairs: list[tuple[Array, tuple[int, ...]]]) -> list[Array]:
    """Arrays rechunked so that their blocks agree along the indices they share."""
    if not pairs:
        return []
    exprs = _core.ArrayExpr.unify([(array._expr, ind) for array, ind in pairs])
    return [Array(expr) for expr in exprs]


def empty_of(value: Any) -> Any:
    """An empty block like those of an array; other values as they are."""
    return value._meta if isinstance(value, Array) else value


def one_of(value: Any) -> Any:
    """A block of one element like those of an array; other values as they are."""
    if not isinstance(value, Array):
        return value
    meta = value._meta
    if type(meta) is np.ndarray:
        return np.ones((1,) * value.ndim, dtype=value.dtype)
    return np.ones_like(meta, shape=(1,) * value.ndim)


def infer_meta(func: Callable, args: list, kwargs: dict, ndim: int) -> Any:
    """What ``func`` returns for empty blocks, or ``None`` when it does not take them."""
    with np.errstate(all="ignore"):
        try:
            meta = func(*[empty_of(value) for value in args], **kwargs)
        except Exception:
            return None
    if isinstance(meta, (tuple, list)) or not hasattr(meta, "dtype"):
        return None
    return meta_of_width(meta, ndim)


def meta_of_width(meta: Any, ndim: int) -> Any:
    """An empty block of the same type with ``ndim`` axes."""
    if isinstance(meta, np.generic):
        return np.empty((0,) * ndim, dtype=meta.dtype)
    if getattr(meta, "ndim", ndim) == ndim and 0 in getattr(meta, "shape", (0,)):
        return meta
    try:
        flat = meta.reshape(-1)[:0]
        return flat.reshape((0,) * ndim)
    except Exception:
        return np.empty((0,) * ndim, dtype=meta.dtype)


def foreign_meta(meta: Any) -> Any:
    """``meta`` when blocks are of another type than ``numpy.ndarray``, else ``None``."""
    return None if meta is None or type(meta) is np.ndarray else meta


def apply_infer_dtype(func: Callable, args: list, kwargs: dict, funcname: str) -> np.dtype:
    """Type of the elements that ``func`` returns, found by calling it on blocks of one element.

    Raises
    ------
    ValueError
        When the call fails; the message says so and asks for ``dtype=``.
    """
    with np.errstate(all="ignore"):
        try:
            result = func(*[one_of(value) for value in args], **kwargs)
        except Exception as error:
            raise ValueError(
                f"`dtype` inference failed in `{funcname}`: calling {label_of(func)} on blocks of "
                f"one element raised {type(error).__name__}: {error}. Give dtype= (or meta=)."
            ) from error
    return getattr(result, "dtype", None) or np.asarray(result).dtype


def blockwise(
    func: Callable,
    out_ind: Any,
    *args: Any,
    name: str | None = None,
    token: str | None = None,
    dtype: DTypeLike | None = None,
    adjust_chunks: dict | None = None,
    new_axes: dict | None = None,
    align_arrays: bool = True,
    concatenate: bool | None = None,
    meta: Any = None,
    **kwargs: Any,
) -> Array:
    """Calls a function on the blocks of arrays that index notation puts together.

    Parameters
    ----------
    func : callable
        Takes a block of each array (a list of blocks, or one concatenated block, along indices that
        the result lacks), and returns a block of the result.
    out_ind : iterable
        Indices of the result: ``"ij"``.
    *args
        Arrays and their indices in turn; a value with indices ``None`` is passed as it is, of a
        delayed value or a future its value.
    name : str, optional
        Name of the result's layer: promises that equal names mean equal values.
    token : str, optional
        First part of the layer's name.
    dtype : dtype, optional
        Type of the result's elements; found by calling ``func`` on empty blocks otherwise.
    adjust_chunks : dict, optional
        From index to block lengths of the result: a function of the old length, or the lengths.
    new_axes : dict, optional
        From indices that no array has to their block lengths (or one length).
    align_arrays : bool
        Whether to rechunk arrays whose blocks disagree; if not, disagreement is an error.
    concatenate : bool, optional
        Whether to concatenate blocks along indices the result lacks; lists of blocks otherwise.
    meta : array-like, optional
        Empty block of the result's type.
    **kwargs
        Passed to ``func``.

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> x = da.arange(4, chunks=2)
    >>> da.blockwise(np.multiply.outer, "ij", x, "i", x, "j", dtype=x.dtype).compute()
    array([[0, 0, 0, 0],
           [0, 1, 2, 3],
           [0, 2, 4, 6],
           [0, 3, 6, 9]])
    """
    if len(args) % 2:
        raise TypeError("blockwise takes arrays and their indices in turn")
    new_axes = new_axes or {}
    given = _without_pending(func, args[::2], kwargs, dtype, meta, [i is None for i in args[1::2]])
    if given is not None:
        func, values, kwargs = given
        named = [()] * (len(values) - len(args) // 2)
        indices = [
            () if ind is None and isinstance(value, Array) else ind
            for value, ind in zip(values, [*args[1::2], *named], strict=True)
        ]
        args = tuple(itertools.chain(*zip(values, indices, strict=True)))
    values, indices = _given_arrays(args)
    numbers = numbered_indices([out_ind, *indices])
    _check_indices(values, indices, out_ind, new_axes)
    positions = [None if ind is None else tuple(numbers[label] for label in ind) for ind in indices]
    values = _aligned(values, positions, align_arrays)
    label = token or label_of(func).strip("_")
    out = tuple(numbers[label] for label in out_ind)
    if dtype is None and meta is None:
        meta = _inferred_meta(func, values, positions, out, concatenate, kwargs)
        dtype = getattr(meta, "dtype", None)
    elif meta is not None:
        meta = meta_of_width(meta, len(out)) if hasattr(meta, "dtype") else np.empty(0, meta)
        dtype = meta.dtype if dtype is None else dtype
    lengths = _index_lengths(values, positions)
    expr = _core.ArrayExpr.blockwise(
        func,
        out,
        [
            (value._expr if isinstance(value, Array) else value, ind)
            for value, ind in zip(values, positions, strict=True)
        ],
        kwargs or None,
        np.dtype(dtype if dtype is not None else object),
        label,
        name,
        foreign_meta(meta),
        {numbers[label]: _new_lengths(spec) for label, spec in new_axes.items()} or None,
        {
            numbers[label]: _adjusted(spec, lengths.get(numbers[label]), label)
            for label, spec in (adjust_chunks or {}).items()
        }
        or None,
        concatenate,
        False,
    )
    return Array(expr)


atop = blockwise


def _given_arrays(args: tuple) -> tuple[list, list]:
    from rask.array.creation import asanyarray

    values = [
        value if ind is None else asanyarray(value)
        for value, ind in zip(args[::2], args[1::2], strict=True)
    ]
    return values, [None if ind is None else tuple(ind) for ind in args[1::2]]


def _check_indices(values: list, indices: list, out_ind: Any, new_axes: dict) -> None:
    known = set(new_axes)
    for value, ind in zip(values, indices, strict=True):
        if ind is None:
            continue
        if value.ndim != len(ind):
            raise ValueError(
                f"indices {ind} name {len(ind)} axes of an array that has {value.ndim}"
            )
        known.update(ind)
    unknown = [label for label in out_ind if label not in known]
    if unknown:
        raise ValueError(
            f"indices {unknown} of the result belong to no array; give their block lengths in "
            "new_axes"
        )
    if len(set(out_ind)) != len(tuple(out_ind)):
        raise ValueError(f"repeated indices in the result: {tuple(out_ind)}")


def _aligned(values: list, positions: list, align_arrays: bool) -> list:
    pairs = [(value, ind) for value, ind in zip(values, positions, strict=True) if ind is not None]
    if not align_arrays:
        _check_same_blocks(pairs)
        return values
    if len(pairs) < 2 and all(len(set(ind)) == len(ind) for _, ind in pairs):
        return values
    lined_up = iter(unified(pairs))
    return [
        value if ind is None else next(lined_up)
        for value, ind in zip(values, positions, strict=True)
    ]


def _check_same_blocks(pairs: list[tuple[Array, tuple[int, ...]]]) -> None:
    counts: dict[int, int] = {}
    for array, ind in pairs:
        for index, lengths in zip(ind, array.chunks, strict=True):
            count = counts.setdefault(index, len(lengths))
            if len(lengths) not in (count, 1) and count != 1:
                raise ValueError(
                    f"arrays have {count} and {len(lengths)} blocks along a shared index, and "
                    "align_arrays is False"
                )
            counts[index] = max(count, len(lengths))


def _inferred_meta(
    func: Callable, values: list, positions: list, out: tuple, concatenate: Any, kwargs: dict
) -> Any:
    args = []
    for value, ind in zip(values, positions, strict=True):
        args.append(value)
        if ind is None or concatenate:
            continue
        meta = empty_of(value)
        for index in ind:
            if index not in out:
                meta = [meta]
        args[-1] = meta
    meta = infer_meta(func, args, kwargs, len(out))
    if meta is not None:
        return meta
    dtype = apply_infer_dtype(func, args, kwargs, "blockwise")
    return np.empty((0,) * len(out), dtype=dtype)


def _index_lengths(values: list, positions: list) -> dict[int, tuple]:
    lengths: dict[int, tuple] = {}
    for value, ind in zip(values, positions, strict=True):
        for index, axis in zip(ind or (), getattr(value, "chunks", ()), strict=False):
            if len(axis) > len(lengths.get(index, ())) or lengths.get(index) == (1,):
                lengths[index] = axis
    return lengths


def _new_lengths(spec: Any) -> tuple:
    return tuple(spec) if isinstance(spec, (tuple, list)) else (spec,)


def _adjusted(spec: Any, lengths: tuple | None, label: Any) -> tuple:
    if lengths is None:
        raise ValueError(f"adjust_chunks names index {label!r}, which no array has")
    if callable(spec):
        return tuple(spec(length) for length in lengths)
    if isinstance(spec, (int, np.integer, float)):
        return (spec,) * len(lengths)
    if len(spec) != len(lengths):
        raise ValueError(
            f"adjust_chunks gives {len(spec)} lengths for index {label!r}, which has "
            f"{len(lengths)} blocks"
        )
    return tuple(spec)


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
    given = _without_pending(func, args, kwargs, dtype, meta, replaceable)
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


def _without_pending(
    func: Callable, values: tuple, kwargs: dict, dtype: Any, meta: Any, replaceable: list[bool]
) -> tuple[Callable, tuple, dict] | None:
    """Function and arguments where values that are not there yet are arrays without axes, whose one
    block is the value; None if all are there.

    Raises
    ------
    ValueError
        If the type of the result would have to be found without the values.
    """
    plain, pending = split_keywords(kwargs)
    pairs = list(zip(values, replaceable, strict=True))
    if not pending and not any(wanted and is_pending(value) for value, wanted in pairs):
        return None
    if dtype is None and meta is None:
        raise ValueError(
            f"{label_of(func)} cannot be tried out, since arguments of it are not computed yet: "
            "give the type of what it returns with dtype= or meta="
        )
    from rask.array.delayed_io import from_delayed
    from rask.delayed import delayed, without_futures

    found = without_futures([*values, *pending.values()])
    changes = [wanted and is_pending(value) for value, wanted in pairs] + [True] * len(pending)
    replaced = tuple(
        from_delayed(delayed(value), (), dtype=object) if change else value
        for value, change in zip(found, changes, strict=True)
    )
    call = LastAsKeywords(func, tuple(pending)) if pending else func
    return call, replaced, plain


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
