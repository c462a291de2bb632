"""Functions called on blocks that indices put together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core
from rask._pending import LastAsKeywords, is_pending, split_keywords
from rask.array.core import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
from rask.array.metas import (
    apply_infer_dtype,
    empty_of,
    foreign_meta,
    infer_meta,
    label_of,
    meta_of_width,
)

__all__ = ["atop", "blockwise"]


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
    given = without_pending(func, args[::2], kwargs, dtype, meta, [i is None for i in args[1::2]])
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


def without_pending(
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
