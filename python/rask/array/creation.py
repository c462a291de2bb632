"""Arrays out of nothing, and out of things that are no lazy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core
from rask.array.chunks import normalize_chunks
from rask.array.core import Array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "fromfunction",
    "full",
    "full_like",
    "indices",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tri",
    "zeros",
    "zeros_like",
]


def shape_tuple(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of lengths, refused when one is negative or no integer.

    Raises
    ------
    TypeError, ValueError
        As NumPy does for such shapes.
    """
    lengths = tuple(shape) if isinstance(shape, (Iterable, np.ndarray)) else (shape,)
    for length in lengths:
        if isinstance(length, (float, np.floating)) and length != length:
            raise ValueError("an array cannot be made with an unknown length")
        if not isinstance(length, (int, np.integer)) and not (
            isinstance(length, (float, np.floating)) and float(length).is_integer()
        ):
            raise TypeError(f"{length!r} in shape {lengths} is not an integer")
        if length < 0:
            raise ValueError("negative dimensions are not allowed")
    return tuple(int(length) for length in lengths)


def filled(
    shape: Any, value: Any, dtype: DTypeLike | None, chunks: Any, name: str | None = None
) -> Array:
    """An array with the same value everywhere."""
    lengths = shape_tuple(shape)
    to = np.asarray(value).dtype if dtype is None else np.dtype(dtype)
    blocks = normalize_chunks(chunks, lengths, dtype=to)
    return Array(_core.ArrayExpr.full(lengths, blocks, to, value))


def _refuse_unknown(kwargs: dict, function: str) -> None:
    like = kwargs.pop("like", None)
    kwargs.pop("meta", None)
    kwargs.pop("order", None)
    kwargs.pop("subok", None)
    if kwargs:
        raise TypeError(f"{function}() got an unexpected keyword argument {next(iter(kwargs))!r}")
    if like is not None and not isinstance(like, (np.ndarray, Array)):
        raise NotImplementedError(f"{function}(like=) takes a NumPy array")


def ones(
    shape: Any,
    dtype: DTypeLike | None = None,
    chunks: Any = "auto",
    name: str | None = None,
    **kwargs: Any,
) -> Array:
    """An array of ones.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
        ``float64`` if not given.
    chunks : int, tuple, dict or str
        Blocks; see ``rask.array.core.normalize_chunks``.
    name : str, optional
        Accepted as in Dask.

    Examples
    --------
    >>> import rask.array as da
    >>> da.ones(3, chunks=2).compute()
    array([1., 1., 1.])
    """
    _refuse_unknown(kwargs, "ones")
    return filled(shape, 1, dtype or float, chunks, name)


def zeros(
    shape: Any,
    dtype: DTypeLike | None = None,
    chunks: Any = "auto",
    name: str | None = None,
    **kwargs: Any,
) -> Array:
    """An array of zeros. Parameters as of ``ones``."""
    _refuse_unknown(kwargs, "zeros")
    return filled(shape, 0, dtype or float, chunks, name)


def empty(
    shape: Any,
    dtype: DTypeLike | None = None,
    chunks: Any = "auto",
    name: str | None = None,
    **kwargs: Any,
) -> Array:
    """An array whose values mean nothing (they are zeros). Parameters as of ``ones``."""
    _refuse_unknown(kwargs, "empty")
    return filled(shape, 0, dtype or float, chunks, name)


def full(
    shape: Any,
    fill_value: Any,
    dtype: DTypeLike | None = None,
    chunks: Any = "auto",
    name: str | None = None,
    **kwargs: Any,
) -> Array:
    """An array with one value everywhere.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : scalar
    dtype : dtype, optional
        That of ``fill_value`` if not given.
    chunks, name
        As of ``ones``.
    """
    _refuse_unknown(kwargs, "full")
    if np.ndim(fill_value) != 0:
        raise ValueError(
            f"fill_value must be scalar. Received {type(fill_value).__name__} instead."
        )
    return filled(shape, fill_value, dtype, chunks, name)


def _like(
    a: Any, value: Any, dtype: DTypeLike | None, chunks: Any, shape: Any, name: str | None
) -> Array:
    lazy = asarray(a)
    if chunks is None:
        chunks = lazy.chunks if shape is None else "auto"
    if shape is None and any(length != length for length in lazy.shape):
        from rask.array.blocks import map_blocks

        return map_blocks(np.full_like, lazy, value, dtype=dtype or lazy.dtype)
    return filled(lazy.shape if shape is None else shape, value, dtype or lazy.dtype, chunks, name)


def ones_like(
    a: Any,
    dtype: DTypeLike | None = None,
    order: str = "C",
    chunks: Any = None,
    name: str | None = None,
    shape: Any = None,
) -> Array:
    """Ones in the shape, type and blocks of another array."""
    return _like(a, 1, dtype, chunks, shape, name)


def zeros_like(
    a: Any,
    dtype: DTypeLike | None = None,
    order: str = "C",
    chunks: Any = None,
    name: str | None = None,
    shape: Any = None,
) -> Array:
    """Zeros in the shape, type and blocks of another array."""
    return _like(a, 0, dtype, chunks, shape, name)


