"""NumPy's functions called on lazy arrays: ``__array_ufunc__`` and ``__array_function__``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

#: NumPy functions whose namesake in this package has another name.
_RENAMED = {"amax": "max", "amin": "min", "round_": "round", "row_stack": "vstack", "bool_": "bool"}

#: Modules of NumPy and where their functions are in this package.
_MODULES = {
    "numpy": "rask.array",
    "numpy.linalg": "rask.array.linalg",
    "numpy.fft": "rask.array.fft",
    "numpy.lib.stride_tricks": "rask.array.lib.stride_tricks",
    "numpy.lib._stride_tricks_impl": "rask.array.lib.stride_tricks",
}


def _handled(value: Any) -> bool:
    """Whether this package knows how to put a value together with its arrays."""
    module = type(value).__module__.split(".")[0]
    if module == "xarray" or getattr(value, "_rask_family", "array") != "array":
        return False
    return getattr(type(value), "__array_ufunc__", object.__init__) is not None


def array_ufunc(numpy_ufunc: Any, method: str, inputs: tuple, kwargs: dict) -> Any:
    """What ``Array.__array_ufunc__`` does."""
    out = kwargs.get("out", ())
    if not all(_handled(value) for value in (*inputs, *out)):
        return NotImplemented
    if method == "outer":
        return _lazy_ufunc(numpy_ufunc).outer(*inputs, **kwargs)
    if method == "reduce":
        return _reduce(numpy_ufunc, inputs, kwargs)
    if method != "__call__":
        raise TypeError(f"numpy.{numpy_ufunc.__name__}.{method} is not there for rask arrays")
    if numpy_ufunc.signature is not None:
        return _generalized(numpy_ufunc, inputs, kwargs)
    if numpy_ufunc.nout > 1:
        from rask.array import ufunc

        named = getattr(ufunc, numpy_ufunc.__name__, None)
        if named is None or kwargs:
            raise TypeError(f"numpy.{numpy_ufunc.__name__} is not there for rask arrays")
        return named(*inputs)
    return _lazy_ufunc(numpy_ufunc)(*inputs, **kwargs)


def _lazy_ufunc(numpy_ufunc: Any) -> Any:
    from rask.array import ufunc

    named = getattr(ufunc, numpy_ufunc.__name__, None)
    if isinstance(named, ufunc.ufunc) and named._ufunc is numpy_ufunc:
        return named
    return ufunc.ufunc(numpy_ufunc)


def _reduce(numpy_ufunc: Any, inputs: tuple, kwargs: dict) -> Any:
    from rask.array import reductions

    names = {
        "add": "sum", "multiply": "prod", "minimum": "min", "maximum": "max",
        "logical_and": "all", "logical_or": "any",
    }  # fmt: skip
    name = names.get(numpy_ufunc.__name__)
    if name is None:
        raise TypeError(f"numpy.{numpy_ufunc.__name__}.reduce is not there for rask arrays")
    given = {key: value for key, value in kwargs.items() if value is not None or key == "axis"}
    given.setdefault("axis", 0)
    return getattr(reductions, name)(*inputs, **given)


def _generalized(numpy_ufunc: Any, inputs: tuple, kwargs: dict) -> Any:
    if numpy_ufunc is np.matmul:
        from rask.array.products import matmul

        return matmul(*inputs, **kwargs)
    from rask.array.generalized import apply_gufunc

    return apply_gufunc(numpy_ufunc, numpy_ufunc.signature, *inputs, **kwargs)


def lazy_function(func: Callable) -> Callable | None:
    """This package's function of the name of one of NumPy's, or ``None``."""
    import importlib

    name = getattr(func, "__name__", "")
    module = _MODULES.get(getattr(func, "__module__", "") or "")
    if module is None:
        return None
    found = getattr(importlib.import_module(module), _RENAMED.get(name, name), None)
    return found if callable(found) and not isinstance(found, type) else None


def array_function(func: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
    """What ``Array.__array_function__`` does.

    Raises
    ------
    TypeError
        For functions this package does not have; the message names the function.
    """
    for kind in types:
        module = kind.__module__.split(".")[0]
        if module == "xarray" or getattr(kind, "_rask_family", "array") != "array":
            return NotImplemented
    found = lazy_function(func)
    if found is None:
        name = f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"
        raise TypeError(
            f"{name} is not there for rask arrays; compute() the array first, or call the function on "
            "blocks with map_blocks"
        )
    if found is func:
        return NotImplemented
    return found(*args, **_without_defaults(kwargs))


def _without_defaults(kwargs: dict) -> dict:
    return {key: value for key, value in kwargs.items() if value is not np._NoValue}  # type: ignore[attr-defined]
