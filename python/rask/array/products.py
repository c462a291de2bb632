"""Sums of products: ``matmul``, ``tensordot``, ``einsum`` and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from rask import _core
from rask.array.blockwise_calls import blockwise
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.manipulation import checked_axes

__all__ = ["dot", "einsum", "matmul", "outer", "tensordot", "vdot"]


def _pair_axes(axes: Any, left: Array, right: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, (tuple, list)):
        first, second = axes
        first = first if isinstance(first, (tuple, list)) else (first,)
        second = second if isinstance(second, (tuple, list)) else (second,)
    else:
        count = int(axes)
        if count > left.ndim or count > right.ndim:
            raise ValueError("shape-mismatch for sum")
        first, second = tuple(range(left.ndim - count, left.ndim)), tuple(range(count))
    return checked_axes(tuple(first), left.ndim), checked_axes(tuple(second), right.ndim)


def tensordot(lhs: Any, rhs: Any, axes: Any = 2) -> Array:
    """Sum of products over pairs of axes; see ``numpy.tensordot``.

    Parameters
    ----------
    lhs, rhs : array-like
    axes : int or pair of sequences of int
        How many of the last and first axes, or which axes.

    Raises
    ------
    ValueError
        When lengths of paired axes differ.
    """
    left, right = asanyarray(lhs), asanyarray(rhs)
    first, second = _pair_axes(axes, left, right)
    if len(first) != len(second) or any(
        left.shape[i] != right.shape[j] for i, j in zip(first, second, strict=False)
    ):
        raise ValueError("shape-mismatch for sum")
    native = _core.ArrayExpr.tensordot(left._expr, right._expr, first, second)
    if native is not None:
        return Array(native)
    left_ind = list(range(left.ndim))
    right_ind = list(range(left.ndim, left.ndim + right.ndim))
    for i, j in zip(first, second, strict=True):
        right_ind[j] = left_ind[i]
    out = [i for i in left_ind if i not in first]
    out += [i for j, i in enumerate(right_ind) if j not in second]
    return contracted(
        _tensordot_block,
        tuple(out),
        left,
        tuple(left_ind),
        right,
        tuple(right_ind),
        dtype=np.result_type(left.dtype, right.dtype),
        axes=(first, second),
        token="tensordot",
    )


def _tensordot_block(left: Any, right: Any, axes: Any) -> Any:
    return np.tensordot(left, right, axes=axes)


def contracted(func: Any, out: tuple, *pairs: Any, dtype: Any, token: str, **kwargs: Any) -> Array:
    """A block of the result from the whole of the contracted axes, concatenated."""
    return blockwise(func, out, *pairs, dtype=dtype, token=token, concatenate=True, **kwargs)


def matmul(a: Any, b: Any, out: Any = None) -> Array:
    """Matrix product, over the last two axes; see ``numpy.matmul``.

    Raises
    ------
    ValueError
        For operands without axes, or whose inner lengths differ.
    """
    from rask.array.elementwise import handle_out

    left, right = asanyarray(a), asanyarray(b)
    if not left.ndim or not right.ndim:
        raise ValueError("`matmul` does not support scalars.")
    inner = left.shape[-1], right.shape[-2 if right.ndim > 1 else 0]
    if inner[0] != inner[1] and inner[0] == inner[0] and inner[1] == inner[1]:
        raise ValueError(
            "matmul: Input operand 1 has a mismatch in its core dimension 0, "
            f"(size {inner[1]} is different from {inner[0]})"
        )
    native = _core.ArrayExpr.matmul(left._expr, right._expr)
    return handle_out(out, Array(native) if native is not None else _matmul_blocks(left, right))


def _matmul_blocks(left: Array, right: Array) -> Array:
    if left.ndim == 1 and right.ndim == 1:
        return tensordot(left, right, 1)
    if left.ndim == 1:
        return _matmul_blocks(left[None, :], right)[..., 0, :]
    if right.ndim == 1:
        return _matmul_blocks(left, right[:, None])[..., 0]
    width = max(left.ndim, right.ndim)
    rows, inner, columns = width, width + 1, width + 2
    return contracted(
        np.matmul,
        (*range(width - 2), rows, columns),
        left,
        (*range(width - left.ndim, width - 2), rows, inner),
        right,
        (*range(width - right.ndim, width - 2), inner, columns),
        dtype=np.result_type(left.dtype, right.dtype),
        token="matmul",
    )


def dot(a: Any, b: Any) -> Array:
    """Dot product: over the last axis of ``a`` and the last but one of ``b``; see ``numpy.dot``."""
    left, right = asanyarray(a), asanyarray(b)
    if not left.ndim or not right.ndim:
        return left * right
    return tensordot(left, right, axes=((left.ndim - 1,), (max(right.ndim - 2, 0),)))


def vdot(a: Any, b: Any) -> Array:
    """Dot product of flattened arrays, the first conjugated."""
    return dot(asanyarray(a).conj().ravel(), asanyarray(b).ravel())


def outer(a: Any, b: Any) -> Array:
    """Products of every pair of an element of ``a`` and one of ``b``."""
    return asanyarray(a).reshape((-1,))[:, None] * asanyarray(b).reshape((-1,))[None, :]


def einsum(
    subscripts: Any,
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    optimize: Any = False,
    split_every: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Array:
    """Sums of products in Einstein's notation; see ``numpy.einsum``.

    Parameters
    ----------
    subscripts : str
        ``"ij,jk->ik"``; operands and lists of axes in turn are accepted as well.
    *operands : array-like
    dtype : dtype, optional
        Type of the result's elements.
    optimize : bool or str
        How NumPy orders the products inside a block.
    split_every : int, optional
        How many partial sums are put together at a time.
    """
    from rask.array.elementwise import handle_out
    from rask.array.reductions import sum as sum_over

    inputs, output, arrays = _parsed(subscripts, operands)
    lazy = [asanyarray(array) for array in arrays]
    for labels, array in zip(inputs, lazy, strict=True):
        if len(labels) != array.ndim:
            raise ValueError(
                f"einstein sum subscripts string {labels!r} does not match an operand of "
                f"{array.ndim} axes"
            )
    to = np.dtype(dtype) if dtype is not None else np.result_type(*[a.dtype for a in lazy])
    summed = sorted({label for labels in inputs for label in labels} - set(output))
    every = output + "".join(summed)
    pairs: list[Any] = []
    for array, labels in zip(lazy, inputs, strict=True):
        pairs += [array, tuple(labels)]
    formula = ",".join(inputs) + "->" + output
    partial = blockwise(
        _einsum_block,
        tuple(every),
        *pairs,
        formula=formula,
        extra=len(summed),
        dtype_name=to.str,
        optimize=optimize,
        casting=casting,
        adjust_chunks={label: 1 for label in summed},
        dtype=to,
        token="einsum",
    )
    axes = tuple(range(len(output), len(every)))
    total = sum_over(partial, axes, to, split_every=split_every) if axes else partial
    return handle_out(out, total)


def _einsum_block(*blocks: Any, formula: str, extra: int, dtype_name: str, **kwargs: Any) -> Any:
    value = np.einsum(formula, *blocks, dtype=np.dtype(dtype_name), **kwargs)
    return value.reshape(value.shape + (1,) * extra)


def _parsed(subscripts: Any, operands: tuple) -> tuple[list[str], str, list]:
    if not isinstance(subscripts, str):
        return _parsed_lists((subscripts, *operands))
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise ValueError(f"einsum has {len(inputs)} subscripts for {len(operands)} operands")
    arrays = [asanyarray(array) for array in operands]
    if "..." in text:
        unused = [
            c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in text
        ]
        hidden = [
            a.ndim - (len(t) - 3) if "..." in t else 0 for t, a in zip(inputs, arrays, strict=False)
        ]
        letters = "".join(unused[: max(hidden)])
        inputs = [
            t.replace("...", letters[len(letters) - n :] if n else "")
            for t, n in zip(inputs, hidden, strict=True)
        ]
        output = output.replace("...", letters)
        if not arrow:
            output = letters
    if not arrow:
        flat = "".join(inputs)
        output += "".join(c for c in sorted(set(flat)) if flat.count(c) == 1 and c not in output)
    if any(c not in "".join(inputs) for c in output) or len(set(output)) != len(output):
        raise ValueError(f"einstein sum subscripts string {subscripts!r} has an unusable output")
    return inputs, output, arrays


def _parsed_lists(given: tuple) -> tuple[list[str], str, list]:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    last = given[-1] if len(given) % 2 else None
    pairs = given[:-1] if len(given) % 2 else given
    inputs = ["".join(letters[axis] for axis in axes) for axes in pairs[1::2]]
    text = ",".join(inputs)
    if last is not None:
        text += "->" + "".join(letters[axis] for axis in last)
    return _parsed(text, tuple(pairs[::2]))
