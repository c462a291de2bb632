"""What a function of blocks is called, and what it makes of empty ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask.array.core import Array

if TYPE_CHECKING:
    pass

__all__ = ["apply_infer_dtype"]


def label_of(func: Callable) -> str:
    """A function's name for layers and messages."""
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", None) or type(func).__name__
    return "lambda" if name == "<lambda>" else name


def empty_of(value: Any) -> Any:
    """An empty block like those of an array; other values as they are."""
    return value._meta if isinstance(value, Array) else value


def one_of(value: Any) -> Any:
    """A block of one element like those of an array; other values as they are."""
    if not isinstance(value, Array):
        return value
    meta = value._meta
    if type(meta) is np.ndarray:
        return np.ones((1,) * value.ndim, dtype=value.dtype)
    return np.ones_like(meta, shape=(1,) * value.ndim)


def infer_meta(func: Callable, args: list, kwargs: dict, ndim: int) -> Any:
    """What ``func`` returns for empty blocks, or ``None`` when it does not take them."""
    with np.errstate(all="ignore"):
        try:
            meta = func(*[empty_of(value) for value in args], **kwargs)
        except Exception:
            return None
    if isinstance(meta, (tuple, list)) or not hasattr(meta, "dtype"):
        return None
    return meta_of_width(meta, ndim)


def meta_of_width(meta: Any, ndim: int) -> Any:
    """An empty block of the same type with ``ndim`` axes."""
    if isinstance(meta, np.generic):
        return np.empty((0,) * ndim, dtype=meta.dtype)
    if getattr(meta, "ndim", ndim) == ndim and 0 in getattr(meta, "shape", (0,)):
        return meta
    try:
        flat = meta.reshape(-1)[:0]
        return flat.reshape((0,) * ndim)
    except Exception:
        return np.empty((0,) * ndim, dtype=meta.dtype)


def foreign_meta(meta: Any) -> Any:
    """``meta`` when blocks are of another type than ``numpy.ndarray``, else ``None``."""
    return None if meta is None or type(meta) is np.ndarray else meta


def apply_infer_dtype(func: Callable, args: list, kwargs: dict, funcname: str) -> np.dtype:
    """Type of the elements that ``func`` returns, found by calling it on blocks of one element.

    Raises
    ------
    ValueError
        When the call fails; the message says so and asks for ``dtype=``.
    """
    with np.errstate(all="ignore"):
        try:
            result = func(*[one_of(value) for value in args], **kwargs)
        except Exception as error:
            raise ValueError(
                f"`dtype` inference failed in `{funcname}`: calling {label_of(func)} on blocks of "
                f"one element raised {type(error).__name__}: {error}. Give dtype= (or meta=)."
            ) from error
    return getattr(result, "dtype", None) or np.asarray(result).dtype
