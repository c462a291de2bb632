"""How an array is cut into blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from rask.array.core import Array

__all__ = ["normalize_chunks", "rechunk", "unify_chunks"]

Chunks = tuple[tuple[int, ...], ...]

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}


def product(lengths: Iterable[Any]) -> Any:
    """Product of lengths, ``nan`` when one of them is."""
    total: Any = 1
    for length in lengths:
        total *= length
    return total


def parse_bytes(text: float | str) -> int:
    """A number of bytes written as people do: ``"128 MiB"``, ``"1e6"``, ``1000``.

    Raises
    ------
    ValueError
        When the text is not a number with a known unit.
    """
    if not isinstance(text, str):
        return int(text)
    compact = text.replace(" ", "")
    digits = len(compact)
    while digits and not (compact[digits - 1].isdigit() or compact[digits - 1] == "."):
        digits -= 1
    unit = compact[digits:].lower()
    binary = unit.endswith("ib")
    scale = unit.removesuffix("ib") if binary else unit.removesuffix("b")
    try:
        factor = _UNITS[scale]
        if binary:
            factor = 1024 ** {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}[scale]
        return int(float(compact[:digits] or "1") * factor)
    except (KeyError, ValueError):
        raise ValueError(f"{text!r} is not a number of bytes such as '128 MiB'") from None


def default_block_bytes() -> int:
    """Size of a block that ``"auto"`` aims at: the configuration's ``array.chunk-size``."""
    from rask import config

    return parse_bytes(config.get("array.chunk-size", "128MiB"))


def normalize_chunks(
    chunks: Any,
    shape: tuple[int, ...] | None = None,
    limit: float | str | None = None,
    dtype: DTypeLike | None = None,
    previous_chunks: Chunks | None = None,
) -> Chunks:
    """Block lengths in full from any way of giving them.

    Parameters
    ----------
    chunks : int, tuple, dict, "auto" or a number of bytes as text
        A length for all axes; a length or tuple of lengths for each axis; a dict from axis to
        either. ``-1`` or ``None`` is one block along the axis. ``"auto"`` chooses lengths so that a
        block has about ``limit`` bytes.
    shape : tuple of int, optional
        Lengths of the axes; may be left out when ``chunks`` has all lengths in full.
    limit : int or str, optional
        Bytes of a block for ``"auto"``; the configuration's ``array.chunk-size`` otherwise.
    dtype : dtype, optional
        Type of the elements, needed for ``"auto"``.
    previous_chunks : tuple of tuples of int, optional
        Blocks the array has now; ``"auto"`` prefers multiples of them.

    Returns
    -------
    tuple of tuples of int

    Raises
    ------
    ValueError
        When the lengths do not add up to the shape, or ``chunks`` makes no sense.

    Examples
    --------
    >>> from rask.array.chunks import normalize_chunks
    >>> normalize_chunks((2, -1), shape=(5, 6))
    ((2, 2, 1), (6,))
    """
    if chunks is None:
        raise ValueError("chunks must be given: an int, a tuple, a dict or 'auto'")
    if shape is None:
        if not isinstance(chunks, tuple) or not all(isinstance(axis, tuple) for axis in chunks):
            raise ValueError("without a shape, chunks must be a tuple of tuples of block lengths")
        shape = tuple(sum(lengths) for lengths in chunks)
    if isinstance(chunks, str) and chunks != "auto":
        limit, chunks = parse_bytes(chunks), "auto"
    if isinstance(chunks, (list, np.ndarray)):
        chunks = tuple(chunks)
    if isinstance(chunks, dict):
        chunks = _dict_chunks(chunks, len(shape))
    if isinstance(chunks, tuple):
        chunks = tuple(
            tuple(axis) if isinstance(axis, (list, np.ndarray)) else axis for axis in chunks
        )
        if len(shape) == 1 and len(chunks) > 1 and all(_is_number(axis) for axis in chunks):
            chunks = (chunks,)
    bytes_max = default_block_bytes() if limit is None else parse_bytes(limit)
    return _core.normalize_chunks(
        chunks, shape, bytes_max, None if dtype is None else np.dtype(dtype), previous_chunks
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating))


def _dict_chunks(chunks: dict, ndim: int) -> tuple:
    for axis in chunks:
        if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
            raise ValueError(f"chunks has axis {axis!r}, but the array has {ndim} axes")
    positive = {int(axis) % ndim: spec for axis, spec in chunks.items()}
    return tuple(positive.get(axis, -1) for axis in range(ndim))


