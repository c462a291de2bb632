"""Arrays whose blocks are read from something that can be indexed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from rask import _core
from rask.array.chunks import normalize_chunks
from rask.array.core import Array

__all__ = ["from_array", "getter"]


class SourceReader:
    """Reads a region of a foreign array: what the blocks of ``from_array`` call.

    Parameters
    ----------
    source : object
        Has ``__getitem__`` for tuples of slices.
    getitem : callable, optional
        ``getitem(source, index)`` instead of ``source[index]``.
    asarray : bool
        Whether regions are made NumPy arrays.
    lock : context manager, optional
        Held while reading.
    """

    __slots__ = ("asarray", "getitem", "lock", "source")

    def __init__(self, source: Any, getitem: Callable | None, asarray: bool, lock: Any) -> None:
        self.source, self.getitem, self.asarray, self.lock = source, getitem, asarray, lock

    def __getstate__(self) -> tuple:
        return self.source, self.getitem, self.asarray, self.lock

    def __setstate__(self, state: tuple) -> None:
        self.source, self.getitem, self.asarray, self.lock = state

    def __call__(self, index: tuple) -> Any:
        with self.lock or nullcontext():
            region = self.getitem(self.source, index) if self.getitem else self.source[index]
            return np.asarray(region) if self.asarray else region


def getter(a: Any, b: Any, asarray: bool = True, lock: Any = None) -> Any:
    """Reads the region ``b`` of ``a``."""
    return SourceReader(a, None, asarray, lock)(b)


def lock_of(lock: Any) -> Any:
    if lock is True:
        from rask.utils import SerializableLock

        return SerializableLock()
    return lock or None


def _native_chunks(x: Any) -> Any:
    chunks = getattr(x, "chunks", None)
    if chunks is None or isinstance(x, np.ndarray):
        return None
    return chunks


def from_array(
    x: Any,
    chunks: Any = "auto",
    name: str | bool | None = None,
    lock: Any = False,
    asarray: bool | None = None,
    fancy: bool = True,
    getitem: Callable | None = None,
    meta: Any = None,
    inline_array: bool = False,
) -> Array:
    """An array whose blocks are regions of something that looks like an array.

    Parameters
    ----------
    x : array-like
        NumPy array, list, number, or an object with ``shape``, ``dtype``, ``ndim`` and indexing by
        slices: a Zarr array, an HDF5 dataset, a memory-mapped file.
    chunks : int, tuple, dict or str
        Blocks; ``"auto"`` prefers multiples of ``x.chunks``.
    name : str or bool, optional
        Name of the layer. ``False`` makes a fresh name without looking at the data.
    lock : bool or lock
        Held while a block is read; ``True`` makes one for this array.
    asarray : bool, optional
        Whether regions are made NumPy arrays; by default unless ``x`` has NumPy's
        ``__array_function__``.
    fancy : bool
        Accepted as in Dask: lists of indices are applied to what was read.
    getitem : callable, optional
        ``getitem(x, index)`` instead of ``x[index]``.
    meta : array-like, optional
        Empty block of the type that reading gives.
    inline_array : bool
        Accepted as in Dask: Rask always keeps ``x`` once, beside the layer.

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> da.from_array(np.arange(5), chunks=2)[1:4].compute()
    array([1, 2, 3])
    """
    if isinstance(x, Array):
        raise ValueError("Array is already a rask array. Use 'asarray' or 'rechunk' instead.")
    if type(x).__module__.split(".")[0] == "xarray" and hasattr(x, "data"):
        x = x.data
        if isinstance(x, Array):
            return x.rechunk(chunks)
    if isinstance(x, (list, tuple, memoryview, *np.ScalarType)):
        x = np.asarray(x)
    for needed in ("shape", "dtype"):
        if not hasattr(x, needed):
            raise TypeError(
                f"from_array takes an object with shape, dtype and indexing; {type(x).__name__} has "
                f"no {needed}"
            )
    shape = tuple(int(length) for length in x.shape)
    dtype = np.dtype(x.dtype)
    blocks = normalize_chunks(chunks, shape, dtype=dtype, previous_chunks=_previous(x, shape))
    token = name if isinstance(name, str) else _fresh_name() if name is False else None
    plain = type(x) is np.ndarray and getitem is None and not lock
    if plain:
        return Array(_core.ArrayExpr.from_numpy(x, blocks, token))
    if asarray is None:
        asarray = not hasattr(x, "__array_function__")
    if isinstance(x, np.memmap) and meta is None:
        asarray = True
    if not asarray and meta is None:
        meta = _empty_like_source(x)
    if isinstance(x, np.generic):
        return Array(_core.ArrayExpr.from_numpy(np.asarray(x), blocks, token))
    reader = SourceReader(x, getitem, asarray, lock_of(lock))
    return Array(
        _core.ArrayExpr.from_source(
            reader, blocks, dtype, token or _name_of(x, blocks), _foreign(meta)
        )
    )


def _previous(x: Any, shape: tuple) -> Any:
    chunks = _native_chunks(x)
    if chunks is None or len(chunks) != len(shape):
        return None
    return tuple(
        tuple(int(length) for length in axis)
        if isinstance(axis, (tuple, list))
        else _regular(int(axis), length)
        for axis, length in zip(chunks, shape, strict=True)
    )


def _regular(block: int, length: int) -> tuple[int, ...]:
    if not length or not block:
        return (length,)
    full, rest = divmod(length, block)
    return (block,) * full + ((rest,) if rest else ())


def _fresh_name() -> str:
    import uuid

    return f"array-{uuid.uuid4().hex}"


def _name_of(x: Any, blocks: tuple) -> str:
    from rask.base import tokenize

    return f"array-{tokenize(x, blocks)}"


def _empty_like_source(x: Any) -> Any:
    try:
        region = x[tuple(slice(0, 0) for _ in x.shape)]
    except Exception:
        return None
    return region if getattr(region, "ndim", None) == len(x.shape) else None


def _foreign(meta: Any) -> Any:
    if meta is None or type(meta) is np.ndarray or isinstance(meta, type):
        return None
    return meta
