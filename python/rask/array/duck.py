"""Operations on blocks that are no plain NumPy arrays: what the engine calls for such blocks.

Every function works through NumPy's protocols (``__array_ufunc__``, ``__array_function__``) and the
blocks' own methods, so blocks stay of their type: masked arrays, CuPy's, sparse ones, objects.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def moment(kind: str, ticks: int, unit: str) -> Any:
    """A date (``"M"``) or a duration (``"m"``) of so many ticks of a unit."""
    return np.array(ticks, dtype=np.int64).view(f"{kind}8[{unit}]")[()]


def run_program(inputs: list, constants: list, steps: list, output: tuple) -> Any:
    """Runs the steps of an elementwise program on blocks.

    Parameters
    ----------
    inputs : list
        Blocks that broadcast against each other.
    constants : list of (scalar, dtype)
    steps : list of (ufunc name or None, arguments, dtype)
        ``None`` casts; arguments are ``("input" | "constant" | "step", number)``.
    output : tuple
        Which of them is the result.
    """
    values = {
        "input": inputs,
        "constant": [np.dtype(dtype).type(value) for value, dtype in constants],
        "step": [],
    }
    for name, arguments, dtype in steps:
        given = [values[kind][number] for kind, number in arguments]
        values["step"].append(_step(name, given, np.dtype(dtype)))
    kind, number = output
    return values[kind][number]


def _step(name: str | None, given: list, dtype: np.dtype) -> Any:
    if name is None:
        (value,) = given
        return value if value.dtype.kind == "O" else value.astype(dtype)
    if name == "where":
        return _where(*given)
    if name == "clip":
        return np.minimum(np.maximum(given[0], given[1]), given[2])
    if name in ("real", "imag"):
        return getattr(given[0], name)
    with np.errstate(all="ignore"):
        return getattr(np, name)(*given)


def _where(condition: Any, x: Any, y: Any) -> Any:
    masked = any(isinstance(value, np.ma.MaskedArray) for value in (condition, x, y))
    return np.ma.where(condition, x, y) if masked else np.where(condition, x, y)


def pick(block: Any, axes: list) -> Any:
    """The elements of a block that a slice or a list for each axis names."""
    basic = tuple(axis if isinstance(axis, slice) else slice(None) for axis in axes)
    block = block[basic]
    for at, axis in enumerate(axes):
        if not isinstance(axis, slice):
            block = block[(*(slice(None),) * at, np.asarray(axis, dtype=np.intp))]
    return block


def full(like: Any, shape: tuple[int, ...], fill: Any) -> Any:
    """A block of the type of another one, filled with a value."""
    return np.full_like(like, fill, shape=shape)


def concatenate(blocks: list, axis: int) -> Any:
    """Blocks one after the other along an axis."""
    if any(isinstance(block, np.ma.MaskedArray) for block in blocks):
        return np.ma.concatenate(blocks, axis=axis)
    return np.concatenate(blocks, axis=axis)


def transpose(block: Any, axes: tuple[int, ...]) -> Any:
    """A block with its axes permuted."""
    return block.transpose(axes)


def reshape(block: Any, shape: tuple[int, ...]) -> Any:
    """A block in another shape."""
    return block.reshape(shape)


def broadcast_to(block: Any, shape: tuple[int, ...]) -> Any:
    """A block repeated along new and length-one axes."""
    if isinstance(block, np.ma.MaskedArray):
        mask = np.broadcast_to(np.ma.getmaskarray(block), shape)
        return np.ma.masked_array(np.broadcast_to(block.data, shape), mask=mask)
    return np.broadcast_to(block, shape)


def reduce(block: Any, name: str, axes: tuple[int, ...], keepdims: bool) -> Any:
    """A reduction of a block by the ufunc of that name."""
    if name == "count_nonzero":
        return np.count_nonzero(block, axis=axes, keepdims=keepdims)
    if isinstance(block, np.ma.MaskedArray):
        method = {
            "add": "sum",
            "multiply": "prod",
            "minimum": "min",
            "maximum": "max",
            "fmin": "min",
            "fmax": "max",
            "logical_and": "all",
            "logical_or": "any",
        }[name]
        return getattr(block, method)(axis=axes, keepdims=keepdims)
    return getattr(np, name).reduce(block, axis=axes, keepdims=keepdims)