def rechunk(
    x: Array,
    chunks: Any = "auto",
    threshold: int | None = None,
    block_size_limit: int | None = None,
    balance: bool = False,
    method: str | None = None,
) -> Array:
    """The same array in other blocks.

    Parameters
    ----------
    x : Array
    chunks : int, tuple, dict or str
        The new blocks; axes a dict leaves out keep theirs. ``-1`` is one block along an axis, ``None``
        the blocks of now, ``"auto"`` about ``block_size_limit`` bytes a block.
    threshold : int, optional
        Accepted as in Dask: Rask moves each block's parts once, and takes intermediate steps only
        where there are several hundred thousand of them.
    block_size_limit : int, optional
        Bytes of a block for ``"auto"``.
    balance : bool
        Makes block lengths along an axis as equal as their number allows.
    method : {"tasks", "p2p"}, optional
        Accepted as in Dask; there is one method.

    Examples
    --------
    >>> import rask.array as da
    >>> da.ones((6, 6), chunks=(3, 3)).rechunk({0: -1}).chunks
    ((6,), (3, 3))
    """
    from rask.array.core import Array

    if method not in (None, "tasks", "p2p"):
        raise NotImplementedError(f"rechunk has no method {method!r}; use 'tasks' or 'p2p'")
    if isinstance(chunks, dict):
        if not x.ndim and chunks:
            raise ValueError("chunks names axes of an array without any")
        kept = {axis: lengths for axis, lengths in enumerate(x.chunks)}
        given = {
            (axis % x.ndim if -x.ndim <= axis < x.ndim else axis): spec
            for axis, spec in chunks.items()
            if spec is not None
        }
        chunks = {**kept, **given}
    elif isinstance(chunks, (tuple, list)) and len(chunks) == x.ndim:
        chunks = tuple(x.chunks[axis] if spec is None else spec for axis, spec in enumerate(chunks))
    if x.ndim and not balance and tuple(x.chunks) == chunks:
        return x
    _check_known(x, chunks)
    new = normalize_chunks(chunks, x.shape, block_size_limit, x.dtype, x.chunks)
    if balance:
        new = tuple(_balanced(lengths) for lengths in new)
    if new == x.chunks:
        return x
    return Array(x._expr.rechunk(new))


def _check_known(x: Array, chunks: Any) -> None:
    if not any(length != length for length in x.shape):
        return
    for axis, lengths in enumerate(x.chunks):
        asked = chunks.get(axis) if isinstance(chunks, dict) else None
        if lengths[0] == lengths[0] or asked == lengths or asked is lengths:
            continue
        raise ValueError(
            f"axis {axis} has blocks of unknown lengths and cannot be rechunked; "
            "call compute_chunk_sizes() first"
        )


def _balanced(lengths: tuple[int, ...]) -> tuple[int, ...]:
    total, count = sum(lengths), len(lengths)
    if count <= 1 or not total:
        return lengths
    length = math.ceil(total / count)
    full, rest = divmod(total, length)
    return (length,) * full + ((rest,) if rest else ())


def unify_chunks(*args: Any, **kwargs: Any) -> tuple[dict, list[Array]]:
    """Rechunks arrays so that their blocks agree along the indices they share.

    Parameters
    ----------
    *args
        Arrays and their indices in turn: ``unify_chunks(x, "ij", y, "jk")``.

    Returns
    -------
    chunks : dict
        Block lengths of each index.
    arrays : list of Array
        The arrays in their new blocks.
    """
    from rask.array.blockwise_calls import numbered_indices, unified
    from rask.array.creation import asanyarray

    if len(args) % 2:
        raise TypeError("unify_chunks takes arrays and their indices in turn")
    warn = kwargs.pop("warn", True)
    if kwargs:
        raise TypeError(f"unify_chunks has no arguments {sorted(kwargs)}; warn={warn} is accepted")
    arrays = [
        None if ind is None else asanyarray(a)
        for a, ind in zip(args[::2], args[1::2], strict=False)
    ]
    indices = list(args[1::2])
    numbers = numbered_indices(indices)
    lined_up = iter(
        unified(
            [
                (array, tuple(numbers[label] for label in ind))
                for array, ind in zip(arrays, indices, strict=True)
                if array is not None
            ]
        )
    )
    result = [args[2 * at] if array is None else next(lined_up) for at, array in enumerate(arrays)]
    lengths: dict = {}
    for array, ind in zip(result, indices, strict=True):
        if ind is None:
            continue
        for label, axis_lengths in zip(ind, array.chunks, strict=True):
            if label not in lengths or lengths[label] == (1,):
                lengths[label] = axis_lengths
    return lengths, result


def measured_chunks(x: Array) -> Chunks:
    """The array's block lengths, computed where they are not known."""
    from rask.array.blocks import map_blocks

    if not any(length != length for lengths in x.chunks for length in lengths):
        return x.chunks
    shapes = map_blocks(
        _shape_of_block,
        x,
        ndim=x.ndim,
        dtype=np.int64,
        chunks=(*((1,) * count for count in x.numblocks), (x.ndim,)),
        new_axis=x.ndim,
        name="shape",
    ).compute()
    lengths = []
    for axis in range(x.ndim):
        first = tuple(slice(None) if other == axis else 0 for other in range(x.ndim))
        lengths.append(tuple(int(length) for length in shapes[first][:, axis]))
    return tuple(lengths)


def _shape_of_block(block: Any, ndim: int) -> np.ndarray:
    return np.array(block.shape, dtype=np.int64).reshape((1,) * ndim + (ndim,))
