"""Linear algebra on arrays of blocks; inside a block it is NumPy's (and so LAPACK's).

Tall-and-skinny QR and the SVD over it follow Benson, Gleich and Demmel, "Direct QR factorizations
for tall-and-skinny matrices in MapReduce architectures" (2013); the compressed SVD follows Halko,
Martinsson and Tropp, "Finding structure with randomness" (2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.blockwise_calls import blockwise
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.products import dot, matmul
from rask.array.random import RandomState
from rask.array.ufunc import absolute, choose_where, sign, sqrt

__all__ = [
    "cholesky",
    "inv",
    "lstsq",
    "lu",
    "norm",
    "qr",
    "sfqr",
    "solve",
    "solve_triangular",
    "svd",
    "svd_compressed",
    "svd_flip",
    "tsqr",
]


def _matrix(a: Any) -> Array:
    lazy = asanyarray(a)
    if lazy.ndim != 2:
        raise np.linalg.LinAlgError(
            f"{lazy.ndim}-dimensional array given. Array must be two-dimensional"
        )
    if lazy.dtype.kind not in "fc":
        lazy = lazy.astype(np.float64)
    return lazy


def _square(a: Any) -> Array:
    lazy = _matrix(a)
    if lazy.shape[0] != lazy.shape[1]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return lazy


def _whole(function: Any, x: Array, chunks: tuple, dtype: Any, name: str, *args: Any) -> Array:
    """A function of the array in one block."""
    one = x.rechunk(tuple((length,) for length in x.shape))
    drop = list(range(len(chunks), one.ndim)) or None
    return map_blocks(function, one, *args, chunks=chunks, drop_axis=drop, dtype=dtype, token=name)


def _qr_block(block: Any) -> tuple:
    return np.linalg.qr(block)


def _part_of(parts: Any, number: int) -> Any:
    while isinstance(parts, list):
        (parts,) = parts
    return parts[number]


def _singular_parts(block: Any) -> tuple:
    return np.linalg.svd(block, full_matrices=False)


def tsqr(data: Any, compute_svd: bool = False, _max_vchunk_size: int | None = None) -> tuple:
    """QR (or SVD) of a matrix with one block of columns.

    Each block of rows is factorized by itself; the factors ``R`` are stacked and factorized again,
    in a tree where they are many.

    Parameters
    ----------
    data : array-like
        Of shape ``(m, n)`` in one block of columns.
    compute_svd : bool
        Whether to return ``u, s, v`` instead of ``q, r``.

    Returns
    -------
    q, r : Array
        Of shapes ``(m, min(m, n))`` and ``(min(m, n), n)``.
    """
    x = _matrix(data)
    if len(x.chunks[1]) > 1:
        raise ValueError(
            "Input must have the following properties:\n  1. Have two dimensions\n"
            "  2. Have only one column of blocks"
        )
    columns = x.shape[1]
    if x.numblocks[0] == 1:
        return _one_block(x, compute_svd)
    ranks = tuple(min(length, columns) for length in x.chunks[0])
    parts = map_blocks(_qr_block, x, dtype=object, meta=None, token="qr")
    first = _taken(parts, 0, (x.chunks[0], (max(ranks),)), x.dtype)
    tall = _taken(parts, 1, (ranks, (columns,)), x.dtype)
    rows_max = _max_vchunk_size or max(4 * columns, 4096)
    groups = _grouped(ranks, rows_max)
    stacked = tall.rechunk({0: groups})
    second, *rest = (
        tsqr(stacked, compute_svd)
        if len(groups) < len(ranks)
        else _one_block(tall.rechunk({0: -1}), compute_svd)
    )
    second = second.rechunk({0: ranks, 1: -1})
    columns_of_q = second.shape[1]
    beside = Array(second._expr.with_chunks((x.chunks[0], (columns_of_q,))))
    q = blockwise(
        np.matmul,
        "ik",
        first,
        "ij",
        beside,
        "ik",
        dtype=x.dtype,
        align_arrays=False,
        concatenate=True,
        token="tsqr",
    )
    return (q, *rest)


def _grouped(lengths: tuple[int, ...], limit: int) -> tuple[int, ...]:
    groups: list[int] = []
    for length in lengths:
        if groups and groups[-1] + length <= limit:
            groups[-1] += length
        else:
            groups.append(length)
    return tuple(groups)


def _taken(parts: Array, number: int, chunks: tuple, dtype: Any) -> Array:
    """One of the results of a function that returns several, block by block."""
    lengths = dict(zip("ij", chunks, strict=False))
    return blockwise(
        _part_of,
        "ij"[: len(chunks)],
        parts,
        "ij",
        number,
        None,
        adjust_chunks=lengths,
        dtype=dtype,
        concatenate=False,
        token="part",
    )


def _one_block(x: Array, compute_svd: bool) -> tuple:
    rows, columns = x.shape
    rank = min(rows, columns)
    if not compute_svd:
        parts = map_blocks(_qr_block, x, dtype=object, meta=None, token="qr")
        return (
            _taken(parts, 0, ((rows,), (rank,)), x.dtype),
            _taken(parts, 1, ((rank,), (columns,)), x.dtype),
        )
    parts = map_blocks(_singular_parts, x, dtype=object, meta=None, token="svd")
    real = np.empty(0, dtype=x.dtype).real.dtype  # pyright: ignore[reportAttributeAccessIssue]
    return (
        _taken(parts, 0, ((rows,), (rank,)), x.dtype),
        _taken(parts, 1, ((rank,),), real),
        _taken(parts, 2, ((rank,), (columns,)), x.dtype),
    )


def sfqr(data: Any, name: str | None = None) -> tuple[Array, Array]:
    """QR of a matrix with one block of rows: its first block is factorized, the rest follow.

    Parameters
    ----------
    data : array-like
        Of shape ``(m, n)`` in one block of rows, the first block at least as wide as tall.
    """
    x = _matrix(data)
    if len(x.chunks[0]) > 1:
        raise ValueError("Input must have only one row of blocks")
    rows, width = x.shape[0], x.chunks[1][0]
    if width < rows and x.numblocks[1] > 1:
        x = x.rechunk(
            {1: (min(rows, x.shape[1]), *((x.shape[1] - rows,) if x.shape[1] > rows else ()))}
        )
        width = x.chunks[1][0]
    q, r_first = tsqr(x[:, :width].rechunk(-1))
    if x.shape[1] == width:
        return q, r_first
    from rask.array.joining import concatenate

    return q, concatenate([r_first, matmul(q.conj().T, x[:, width:])], axis=1)


def qr(a: Any) -> tuple[Array, Array]:
    """QR factorization of a matrix in one block of columns, or in one block of rows.

    Examples
    --------
    >>> import rask.array as da
    >>> x = da.random.default_rng(0).normal(size=(100, 5), chunks=(20, 5))
    >>> q, r = da.linalg.qr(x)
    >>> bool(da.allclose(q @ r, x).compute())
    True
    """
    x = _matrix(a)
    if x.numblocks[1] == 1:
        return tsqr(x)  # type: ignore[return-value]
    if x.numblocks[0] == 1:
        return sfqr(x)
    raise NotImplementedError(
        "qr takes a matrix in one block of columns or one block of rows; rechunk it, or use "
        "svd_compressed for a factorization of low rank"
    )


def svd(a: Any, coerce_signs: bool = True) -> tuple[Array, Array, Array]:
    """Singular value decomposition of a matrix in one block along its shorter axis.

    Parameters
    ----------
    a : array-like
    coerce_signs : bool
        Whether to choose signs so that they do not depend on the blocks.

    Returns
    -------
    u, s, v : Array
        ``a == u @ diag(s) @ v``.
    """
    x = _matrix(a)
    if x.numblocks[0] > 1 and x.numblocks[1] > 1:
        raise NotImplementedError(
            "Array must be chunked in one dimension only. This function (svd) only supports "
            "tall-and-skinny or short-and-fat matrices (see svd_compressed for SVD on fully chunked "
            f"arrays).\nInput shape: {x.shape}\nInput numblocks: {x.numblocks}"
        )
    flipped = x.numblocks[1] > 1 or (x.numblocks[0] == 1 and x.shape[0] < x.shape[1])
    u, s, v = tsqr(x.T if flipped else x, compute_svd=True)
    if flipped:
        u, v = v.T, u.T
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v


def svd_flip(u: Any, v: Any, u_based_decision: bool = False) -> tuple[Array, Array]:
    """Signs of singular vectors chosen by the sum of their elements."""
    left, right = asanyarray(u), asanyarray(v)
    if u_based_decision:
        total = left.sum(axis=0, keepdims=True)
    else:
        total = right.sum(axis=1, keepdims=True).T
    one = total.dtype.type(1)
    signs = choose_where(sign(total) == 0, one, sign(total))
    return left * signs, right * signs.T


def compression_level(n: int, q: int, n_oversamples: int = 10, min_subspace_size: int = 20) -> int:
    """How many columns a compressed matrix has, to find ``q`` singular vectors of ``n``."""
    return min(max(min_subspace_size, q + n_oversamples), n)


def svd_compressed(
    a: Any,
    k: int,
    iterator: str = "power",
    n_power_iter: int = 0,
    n_oversamples: int = 10,
    seed: Any = None,
    compute: bool = False,
    coerce_signs: bool = True,
) -> tuple[Array, Array, Array]:
    """The ``k`` largest singular values and vectors of a matrix in any blocks, by random projection.

    Parameters
    ----------
    a : array-like
    k : int
    iterator : {"power", "QR"}
        How the projection is refined.
    n_power_iter : int
        How often; more is more exact.
    n_oversamples : int
        How many columns more than ``k`` the projection has.
    seed : int or RandomState, optional
    compute : bool
        Whether intermediate results are persisted.
    coerce_signs : bool
        As of ``svd``.
    """
    x = _matrix(a)
    if iterator not in ("power", "QR"):
        raise ValueError(f"Iterator {iterator!r} not valid, must be one of ['power', 'QR']")
    state: Any = seed if hasattr(seed, "standard_normal") else RandomState(seed)
    width = compression_level(min(x.shape), k, n_oversamples)
    probe = state.standard_normal(size=(x.shape[1], width), chunks=(x.chunks[1], width))
    basis = dot(x, probe.astype(x.dtype)).rechunk({1: -1})
    for _ in range(n_power_iter):
        if iterator == "QR":
            basis, _r = tsqr(basis)
        inner = dot(x.T.conj(), basis).rechunk({1: -1})
        if iterator == "QR":
            inner, _r = tsqr(inner)
        basis = dot(x, inner).rechunk({1: -1})
        if compute:
            basis = basis.persist()
    q, _r = tsqr(basis)
    small = dot(q.T.conj(), x).rechunk({0: -1})
    if compute:
        small = small.persist()
    v, s, u = tsqr(small.T, compute_svd=True)
    u, v = dot(q, u.T), v.T
    u, s, v = u[:, :k], s[:k], v[:k, :]
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """Norm of vectors or matrices; see ``numpy.linalg.norm``."""
    lazy = asanyarray(x)
    if lazy.dtype.kind not in "fc":
        lazy = lazy.astype(np.float64)
    if axis is None:
        axes = tuple(range(lazy.ndim))
    else:
        axes = tuple(axis) if isinstance(axis, (tuple, list)) else (int(axis),)
    if len(axes) > 2 and ord is not None:
        raise ValueError("Improper number of dimensions to norm.")
    if ord is None or (ord == "fro" and len(axes) == 2):
        squares = absolute(lazy) ** 2
        return sqrt(squares.sum(axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        return _vector_norm(lazy, ord, axes[0], keepdims)
    return _matrix_norm(lazy, ord, axes, keepdims)


def _vector_norm(x: Array, ord: Any, axis: int, keepdims: bool) -> Array:
    size = absolute(x)
    if ord == np.inf:
        return size.max(axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axis, keepdims=keepdims)
    if ord == 0:
        return (x != 0).astype(size.dtype).sum(axis=axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    return (size**ord).sum(axis=axis, keepdims=keepdims) ** (1.0 / ord)


def _matrix_norm(x: Array, ord: Any, axes: tuple, keepdims: bool) -> Array:
    size = absolute(x)
    rows, columns = (axis % x.ndim for axis in axes)
    if ord in (1, -1, np.inf, -np.inf):
        summed, extreme = (rows, columns) if ord in (1, -1) else (columns, rows)
        totals = size.sum(axis=summed, keepdims=True)
        result = (
            totals.max(axis=extreme, keepdims=True)
            if ord > 0
            else totals.min(axis=extreme, keepdims=True)
        )
        return result if keepdims else result.squeeze(axis=(rows, columns))
    if ord not in (2, -2, "nuc"):
        raise ValueError("Invalid norm order for matrices.")
    if x.ndim != 2:
        raise NotImplementedError("SVD based norm not implemented for ndim > 2")
    one = 0 if x.shape[0] <= x.shape[1] else 1
    values = svd(x.rechunk({one: -1}))[1]
    result = values.sum() if ord == "nuc" else values.max() if ord == 2 else values.min()
    return result[None, None] if keepdims else result


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Array:
    """Solution ``x`` of ``a @ x == b`` for a triangular ``a``, row of blocks by row of blocks.

    Parameters
    ----------
    a : array-like
        Square, in square blocks on the diagonal.
    b : array-like
        Vector or matrix.
    lower : bool
        Whether ``a`` is lower triangular.
    """
    from rask.array.joining import concatenate

    left, right = _square(a), asanyarray(b)
    if right.shape[0] != left.shape[0]:
        raise ValueError("a.shape[1] and b.shape[0] must be equal")
    left = left.rechunk((left.chunks[0], left.chunks[0]))
    right = right.rechunk({0: left.chunks[0]})
    order = range(left.numblocks[0]) if lower else range(left.numblocks[0] - 1, -1, -1)
    solved: dict[int, Array] = {}
    for row in order:
        rest = right.blocks[row]
        for column, known in solved.items():
            rest = rest - matmul(left.blocks[row, column], known)
        pivot = left.blocks[row, row]
        dtype = np.result_type(left.dtype, right.dtype)
        if rest.ndim == 1:
            solved[row] = _solve_with(pivot, rest[:, None], lower, dtype)[:, 0]
        else:
            solved[row] = _solve_with(pivot, rest, lower, dtype)
    return concatenate([solved[row] for row in range(left.numblocks[0])], axis=0)


def _solve_with(pivot: Array, rest: Array, lower: bool, dtype: Any) -> Array:
    return blockwise(
        _solve_block,
        "ik",
        pivot,
        "ij",
        rest,
        "jk",
        lower=lower,
        dtype=dtype,
        concatenate=True,
        token="solve_triangular",
    )


def _solve_block(pivot: Any, rest: Any, lower: bool) -> Any:
    return np.linalg.solve(np.tril(pivot) if lower else np.triu(pivot), rest)


def cholesky(a: Any, lower: bool = False) -> Array:
    """Cholesky factor of a positive definite matrix, made in one block."""
    x = _square(a)
    function = _lower_factor if lower else _upper_factor
    return _whole(function, x, ((x.shape[0],), (x.shape[1],)), x.dtype, "cholesky").rechunk(
        x.chunks
    )


def _lower_factor(block: Any) -> Any:
    return np.linalg.cholesky(block)


def _upper_factor(block: Any) -> Any:
    return np.linalg.cholesky(block).conj().T


def inv(a: Any) -> Array:
    """Inverse of a matrix, made in one block."""
    x = _square(a)
    return _whole(np.linalg.inv, x, ((x.shape[0],), (x.shape[1],)), x.dtype, "inv").rechunk(
        x.chunks
    )


def solve(a: Any, b: Any, sym_pos: bool = False, assume_a: str = "gen") -> Array:
    """Solution ``x`` of ``a @ x == b``; ``a`` is put into one block."""
    left, right = _square(a), asanyarray(b)
    left = left.rechunk(-1)
    right = right.rechunk({0: -1})
    dtype = np.result_type(left.dtype, right.dtype)
    if right.ndim == 1:
        return solve(left, right[:, None])[:, 0]
    return blockwise(
        np.linalg.solve, "jk", left, "ij", right, "ik", dtype=dtype, concatenate=True, token="solve"
    )


def lstsq(a: Any, b: Any) -> tuple[Array, Array, Any, Array]:
    """Least squares by QR: solution, residuals, rank and singular values; see ``numpy.linalg.lstsq``."""
    x, y = _matrix(a), asanyarray(b)
    q, r = qr(x)
    solution = solve(r, dot(q.T.conj(), y))
    residuals = (absolute(y - dot(x, solution)) ** 2).sum(axis=0, keepdims=y.ndim == 1)
    singular = svd(r.rechunk(-1))[1]
    rank = (singular > singular.max() * max(x.shape) * np.finfo(singular.dtype).eps).sum()
    return solution, residuals, rank, singular


def lu(a: Any) -> tuple[Array, Array, Array]:
    """Permutation, lower and upper factor of a matrix, made in one block with SciPy."""
    x = _square(a)
    size = x.shape[0]
    one = x.rechunk(-1)
    parts = map_blocks(_lu_block, one, dtype=object, meta=None, token="lu")
    p, lower, upper = (_taken(parts, n, ((size,), (size,)), x.dtype) for n in range(3))
    return p.rechunk(x.chunks), lower.rechunk(x.chunks), upper.rechunk(x.chunks)


def _lu_block(block: Any) -> tuple:
    import scipy.linalg

    return scipy.linalg.lu(block)
