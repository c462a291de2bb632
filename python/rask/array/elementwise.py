"""Elementwise functions of arrays: native kernels where there are some, NumPy's otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core
from rask.array.core import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["astype", "elemwise"]

_SCALARS = (bool, int, float, complex, np.generic)


#: Functions for which a Python integer need not fit the type of the array it meets.
_COMPARISONS = frozenset(
    ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal", "logical_and",
     "logical_or", "logical_xor")
)  # fmt: skip


def _check_integers(given: list[Any]) -> None:
    """Refuses Python integers that the integer type of the arrays cannot hold, as NumPy does."""
    integers = [value for value in given if type(value) is int]
    if not integers:
        return
    dtypes = [value.dtype for value in given if hasattr(value, "dtype")]
    joint = np.result_type(*dtypes) if dtypes and all(d.kind in "iu" for d in dtypes) else None
    if joint is not None and joint.kind in "iu":
        for value in integers:
            joint.type(value)


def operands(values: tuple) -> list[Any]:
    """Arrays as lazy arrays, scalars as they are; no arrays of length-one axes are made of scalars."""
    from rask.array.creation import asanyarray

    return [
        value
        if isinstance(value, (Array, *_SCALARS, str, bytes)) or value is None
        else asanyarray(value)
        for value in values
    ]


def check_broadcast(arrays: list[Array]) -> None:
    """Refuses arrays whose shapes do not broadcast, in NumPy's words."""
    if len(arrays) < 2:
        return
    width = max(array.ndim for array in arrays)
    for axis in range(1, width + 1):
        lengths = {array.shape[-axis] for array in arrays if array.ndim >= axis}
        lengths = {length for length in lengths if length == length and length != 1}
        if len(lengths) > 1:
            shapes = " ".join(str(array.shape).replace(" ", "") for array in arrays)
            raise ValueError(f"operands could not be broadcast together with shapes {shapes}")


def apply(
    name: str, func: Callable, values: tuple, dtype: DTypeLike | None = None, **kwargs: Any
) -> Array:
    """A ufunc of arrays and scalars by its native kernel, else by calling ``func`` on the blocks.

    Parameters
    ----------
    name : str
        NumPy's name of the ufunc.
    func : callable
        The ufunc itself.
    values : tuple
        Arrays and scalars.
    dtype : dtype, optional
        Type to compute in, as of NumPy's ufuncs.
    **kwargs
        Other arguments of the ufunc; they rule out the native kernel.
    """
    given = operands(values)
    check_broadcast([value for value in given if isinstance(value, Array)])
    if name not in _COMPARISONS:
        _check_integers(given)
    if not kwargs:
        inputs = [value._expr if isinstance(value, Array) else value for value in given]
        expr = _core.ArrayExpr.elementwise(name, inputs, None if dtype is None else np.dtype(dtype))
        if expr is not None:
            return Array(expr)
    if dtype is not None:
        func = functools.partial(func, dtype=np.dtype(dtype))
    return elemwise(func, *given, name=name, **kwargs)


def elemwise(
    op: Callable,
    *args: Any,
    out: Array | None = None,
    where: Any = True,
    dtype: DTypeLike | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> Array:
    """Calls an elementwise function on blocks of arrays that broadcast against each other.

    Parameters
    ----------
    op : callable
        Takes blocks and scalars, and returns a block of their broadcast shape.
    *args
        Arrays and scalars.
    out : Array, optional
        Array that becomes the result.
    where : Array or bool
        Where to compute; elsewhere the elements of ``out`` stay.
    dtype : dtype, optional
        Type of the result's elements; found by calling ``op`` on empty blocks otherwise.
    name : str, optional
        Label of the layer.

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> da.core.elemwise(np.hypot, da.full(2, 3.0), 4.0).compute()
    array([5., 5.])
    """
    from rask.array import ufunc
    from rask.array.blockwise_calls import blockwise

    given = operands(args)
    arrays = [value for value in given if isinstance(value, Array)]
    check_broadcast(arrays)
    width = max((array.ndim for array in arrays), default=0)
    pairs: list[Any] = []
    for value in given:
        ind = tuple(range(width))[width - value.ndim :] if isinstance(value, Array) else None
        pairs += [value, ind]
    label = name or getattr(op, "__name__", None) or type(op).__name__
    result = blockwise(op, tuple(range(width)), *pairs, token=label, dtype=dtype, **kwargs)
    if where is not True:
        if out is None:
            raise ValueError("where= needs out=: the elements that are not computed come from it")
        result = ufunc.choose_where(where, result, out)
    return handle_out(out, result)


def handle_out(out: Any, result: Array) -> Array:
    """Makes ``out`` the result, as NumPy's ``out=`` does; refuses what does not fit."""
    if isinstance(out, tuple):
        if len(out) != 1:
            raise NotImplementedError("out= takes one array")
        out = out[0]
    if out is None:
        return result
    if not isinstance(out, Array):
        raise NotImplementedError(f"out= takes an array of rask.array, not {type(out).__name__}")
    if out.shape != result.shape:
        raise ValueError(f"out has shape {out.shape}, the result has shape {result.shape}")
    out._replace(result)
    return out


def astype(x: Array, dtype: DTypeLike, casting: str = "unsafe", **kwargs: Any) -> Array:
    """The array with its elements cast to ``dtype``; see ``Array.astype``."""
    if kwargs.keys() - {"order", "subok", "copy"}:
        raise TypeError(f"astype has no arguments {sorted(kwargs)}")
    to = np.dtype(dtype)
    if to == x.dtype:
        return x
    if not np.can_cast(x.dtype, to, casting=casting):  # type: ignore[arg-type]
        raise TypeError(
            f"Cannot cast array data from {x.dtype!r} to {to!r} according to the rule {casting!r}"
        )
    drops_parts = x.dtype.kind == "c" and to.kind not in "cb"
    native = None if drops_parts else x._expr.astype(to)
    return Array(native) if native is not None else _cast_blocks(x, to)


def _cast_blocks(x: Array, to: np.dtype) -> Array:
    from rask.array.blocks import map_blocks

    meta = x._meta
    foreign = None if type(meta) is np.ndarray else meta.astype(to)
    return map_blocks(_cast_block, x, to, dtype=to, meta=foreign, token="astype")


def _cast_block(block: Any, to: np.dtype) -> Any:
    return block.astype(to)
