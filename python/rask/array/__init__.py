"""Large arrays in blocks, with NumPy's interface.

>>> import rask.array as da
>>> x = da.random.default_rng(0).normal(size=(1000, 1000), chunks=(250, 250))
>>> (x + x.T).mean(axis=0).shape
(1000,)

Names are imported when they are first used; one that Rask does not have raises ``AttributeError``.
"""

from __future__ import annotations

import importlib
from typing import Any

from rask.array.core import Array

_SUBMODULES = frozenset(
    (
        "assemble", "blocks", "chunks", "core", "creation", "fft", "gufunc", "image", "indexing",
        "joining", "lib", "linalg", "ma", "manipulation", "overlap", "products", "random",
        "reductions", "searching", "sinks", "sources", "statistics", "stats", "ufunc",
    )
)  # fmt: skip

_FUNCTIONS = {
    "along_axes": ("apply_along_axis", "apply_over_axes", "coarsen"),
    "blocks": ("map_blocks",),
    "blockwise_calls": ("atop", "blockwise"),
    "chunks": ("rechunk", "unify_chunks"),
    "creation": (
        "arange", "array", "asanyarray", "asarray", "empty", "empty_like", "eye", "fromfunction",
        "full", "full_like", "indices", "linspace", "meshgrid", "ones", "ones_like", "tri", "zeros",
        "zeros_like",
    ),
    "cumulative": ("cumprod", "cumsum", "nancumprod", "nancumsum"),
    "delayed_io": ("from_delayed",),
    "diagonals": (
        "diag", "diagonal", "tril", "tril_indices", "tril_indices_from", "triu", "triu_indices",
        "triu_indices_from",
    ),
    "differences": ("diff", "ediff1d", "gradient"),
    "generalized": ("apply_gufunc", "as_gufunc", "gufunc"),
    "histograms": ("bincount", "histogram", "histogram2d", "histogramdd"),
    "joining": (
        "append", "atleast_1d", "atleast_2d", "atleast_3d", "block", "concatenate", "dstack",
        "hstack", "stack", "vstack",
    ),
    "manipulation": (
        "broadcast_arrays", "broadcast_to", "delete", "expand_dims", "flip", "fliplr", "flipud",
        "insert", "moveaxis", "ndim", "ravel", "repeat", "reshape", "reshape_blockwise", "roll",
        "rollaxis", "rot90", "shape", "shuffle", "squeeze", "swapaxes", "tile", "transpose",
    ),
    "moments": ("mean", "moment", "nanmean", "nanstd", "nanvar", "std", "var"),
    "overlap": ("map_overlap", "push"),
    "padding": ("pad",),
    "positions": ("argmax", "argmin", "nanargmax", "nanargmin"),
    "products": ("dot", "einsum", "matmul", "outer", "tensordot", "vdot"),
    "quantiles": ("median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"),
    "reductions": (
        "all", "any", "max", "min", "nanmax", "nanmin", "nanprod", "nansum", "prod", "ptp",
        "reduction", "sum", "trace",
    ),
    "registry": (
        "PerformanceWarning", "array_expr_enabled", "assert_eq", "optimize", "register_chunk_type",
    ),
    "searching": (
        "argtopk", "argwhere", "choose", "compress", "count_nonzero", "digitize", "extract",
        "flatnonzero", "isin", "nonzero", "piecewise", "ravel_multi_index", "searchsorted",
        "select", "take", "topk", "union1d", "unique", "unravel_index",
    ),
    "sinks": ("from_npy_stack", "store", "to_hdf5", "to_npy_stack"),
    "sources": ("from_array",),
    "statistics": ("allclose", "average", "corrcoef", "cov", "result_type"),
    "ufunc": (
        "abs", "absolute", "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
        "arctan2", "arctanh", "around", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor",
        "cbrt", "ceil", "clip", "conj", "conjugate", "copysign", "cos", "cosh", "deg2rad",
        "degrees", "divide", "divmod", "equal", "exp", "exp2", "expm1", "fabs", "fix",
        "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp", "frompyfunc",
        "greater", "greater_equal", "heaviside", "hypot", "i0", "imag", "invert", "isclose",
        "iscomplex", "isfinite", "isinf", "isnan", "isneginf", "isnull", "isposinf", "isreal",
        "ldexp", "left_shift", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp",
        "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
        "minimum", "mod", "modf", "multiply", "nan_to_num", "negative", "nextafter", "not_equal",
        "notnull", "positive", "power", "rad2deg", "radians", "real", "reciprocal", "remainder",
        "right_shift", "rint", "round", "sign", "signbit", "sin", "sinc", "sinh", "spacing", "sqrt",
        "square", "subtract", "tan", "tanh", "true_divide", "trunc", "where",
    ),
    "zarr_io": ("from_zarr", "to_zarr"),
}  # fmt: skip

_HOMES = {name: module for module, names in _FUNCTIONS.items() for name in names}

_FROM_NUMPY = frozenset(
    (
        "bool", "complex128", "complex64", "e", "euler_gamma", "float32", "float64", "inf", "int16",
        "int32", "int64", "int8", "nan", "newaxis", "pi", "uint16", "uint32", "uint64", "uint8",
    )
)  # fmt: skip

__all__ = ["Array", "compute", *sorted(_HOMES)]


def compute(*args: Any, **kwargs: Any) -> tuple:
    """Computes several collections together; see ``rask.compute``."""
    from rask.base import compute as compute_all

    return compute_all(*args, **kwargs)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"rask.array.{_HOMES[name]}"), name)
    elif name in _FROM_NUMPY:
        import numpy

        value = getattr(numpy, name)
    elif name in _SUBMODULES:
        return importlib.import_module(f"rask.array.{name}")
    else:
        raise AttributeError(f"module 'rask.array' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBMODULES, *_FROM_NUMPY})
