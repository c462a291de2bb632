"""Where a block lies: what ``map_blocks`` tells functions that ask for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np


class ArrayInfo:
    """Shape and block lengths of an array, to describe one of its blocks."""

    __slots__ = ("shape", "starts")

    def __init__(self, shape: tuple, chunks: tuple) -> None:
        self.shape = shape
        self.starts = tuple(tuple(itertools.accumulate(c, initial=0)) for c in chunks)

    @classmethod
    def of(cls, shape: tuple, chunks: tuple) -> ArrayInfo:
        """The description of an array of this shape and these blocks."""
        return cls(shape, chunks)

    def __getstate__(self) -> tuple:
        return self.shape, self.starts

    def __setstate__(self, state: tuple) -> None:
        self.shape, self.starts = state

    def block(self, place: tuple[int, ...]) -> dict:
        """The description of the block at ``place``."""
        return {
            "shape": self.shape,
            "num-chunks": tuple(len(starts) - 1 for starts in self.starts),
            "array-location": [
                (starts[at], starts[at + 1]) for starts, at in zip(self.starts, place, strict=True)
            ],
            "chunk-location": tuple(place),
        }

    def first(self, dtype: Any) -> dict:
        """The description of the first block, with the type of its elements."""
        return {**self.block((0,) * len(self.shape)), "dtype": dtype}

    def counts(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(len(starts) - 1 for starts in self.starts)


class CallWithPlace:
    """A function of blocks together with what it is told about where they lie.

    Parameters
    ----------
    func : callable
    arguments : list of ArrayInfo or None
        One for each argument that is an array.
    result : ArrayInfo
    axes : list of tuple of int or None
        For each argument that is an array, the result's axis of each of its axes; -1 where the
        result has none.
    dtype : numpy.dtype
        Type of the result's elements.
    wants_id, wants_info : bool
        Whether the function takes ``block_id``, ``block_info``.
    enforce_ndim : bool
        Whether to refuse a block with another number of axes than ``ndim``.
    ndim : int
        Number of axes of the result.
    """

    def __init__(
        self,
        func: Callable,
        arguments: list[ArrayInfo | None],
        result: ArrayInfo,
        axes: list[tuple[int, ...] | None],
        dtype: np.dtype,
        wants_id: bool,
        wants_info: bool,
        enforce_ndim: bool,
        ndim: int,
    ) -> None:
        self.func = func
        self.arguments = arguments
        self.result = result
        self.axes = axes
        self.dtype = dtype
        self.wants_id = wants_id
        self.wants_info = wants_info
        self.enforce_ndim = enforce_ndim
        self.ndim = ndim

    @property
    def __name__(self) -> str:
        return getattr(self.func, "__name__", type(self.func).__name__)

    def __call__(self, *blocks: Any, block_id: tuple[int, ...], **kwargs: Any) -> Any:
        if self.wants_id:
            kwargs["block_id"] = block_id
        if self.wants_info:
            kwargs["block_info"] = self._info(block_id)
        value = self.func(*blocks, **kwargs)
        if self.enforce_ndim and getattr(value, "ndim", 0) != self.ndim:
            raise ValueError(
                f"Dimension mismatch: expected output of {self.__name__} to have dims = "
                f"{self.ndim}, got {getattr(value, 'ndim', 0)} instead."
            )
        return value

    def _info(self, block_id: tuple[int, ...]) -> dict:
        info: dict = {}
        for number, (argument, axes) in enumerate(zip(self.arguments, self.axes, strict=True)):
            if argument is None or axes is None:
                continue
            counts = argument.counts()
            place = tuple(
                0 if axis < 0 or count == 1 else block_id[axis]
                for axis, count in zip(axes, counts, strict=True)
            )
            info[number] = argument.block(place)
        chunk_shape = tuple(
            starts[at + 1] - starts[at]
            for starts, at in zip(self.result.starts, block_id, strict=True)
        )
        info[None] = {
            **self.result.block(block_id),
            "chunk-shape": chunk_shape,
            "dtype": self.dtype,
        }
        return info