def empty_like(
    a: Any,
    dtype: DTypeLike | None = None,
    order: str = "C",
    chunks: Any = None,
    name: str | None = None,
    shape: Any = None,
) -> Array:
    """Values that mean nothing in the shape, type and blocks of another array."""
    return _like(a, 0, dtype, chunks, shape, name)


def full_like(
    a: Any,
    fill_value: Any,
    order: str = "C",
    dtype: DTypeLike | None = None,
    chunks: Any = None,
    name: str | None = None,
    shape: Any = None,
) -> Array:
    """One value everywhere in the shape, type and blocks of another array."""
    return _like(a, fill_value, dtype, chunks, shape, name)


def arange(
    start: Any = 0,
    stop: Any = None,
    step: Any = 1,
    *,
    chunks: Any = "auto",
    like: Any = None,
    dtype: DTypeLike | None = None,
    **kwargs: Any,
) -> Array:
    """Evenly spaced values from ``start`` up to, not including, ``stop``.

    Parameters
    ----------
    start, stop, step : number
        As of ``numpy.arange``; a single argument is ``stop``.
    chunks : int, tuple or str
        Blocks.
    dtype : dtype, optional
        That of ``numpy.arange`` if not given.

    Examples
    --------
    >>> import rask.array as da
    >>> da.arange(2, 8, 3, chunks=1).compute()
    array([2, 5])
    """
    _refuse_unknown({**kwargs, "like": like}, "arange")
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ZeroDivisionError("arange needs a step other than zero")
    length = max(0, math.ceil((stop - start) / step))
    if dtype is None:
        dtype = np.arange(start, stop, step * length if length else step).dtype
    to = np.dtype(dtype)
    blocks = normalize_chunks(chunks, (length,), dtype=to)
    if to.kind in "iufc" and not isinstance(start, np.datetime64):
        return Array(_core.ArrayExpr.arange(start, step, length, blocks, to))
    return from_numpy(np.arange(start, stop, step, dtype=to), blocks)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    chunks: Any = "auto",
    dtype: DTypeLike | None = None,
) -> Any:
    """``num`` evenly spaced values from ``start`` to ``stop``.

    Parameters
    ----------
    start, stop : number
    num : int
    endpoint : bool
        Whether ``stop`` is the last value.
    retstep : bool
        Whether to return the spacing as well.
    chunks : int, tuple or str
        Blocks.
    dtype : dtype, optional
    """
    num = int(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    to = np.dtype(np.result_type(start, stop, 1.0) if dtype is None else dtype)
    blocks = normalize_chunks(chunks, (num,), dtype=to)
    result = Array(_core.ArrayExpr.linspace(start, stop, num, endpoint, blocks, to))
    if not retstep:
        return result
    intervals = num - 1 if endpoint else num
    return result, (stop - start) / intervals if intervals else float("nan")


def eye(
    N: int, chunks: Any = "auto", M: int | None = None, k: int = 0, dtype: DTypeLike = float
) -> Array:
    """Ones on a diagonal, zeros elsewhere.

    Parameters
    ----------
    N : int
        Number of rows.
    chunks : int or str
        Length of blocks along both axes.
    M : int, optional
        Number of columns; ``N`` if not given.
    k : int
        Which diagonal: above the main one if positive.
    dtype : dtype
    """
    columns = N if M is None else M
    to = np.dtype(dtype)
    blocks = normalize_chunks(chunks, shape_tuple((N, columns)), dtype=to)
    return Array(_core.ArrayExpr.eye(N, columns, k, blocks, to))


def tri(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: DTypeLike = float,
    chunks: Any = "auto",
    *,
    like: Any = None,
) -> Array:
    """Ones at and below a diagonal, zeros above."""
    columns = N if M is None else M
    rows_blocks, columns_blocks = normalize_chunks(chunks, (N, columns), dtype=dtype)
    rows = arange(N, chunks=(rows_blocks,)).reshape((N, 1))
    return (rows >= arange(-k, columns - k, chunks=(columns_blocks,))).astype(dtype)


def indices(dimensions: Sequence[int], dtype: DTypeLike = int, chunks: Any = "auto") -> Array:
    """The coordinates of every element of a grid: an array of shape ``(ndim, *dimensions)``."""
    from rask.array.joining import stack

    lengths = shape_tuple(dimensions)
    blocks = normalize_chunks(chunks, lengths, dtype=dtype)
    if not lengths:
        return empty((0,), dtype=dtype)
    grids = meshgrid(
        *[
            arange(length, dtype=dtype, chunks=(axis,))
            for length, axis in zip(lengths, blocks, strict=True)
        ],
        indexing="ij",
    )
    return stack(grids)


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy", **kwargs: Any) -> list[Array]:
    """Coordinate arrays of a grid from one array for each axis; see ``numpy.meshgrid``."""
    from rask.array.manipulation import broadcast_to

    kwargs.pop("copy", None)
    if kwargs:
        raise TypeError(f"unsupported keyword argument(s) {list(kwargs)} to meshgrid")
    if indexing not in ("xy", "ij"):
        raise ValueError("`indexing` must be `'xy'` or `'ij'`")
    axes = [asarray(x).reshape((-1,)) for x in xi]
    order = list(range(len(axes)))
    if indexing == "xy" and len(axes) > 1:
        order[0], order[1] = 1, 0
    grids = []
    for number, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[order[number]] = axis.shape[0]
        grids.append(axis.reshape(tuple(shape)))
    if sparse:
        return grids
    shape = [0] * len(axes)
    lengths: list[tuple] = [()] * len(axes)
    for number, axis in enumerate(axes):
        shape[order[number]], lengths[order[number]] = axis.shape[0], axis.chunks[0]
    return [broadcast_to(grid, tuple(shape), chunks=tuple(lengths)) for grid in grids]


def fromfunction(
    func: Callable,
    chunks: Any = "auto",
    shape: Any = None,
    dtype: DTypeLike | None = None,
    **kwargs: Any,
) -> Array:
    """An array of a function of the coordinates; see ``numpy.fromfunction``."""
    from rask.array.blocks import map_blocks

    to = np.dtype(dtype or float)
    blocks = normalize_chunks(chunks, shape_tuple(shape), dtype=to)
    return map_blocks(
        _CallOnCoordinates(func, to, blocks),
        chunks=blocks,
        dtype=to,
        token="fromfunction",
        **kwargs,
    )


class _CallOnCoordinates:
    def __init__(self, func: Callable, dtype: np.dtype, blocks: tuple) -> None:
        self.func, self.dtype = func, dtype

    def __call__(self, block_info: Any = None, **kwargs: Any) -> Any:
        ranges = [
            np.arange(start, stop, dtype=self.dtype)
            for start, stop in block_info[None]["array-location"]
        ]
        shape = block_info[None]["chunk-shape"]
        value = self.func(*np.meshgrid(*ranges, indexing="ij"), **kwargs)
        return np.broadcast_to(value, shape) if np.ndim(value) == 0 else value


def from_numpy(values: np.ndarray, blocks: Any, name: str | None = None) -> Array:
    """A NumPy array in blocks of the given lengths, as it is."""
    return Array(_core.ArrayExpr.from_numpy(values, blocks, name))


def asanyarray(
    a: Any,
    dtype: DTypeLike | None = None,
    order: str | None = None,
    *,
    like: Any = None,
    inline_array: bool = False,
) -> Array:
    """A lazy array of anything that NumPy makes an array of; arrays of other types stay as they are.

    Parameters
    ----------
    a : array-like
        Array, NumPy array, number, list (of lazy arrays too).
    dtype : dtype, optional
    """
    from rask.array.joining import stack
    from rask.array.sources import from_array

    if isinstance(a, Array):
        return a if dtype is None else a.astype(dtype)
    if hasattr(a, "to_dask_array"):
        return asanyarray(a.to_dask_array(), dtype)
    if type(a).__module__.split(".")[0] == "xarray" and hasattr(a, "data"):
        return asanyarray(a.data, dtype)
    if isinstance(a, (list, tuple)) and any(isinstance(part, Array) for part in flat_items(a)):
        return asanyarray(stack([asanyarray(part) for part in a]), dtype)
    source: Any = a
    if not isinstance(a, np.ndarray) and not hasattr(a, "__array_function__"):
        source = np.asarray(a, dtype=dtype, order=order)  # type: ignore[call-overload]
    elif dtype is not None:
        source = source.astype(dtype)
    return from_array(source, chunks=source.shape, getitem=None, asarray=False)


def flat_items(values: Any) -> Iterable[Any]:
    """The items of lists within lists."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from flat_items(value)
        else:
            yield value


def asarray(
    a: Any,
    allow_unknown_chunksizes: bool = False,
    dtype: DTypeLike | None = None,
    order: str | None = None,
    *,
    like: Any = None,
    **kwargs: Any,
) -> Array:
    """A lazy array of anything that NumPy makes an array of.

    Parameters
    ----------
    a : array-like
        Array, NumPy array, number, list (of lazy arrays too).
    dtype : dtype, optional
    """
    return asanyarray(a, dtype, order, like=like)


def array(
    object: ArrayLike,
    dtype: DTypeLike | None = None,
    copy: bool = True,
    order: str = "K",
    ndmin: int = 0,
    **kwargs: Any,
) -> Array:
    """As ``asarray``, with at least ``ndmin`` axes."""
    lazy = asarray(object, dtype=dtype)
    while lazy.ndim < ndmin:
        lazy = lazy[None, ...]
    return lazy


class FillBlock:
    """Makes blocks of one value where there is no native generator: objects, text, records."""

    def __init__(self, value: Any, dtype: np.dtype) -> None:
        self.value, self.dtype = value, dtype

    def __call__(self, block_id: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
        return np.full(shape, self.value, dtype=self.dtype)
