"""Computed blocks put together into one result."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np

# To an object of which only a function's argument and its question know.
_REFERENCES_HERE = 2

Chunks = tuple[tuple[int, ...], ...]


def assemble(blocks: list, chunks: Chunks, dtype: np.dtype) -> Any:
    """One array of the blocks, or a scalar when there are no axes.

    Parameters
    ----------
    blocks : list
        The blocks in C order.
    chunks : tuple of tuples of int
        Their lengths along each axis; ``nan`` where not known before.
    dtype : numpy.dtype
        Type of the elements.
    """
    if len(blocks) == 1:
        return _own(blocks.pop())
    known = all(length == length for lengths in chunks for length in lengths)
    if known and all(type(block) is np.ndarray for block in blocks):
        return _fill(blocks, chunks, np.result_type(*{block.dtype for block in blocks}))
    return concatenate_nested(nested(blocks, tuple(len(lengths) for lengths in chunks)))


def _own(block: Any) -> Any:
    """A block as a result: a scalar where it has no axes, and memory that may be written to."""
    if not isinstance(block, np.ndarray):
        return block
    if not block.ndim:
        return block[()]
    # Others may have it: who persisted it, or the array that it was made of.
    is_alone = block.flags.writeable and sys.getrefcount(block) <= _REFERENCES_HERE
    return block if is_alone else block.copy()


def _fill(blocks: list, chunks: Chunks, dtype: np.dtype) -> np.ndarray:
    whole = np.empty(tuple(sum(lengths) for lengths in chunks), dtype=dtype)
    for block, where in zip(blocks, itertools.product(*map(slices_of, chunks)), strict=True):
        whole[where] = block
    return whole


def slices_of(lengths: tuple[int, ...]) -> list[slice]:
    """Where blocks of these lengths lie along their axis."""
    stops = list(itertools.accumulate(int(length) for length in lengths))
    return [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]


def nested(blocks: list, grid: tuple[int, ...]) -> Any:
    """A flat list in C order as lists within lists, one level an axis of ``grid``."""
    if not grid:
        return blocks[0]
    if len(grid) == 1:
        return list(blocks)
    step = len(blocks) // grid[0] if grid[0] else 0
    return [nested(blocks[at * step : (at + 1) * step], grid[1:]) for at in range(grid[0])]


def concatenate_nested(blocks: Any, axis: int = 0) -> Any:
    """Lists within lists of blocks as one array, by the array type's own ``concatenate``."""
    if not isinstance(blocks, list):
        return blocks
    parts = [concatenate_nested(part, axis + 1) for part in blocks]
    if len(parts) == 1:
        return parts[0]
    if has_masked(parts):
        return np.ma.concatenate(parts, axis=axis)
    return np.concatenate(parts, axis=axis)


def has_masked(parts: list) -> bool:
    """Whether any part is a masked array, which NumPy's ``concatenate`` would unmask."""
    return any(isinstance(part, np.ma.MaskedArray) for part in parts)
