"""Differences between neighbours, and slopes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.joining import checked_axis, concatenate
from rask.array.manipulation import broadcast_to
from rask.array.reductions import reduced_axes

__all__ = ["diff", "ediff1d", "gradient"]


def _sides(lazy: Array, axis: int, *extras: Any) -> Array:
    before, after = extras
    parts = [lazy]
    for place, extra in ((0, before), (1, after)):
        if extra is None:
            continue
        part = asanyarray(extra)
        if not part.ndim:
            shape = tuple(1 if at == axis else n for at, n in enumerate(lazy.shape))
            part = broadcast_to(part, shape)
        parts.insert(0 if not place else len(parts), part)
    return concatenate(parts, axis=axis) if len(parts) > 1 else lazy


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """Differences of neighbours along an axis, ``n`` times; see ``numpy.diff``."""
    lazy = asanyarray(a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return lazy
    axis = checked_axis(axis, lazy.ndim)
    lazy = _sides(lazy, axis, prepend, append)
    ahead, behind = (
        (*(slice(None),) * axis, slice(1, None)),
        (*(slice(None),) * axis, slice(None, -1)),
    )
    for _ in range(n):
        lazy = lazy[ahead] != lazy[behind] if lazy.dtype == bool else lazy[ahead] - lazy[behind]
    return lazy


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """Differences of neighbours of the flattened array, with more at both ends."""
    flat = asanyarray(ary).ravel()
    steps = flat[1:] - flat[:-1]
    parts = [
        steps if extra is None else asanyarray(extra).ravel().astype(steps.dtype)
        for extra in (to_begin, steps, to_end)
        if extra is not None
    ]
    return concatenate(parts)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes along axes by differences; see ``numpy.gradient``.

    Parameters
    ----------
    f : array-like
    *varargs : float or array
        Spacing for all axes, or for each; or coordinates along each.
    axis : int or tuple of int, optional
    edge_order : {1, 2}
    """
    lazy = asanyarray(f)
    axes = reduced_axes(axis, lazy.ndim)
    if axis is not None and isinstance(axis, (tuple, list)):
        axes = tuple(checked_axis(at, lazy.ndim) for at in axis)
    spacings: list[Any] = list(varargs) or [1.0]
    if len(spacings) == 1:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("Spacing must either be a single scalar, or a scalar / 1d-array per axis")
    if lazy.dtype.kind not in "fcmM":
        lazy = lazy.astype(float)
    results = []
    for at, spacing in zip(axes, spacings, strict=True):
        if lazy.shape[at] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least "
                "(edge_order + 1) elements are required."
            )
        results.append(_slope(lazy, at, spacing, edge_order))
    return results[0] if len(results) == 1 else results


def _slope(lazy: Array, axis: int, spacing: Any, edge_order: int) -> Array:
    def part(start: Any, stop: Any) -> Array:
        return lazy[(*(slice(None),) * axis, slice(start, stop))]

    if np.ndim(spacing):
        whole = lazy.rechunk({axis: -1})
        call = functools.partial(
            _gradient_block, spacing=np.asarray(spacing), axis=axis, order=edge_order
        )
        return map_blocks(call, whole, dtype=lazy.dtype, token="gradient")
    inner = (part(2, None) - part(None, -2)) / (2.0 * spacing)
    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / spacing
        last = (part(-1, None) - part(-2, -1)) / spacing
    else:
        first = (part(0, 1) * -1.5 + part(1, 2) * 2.0 + part(2, 3) * -0.5) / spacing
        last = (part(-3, -2) * 0.5 + part(-2, -1) * -2.0 + part(-1, None) * 1.5) / spacing
    return concatenate([first, inner, last], axis=axis).astype(lazy.dtype).rechunk(lazy.chunks)


def _gradient_block(block: Any, spacing: Any, axis: int, order: int) -> Any:
    return np.gradient(block, spacing, axis=axis, edge_order=order)  # pyright: ignore[reportArgumentType, reportCallIssue]
