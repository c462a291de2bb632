"""Arrays widened at their edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.core import Array
from rask.array.creation import asanyarray, filled
from rask.array.joining import concatenate
from rask.array.manipulation import broadcast_to

__all__ = ["pad"]

_ACCEPTED = {
    "constant": {"constant_values": 0},
    "edge": {},
    "empty": {},
    "linear_ramp": {"end_values": 0},
    "maximum": {"stat_length": None},
    "mean": {"stat_length": None},
    "median": {"stat_length": None},
    "minimum": {"stat_length": None},
    "reflect": {"reflect_type": "even"},
    "symmetric": {"reflect_type": "even"},
    "wrap": {},
}


def _pairs(value: Any, ndim: int) -> list[tuple[Any, Any]]:
    """One pair for each axis of what may be a number, a pair, or pairs."""
    if isinstance(value, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in value.items():
            pairs[axis] = width if isinstance(width, tuple) else (width, width)
        return pairs
    if value is None or np.isscalar(value):
        return [(value, value)] * ndim
    array = np.asarray(value)
    if array.size == 1:
        return [(array.item(), array.item())] * ndim
    if array.shape == (2,):
        return [tuple(array.tolist())] * ndim
    if array.shape == (ndim, 1):
        return [(w[0], w[0]) for w in array.tolist()]
    if array.shape == (1, 2):
        return [tuple(array[0].tolist())] * ndim
    if array.shape != (ndim, 2):
        raise ValueError(
            f"operands could not be broadcast together with remapped shapes: {array.shape} and "
            f"({ndim}, 2)"
        )
    return [tuple(pair) for pair in array.tolist()]


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """An array widened at its edges; see ``numpy.pad``.

    Parameters
    ----------
    array : array-like
    pad_width : int, pair, sequence of pairs, or dict
        How many elements before and after, along each axis.
    mode : str or callable
        One of NumPy's modes, or a function of vectors as NumPy's.
    **kwargs
        Of the mode: ``constant_values``, ``end_values``, ``stat_length``, ``reflect_type``.

    Examples
    --------
    >>> import rask.array as da
    >>> da.pad(da.arange(3), 1, mode="edge").compute()
    array([0, 0, 1, 2, 2])
    """
    lazy = asanyarray(array)
    widths = [(int(a), int(b)) for a, b in _pairs(pad_width, lazy.ndim)]
    if any(width < 0 for pair in widths for width in pair):
        raise ValueError("index can't contain negative values")
    if callable(mode):
        return _by_function(lazy, widths, mode, kwargs)
    if mode not in _ACCEPTED:
        raise ValueError(f"mode {mode!r} is not supported; there are {sorted(_ACCEPTED)}")
    unknown = set(kwargs) - set(_ACCEPTED[mode])
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    options = {**_ACCEPTED[mode], **kwargs}
    if mode in ("mean", "maximum", "minimum", "median") and options["stat_length"] is None:
        parts = _statistics(lazy, mode)
        return _around(
            lazy, widths, lambda x, axis, width, end: _stretch(parts(x, axis), axis, width)
        )
    if mode in ("linear_ramp", "mean", "maximum", "minimum", "median") or (
        options.get("reflect_type") == "odd"
    ):
        return _through_numpy(lazy, widths, mode, options)
    values = _pairs(options.get("constant_values", 0), lazy.ndim)

    def side(x: Array, axis: int, width: int, end: bool) -> Array:
        if mode in ("constant", "empty"):
            shape = tuple(width if at == axis else n for at, n in enumerate(x.shape))
            chunks = tuple((width,) if at == axis else c for at, c in enumerate(x.chunks))
            return filled(shape, x.dtype.type(values[axis][end]), x.dtype, chunks)
        return _borrowed(x, axis, width, end, mode)

    return _around(lazy, widths, side)


def _around(lazy: Array, widths: list, side: Callable[[Array, int, int, bool], Array]) -> Array:
    for axis, (before, after) in enumerate(widths):
        parts = [lazy]
        if before:
            parts.insert(0, side(lazy, axis, before, False))
        if after:
            parts.append(side(lazy, axis, after, True))
        if len(parts) > 1:
            lazy = concatenate([part.astype(lazy.dtype) for part in parts], axis=axis)
    return lazy


def _stretch(x: Array, axis: int, width: int) -> Array:
    return broadcast_to(x, tuple(width if at == axis else n for at, n in enumerate(x.shape)))


def _statistics(lazy: Array, mode: str) -> Callable[[Array, int], Array]:
    def of(x: Array, axis: int) -> Array:
        if mode == "median":
            from rask.array.quantiles import median

            value = median(x, axis=axis, keepdims=True)
        else:
            short = {"mean": "mean", "maximum": "max", "minimum": "min"}[mode]
            value = getattr(x, short)(axis=axis, keepdims=True)
        if lazy.dtype.kind in "iu" and value.dtype.kind == "f":
            value = value.round()
        return value.astype(lazy.dtype)

    return of


def _borrowed(x: Array, axis: int, width: int, end: bool, mode: str) -> Array:
    """Elements for one side, taken from the array itself."""
    length = x.shape[axis]
    if not length:
        raise ValueError(
            f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
        )
    index = (slice(None),) * axis
    if mode == "edge":
        edge = x[(*index, slice(length - 1, length) if end else slice(0, 1))]
        return _stretch(edge, axis, width)
    places = np.arange(length, length + width) if end else np.arange(-width, 0)
    if mode == "wrap":
        places = places % length
    elif mode == "symmetric":
        places = places % (2 * length)
        places = np.where(places >= length, 2 * length - 1 - places, places)
    else:
        period = max(1, 2 * (length - 1))
        places = places % period
        places = np.where(places >= length, period - places, places)
    return x[(*index, places)]


def _through_numpy(lazy: Array, widths: list, mode: str, options: dict) -> Array:
    """Axis by axis, each put into one block and padded by NumPy."""
    for axis, pair in enumerate(widths):
        if pair == (0, 0):
            continue
        whole = lazy.rechunk({axis: -1})
        chunks = list(whole.chunks)
        chunks[axis] = (whole.shape[axis] + sum(pair),)
        one = {
            name: _pairs(value, lazy.ndim)
            if name in ("end_values", "stat_length") and value is not None
            else value
            for name, value in options.items()
        }
        lazy = map_blocks(
            _pad_block,
            whole,
            axis=axis,
            pair=pair,
            mode=mode,
            options=one,
            dtype=lazy.dtype,
            chunks=tuple(chunks),
            token="pad",
        )
    return lazy


def _pad_block(block: Any, axis: int, pair: tuple, mode: str, options: dict) -> Any:
    widths = [pair if at == axis else (0, 0) for at in range(block.ndim)]
    return np.pad(block, widths, mode=mode, **options)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _by_function(lazy: Array, widths: list, mode: Callable, kwargs: dict) -> Array:
    for axis, pair in enumerate(widths):
        whole = pad(lazy, [pair if at == axis else (0, 0) for at in range(lazy.ndim)])
        whole = whole.rechunk({axis: -1})
        lazy = map_blocks(
            _pad_function_block,
            whole,
            mode=mode,
            axis=axis,
            pair=pair,
            kw=kwargs,
            dtype=lazy.dtype,
            token="pad",
        )
    return lazy


def _pad_function_block(block: Any, mode: Callable, axis: int, pair: tuple, kw: dict) -> Any:
    block = block.copy()

    def call(vector: np.ndarray) -> np.ndarray:
        changed = mode(vector, pair, axis, kw)
        return vector if changed is None else changed

    return np.apply_along_axis(call, axis, block)
