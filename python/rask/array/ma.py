"""Masked arrays: blocks are ``numpy.ma.MaskedArray``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.elementwise import elemwise

__all__ = [
    "asanyarray",
    "average",
    "count",
    "empty_like",
    "filled",
    "fix_invalid",
    "getdata",
    "getmaskarray",
    "masked_array",
    "masked_equal",
    "masked_greater",
    "masked_greater_equal",
    "masked_inside",
    "masked_invalid",
    "masked_less",
    "masked_less_equal",
    "masked_not_equal",
    "masked_outside",
    "masked_values",
    "masked_where",
    "nonzero",
    "ones_like",
    "set_fill_value",
    "where",
    "zeros_like",
]


def _empty(ndim: int, dtype: Any) -> np.ma.MaskedArray:
    return np.ma.masked_all((0,) * ndim, dtype=dtype)


def _masked(function: Callable, a: Any, *args: Any) -> Array:
    lazy = asanyarray(a)
    return map_blocks(
        function, lazy, *args, meta=_empty(lazy.ndim, lazy.dtype), token=function.__name__
    )


def _comparison(name: str) -> Callable:
    function = getattr(np.ma, name)

    def call(x: Any, value: Any, copy: bool = True) -> Array:
        if getattr(value, "shape", ()):
            raise ValueError(f"{name} takes a single value, not an array")
        return _masked(function, x, value)

    call.__name__ = name
    call.__doc__ = f"The array with elements masked as by ``numpy.ma.{name}``."
    return call


masked_equal = _comparison("masked_equal")
masked_greater = _comparison("masked_greater")
masked_greater_equal = _comparison("masked_greater_equal")
masked_less = _comparison("masked_less")
masked_less_equal = _comparison("masked_less_equal")
masked_not_equal = _comparison("masked_not_equal")


def masked_inside(x: Any, v1: Any, v2: Any) -> Array:
    """The array with elements between two values masked."""
    return _masked(np.ma.masked_inside, x, v1, v2)


def masked_outside(x: Any, v1: Any, v2: Any) -> Array:
    """The array with elements not between two values masked."""
    return _masked(np.ma.masked_outside, x, v1, v2)


def masked_invalid(a: Any) -> Array:
    """The array with nan and infinities masked."""
    return _masked(np.ma.masked_invalid, a)


def fix_invalid(a: Any, fill_value: Any = None) -> Array:
    """The array with nan and infinities masked and replaced by the fill value."""
    lazy = asanyarray(a)
    return map_blocks(
        np.ma.fix_invalid, lazy, fill_value=fill_value, meta=_empty(lazy.ndim, lazy.dtype)
    )


def masked_values(
    x: Any, value: Any, rtol: float = 1e-05, atol: float = 1e-08, shrink: bool = True
) -> Array:
    """The array with elements that are about a value masked."""
    lazy = asanyarray(x)
    return map_blocks(
        np.ma.masked_values, lazy, value, rtol=rtol, atol=atol, shrink=shrink,
        meta=_empty(lazy.ndim, lazy.dtype),
    )  # fmt: skip


def masked_where(condition: Any, a: Any) -> Array:
    """The array with elements masked where a condition holds."""
    mask, lazy = asanyarray(condition), asanyarray(a)
    if mask.shape != lazy.shape:
        raise IndexError(
            f"Inconsistent shape between the condition and the input (got {mask.shape} and "
            f"{lazy.shape})"
        )
    return map_blocks(np.ma.masked_where, mask, lazy, meta=_empty(lazy.ndim, lazy.dtype))


def masked_array(
    data: Any, mask: Any = np.ma.nomask, fill_value: Any = None, **kwargs: Any
) -> Array:
    """A masked array of data and a mask; see ``numpy.ma.masked_array``."""
    lazy = asanyarray(data)
    dtype = np.dtype(kwargs.pop("dtype", lazy.dtype))
    meta = _empty(lazy.ndim, dtype)
    if mask is np.ma.nomask:
        return map_blocks(_mask_block, lazy, None, fill_value, dtype, meta=meta)
    cover = asanyarray(mask)
    if cover.size == 1:
        cover = cover.reshape(()) if cover.ndim else cover
    elif cover.shape != lazy.shape:
        raise np.ma.MaskError(
            f"Mask and data not compatible: data shape is {lazy.shape}, mask shape is {cover.shape}."
        )
    return map_blocks(_mask_block, lazy, cover, fill_value, dtype, meta=meta)


def _mask_block(data: Any, mask: Any, fill_value: Any, dtype: Any) -> Any:
    cover = np.ma.nomask if mask is None else np.broadcast_to(mask, data.shape)
    return np.ma.masked_array(data, mask=cover, fill_value=fill_value, dtype=dtype)


def filled(a: Any, fill_value: Any = None) -> Array:
    """The array with masked elements replaced by a value."""
    lazy = asanyarray(a)
    return map_blocks(_filled_block, lazy, fill_value, dtype=lazy.dtype, token="filled")


def _filled_block(block: Any, fill_value: Any) -> Any:
    return np.ma.filled(block, fill_value)


def getdata(a: Any) -> Array:
    """The data under the mask."""
    lazy = asanyarray(a)
    return map_blocks(np.ma.getdata, lazy, dtype=lazy.dtype, token="getdata")


def getmaskarray(a: Any) -> Array:
    """Where elements are masked."""
    return map_blocks(np.ma.getmaskarray, asanyarray(a), dtype=bool, token="getmaskarray")


def set_fill_value(a: Array, fill_value: Any) -> None:
    """Sets the fill value of an array, in place."""
    a._replace(map_blocks(_with_fill_value, a, fill_value, meta=_empty(a.ndim, a.dtype)))


def _with_fill_value(block: Any, fill_value: Any) -> Any:
    block = np.ma.array(block, copy=True)
    block.set_fill_value(fill_value)
    return block


def count(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None) -> Array:
    """How many elements are not masked over axes."""
    seen = ~getmaskarray(a)
    return seen.sum(axis=axis, keepdims=keepdims, split_every=split_every)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """Weighted average of the elements that are not masked."""
    seen = ~getmaskarray(a)
    heavy = seen.astype(float) if weights is None else asanyarray(weights) * seen
    total = heavy.sum(axis=axis, keepdims=keepdims)
    result = (filled(a, 0) * heavy).sum(axis=axis, keepdims=keepdims) / total
    return (result, total) if returned else result


def nonzero(a: Any) -> tuple[Array, ...]:
    """Positions of the elements that are neither zero nor masked."""
    from rask.array.searching import nonzero as positions

    return positions(filled(a, 0))


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Elements of ``x`` where the condition holds, of ``y`` elsewhere, masks kept."""
    if (x is None) != (y is None):
        raise ValueError("either both or neither of x and y should be given")
    if x is None:
        return nonzero(condition)
    return elemwise(np.ma.where, condition, x, y, name="where")


def _like(function: Callable, a: Any, kwargs: dict) -> Array:
    lazy = asanyarray(a)
    return map_blocks(
        function, lazy, meta=_empty(lazy.ndim, kwargs.get("dtype", lazy.dtype)), **kwargs
    )


def ones_like(a: Any, **kwargs: Any) -> Array:
    """Ones with the mask of an array."""
    return _like(np.ma.ones_like, a, kwargs)


def zeros_like(a: Any, **kwargs: Any) -> Array:
    """Zeros with the mask of an array."""
    return _like(np.ma.zeros_like, a, kwargs)


def empty_like(a: Any, **kwargs: Any) -> Array:
    """Values that mean nothing with the mask of an array."""
    return _like(np.ma.empty_like, a, kwargs)
