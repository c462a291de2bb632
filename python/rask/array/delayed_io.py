"""Arrays from and to single tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

from rask import _core
from rask.array.core import Array

__all__ = ["from_delayed", "to_delayed"]


def from_delayed(
    value: Any, shape: tuple, dtype: Any = None, meta: Any = None, name: str | None = None
) -> Array:
    """An array of one block that a ``Delayed`` makes.

    Parameters
    ----------
    value : Delayed or Future
    shape : tuple of int
        Lengths may be ``nan``.
    dtype : dtype, optional
    meta : array-like, optional
        Empty block of the result's type.
    name : str, optional
        Name of the layer.

    Examples
    --------
    >>> import numpy as np, rask, rask.array as da
    >>> da.from_delayed(rask.delayed(np.ones)(3), (3,), dtype=float).compute()
    array([1., 1., 1.])
    """
    from rask.delayed import delayed

    value = delayed(value) if not hasattr(value, "_rask_lower") else value
    plan, _counts = type(value)._rask_lower([value], optimize=True)
    if dtype is None and meta is not None:
        dtype = meta.dtype
    chunks = tuple((length,) for length in shape)
    foreign = None if meta is None or type(meta) is np.ndarray else meta
    expr = _core.ArrayExpr.from_plan(
        plan, chunks, np.dtype(dtype if dtype is not None else object), name, foreign
    )
    return Array(expr)


def to_delayed(x: Array, optimize_graph: bool = True) -> np.ndarray:
    """The blocks of an array as ``Delayed``; see ``Array.to_delayed``."""
    from rask.delayed import delayed_from_plan

    plan, _counts = Array._rask_lower([x], optimize_graph)
    blocks = np.empty(x.numblocks, dtype=object)
    for place, block in zip(np.ndindex(*x.numblocks), delayed_from_plan(plan), strict=True):
        blocks[place] = block
    return blocks
