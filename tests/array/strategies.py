"""Shapes, blocks, arrays and indices drawn by hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32",
    "float64", "complex64", "complex128",
)  # fmt: skip


@st.composite
def block_lengths(draw, length: int):
    """Lengths of blocks that add up to ``length``."""
    if length == 0:
        return (0,)
    lengths = []
    while sum(lengths) < length:
        lengths.append(draw(st.integers(1, length - sum(lengths))))
    return tuple(lengths)


@st.composite
def chunks_of(draw, shape):
    """Blocks for a shape."""
    return tuple(draw(block_lengths(length)) for length in shape)


def numbers(dtype, shape, seed=0):
    """Small numbers of a type, that do not overflow in sums and products."""
    generator = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return generator.integers(1, 5, shape).astype(dtype)
    values = generator.normal(size=shape)
    if kind == "c":
        values = values + 1j * generator.normal(size=shape)
    return values.astype(dtype)


@st.composite
def arrays(draw, dtypes=DTYPES, min_dims=0, max_dims=3, min_side=0, max_side=7):
    """A NumPy array and blocks for it."""
    shape = (
        draw(
            hnp.array_shapes(
                min_dims=min_dims, max_dims=max_dims, min_side=max(min_side, 1), max_side=max_side
            )
        )
        if min_dims
        else draw(
            st.one_of(
                st.just(()),
                hnp.array_shapes(
                    min_dims=1, max_dims=max_dims, min_side=max(min_side, 1), max_side=max_side
                ),
            )
        )
    )
    values = numbers(draw(st.sampled_from(dtypes)), shape, draw(st.integers(0, 1000)))
    return values, draw(chunks_of(shape))
