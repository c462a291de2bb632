"""Deterministic names: equal inputs give equal tokens, in every process."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import pathlib
import pickle
import types
import uuid
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from rask import config
from rask._core import hash_bytes

__all__ = ["TokenizationError", "normalize_token", "tokenize"]


class TokenizationError(RuntimeError):
    """An object has no deterministic token, and the configuration asks for one."""


class Normalizer:
    """Functions by type that turn an object into nested tuples of plain values."""

    def __init__(self) -> None:
        self._functions: dict[type, Callable[[Any], Any]] = {}
        self._lazy: dict[str, Callable[[], None]] = {}

    def register(self, kind: Any, function: Callable[[Any], Any] | None = None) -> Any:
        """Register a function for a type (or a tuple of types) and its subclasses.

        Usable as a decorator: ``@normalize_token.register(MyType)``.
        """

        def add(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
            for one in kind if isinstance(kind, tuple) else (kind,):
                self._functions[one] = function
            return function

        return add if function is None else add(function)

    def register_lazy(self, module: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Register, as a decorator, what to call when an object of a top-level module is met."""

        def add(function: Callable[[], None]) -> Callable[[], None]:
            self._lazy[module] = function
            return function

        return add

    def dispatch(self, kind: type) -> Callable[[Any], Any]:
        """The function for a type."""
        known = self._functions.get(kind)
        if known is not None:
            return known
        for base in kind.__mro__:
            module = (base.__module__ or "").partition(".")[0]
            lazy = self._lazy.pop(module, None)
            if lazy is not None:
                lazy()
            if base is not object and base in self._functions:
                self._functions[kind] = self._functions[base]
                return self._functions[base]
        return _normalize_object

    def __call__(self, obj: Any) -> Any:
        """Turn an object into nested tuples of plain values."""
        kind = type(obj)
        if kind in _PLAIN:
            return obj
        return self.dispatch(kind)(obj)


_PLAIN = frozenset({int, float, str, bytes, bool, type(None), complex, slice, type(Ellipsis)})
normalize_token = Normalizer()


def tokenize(*args: Any, ensure_deterministic: bool | None = None, **kwargs: Any) -> str:
    """A token of the arguments: 32 hexadecimal digits.

    Parameters
    ----------
    *args, **kwargs : Any
    ensure_deterministic : bool, optional
        Raise `TokenizationError` for an object that can only be given a random token. By default
        the configuration ``tokenize.ensure-deterministic``.

    Examples
    --------
    >>> tokenize(1, "a") == tokenize(1, "a")
    True
    """
    if ensure_deterministic is None:
        normalized = [normalize_token(arg) for arg in args]
        if kwargs:
            normalized.append(normalize_token(kwargs))
        return hash_bytes(repr(normalized).encode("utf-8", "surrogatepass"))
    with config.set({"tokenize.ensure-deterministic": ensure_deterministic}):
        return tokenize(*args, **kwargs)


def _normalize_items(obj: Any) -> Any:
    return (type(obj).__name__, *map(normalize_token, obj))


for _kind in (list, tuple):
    normalize_token.register(_kind, _normalize_items)


@normalize_token.register((set, frozenset))
def _normalize_set(obj: Any) -> Any:
    return (type(obj).__name__, *sorted(repr(normalize_token(item)) for item in obj))


@normalize_token.register(dict)
def _normalize_dict(obj: dict) -> Any:
    pairs = [(normalize_token(key), normalize_token(value)) for key, value in obj.items()]
    return ("dict", *sorted(pairs, key=lambda pair: repr(pair[0])))


@normalize_token.register(OrderedDict)
def _normalize_ordered_dict(obj: OrderedDict) -> Any:
    return ("OrderedDict", *((normalize_token(k), normalize_token(v)) for k, v in obj.items()))


@normalize_token.register((datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo))
def _normalize_datetime(obj: Any) -> Any:
    return (type(obj).__name__, repr(obj))


@normalize_token.register((pathlib.PurePath, decimal.Decimal, range))
def _normalize_repr(obj: Any) -> Any:
    return (type(obj).__name__, repr(obj))


@normalize_token.register((bytearray, memoryview))
def _normalize_buffer(obj: Any) -> Any:
    return (type(obj).__name__, hash_bytes(bytes(obj)))


@normalize_token.register(type)
def _normalize_type(obj: type) -> Any:
    return ("type", f"{obj.__module__}.{obj.__qualname__}")


@normalize_token.register(types.ModuleType)
def _normalize_module(obj: types.ModuleType) -> Any:
    return ("module", obj.__name__)


@normalize_token.register(partial)
def _normalize_partial(obj: partial) -> Any:
    return ("partial", *map(normalize_token, (obj.func, obj.args, obj.keywords)))


@normalize_token.register((types.MethodType, types.MethodWrapperType))
def _normalize_method(obj: Any) -> Any:
    return ("method", obj.__name__, normalize_token(obj.__self__))


@normalize_token.register((types.FunctionType, types.BuiltinFunctionType))
def _normalize_function(obj: Any) -> Any:
    owner = getattr(obj, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return _normalize_method(obj)
    name = getattr(obj, "__qualname__", "")
    module = getattr(obj, "__module__", None)
    if module and module != "__main__" and "<" not in name:
        return ("function", module, name)
    return _normalize_pickled(obj)


def _normalize_object(obj: Any) -> Any:
    for name in ("__rask_tokenize__", "__dask_tokenize__"):
        method = getattr(obj, name, None)
        if method is not None and not isinstance(obj, type):
            return (type(obj).__qualname__, normalize_token(method()))
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        fields = [(f.name, getattr(obj, f.name, None)) for f in dataclasses.fields(obj)]
        return ("dataclass", type(obj).__qualname__, normalize_token(fields))
    if callable(obj) and "<" not in getattr(obj, "__qualname__", "<"):
        return ("callable", getattr(obj, "__module__", None), obj.__qualname__)
    return _normalize_pickled(obj)


def _normalize_pickled(obj: Any) -> Any:
    try:
        from rask._pickle import dumps

        header, buffers = dumps(obj)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        if config.get("tokenize.ensure-deterministic", False):
            raise TokenizationError(
                f"an object of type {type(obj).__name__} has no deterministic token: {error}"
            ) from error
        return ("random", uuid.uuid4().hex)
    return ("pickle", hash_bytes(header), *map(hash_bytes, buffers))


@normalize_token.register_lazy("numpy")
def _register_numpy() -> None:
    import numpy as np

    @normalize_token.register(np.ndarray)
    def _normalize_ndarray(array: Any) -> Any:
        if array.dtype.hasobject:
            return ("ndarray", array.shape, repr(normalize_token(array.ravel().tolist())))
        data = np.ascontiguousarray(array)
        token = hash_bytes(data.reshape(-1).view(np.uint8)) if data.size else ""
        return ("ndarray", array.shape, normalize_token(array.dtype), token)

    @normalize_token.register(np.generic)
    def _normalize_scalar(scalar: Any) -> Any:
        return ("scalar", str(scalar.dtype), repr(scalar))

    @normalize_token.register(np.dtype)
    def _normalize_dtype(dtype: Any) -> Any:
        return ("dtype", dtype.str if dtype.fields is None else repr(dtype.descr))

    @normalize_token.register(np.ufunc)
    def _normalize_ufunc(ufunc: Any) -> Any:
        return ("ufunc", ufunc.__name__)

    @normalize_token.register(np.ma.MaskedArray)
    def _normalize_masked(array: Any) -> Any:
        parts = (array.data, np.ma.getmaskarray(array), array.fill_value)
        return ("masked", *map(normalize_token, parts))


@normalize_token.register_lazy("pandas")
def _register_pandas() -> None:
    import pandas as pd

    @normalize_token.register(pd.Index)
    def _normalize_index(index: Any) -> Any:
        return (type(index).__name__, index.names, normalize_token(index.array))

    @normalize_token.register(pd.RangeIndex)
    def _normalize_range_index(index: Any) -> Any:
        return ("RangeIndex", index.start, index.stop, index.step, normalize_token(index.name))

    @normalize_token.register(pd.MultiIndex)
    def _normalize_multi_index(index: Any) -> Any:
        return (
            "MultiIndex",
            list(index.names),
            *map(normalize_token, [*index.levels, *index.codes]),
        )

    @normalize_token.register(pd.Series)
    def _normalize_series(series: Any) -> Any:
        return ("Series", *map(normalize_token, (series.name, series.array, series.index)))

    @normalize_token.register(pd.DataFrame)
    def _normalize_frame(frame: Any) -> Any:
        columns = [column.array for _, column in frame.items()]
        return ("DataFrame", *map(normalize_token, (columns, frame.columns, frame.index)))

    @normalize_token.register(pd.api.extensions.ExtensionArray)
    def _normalize_extension_array(array: Any) -> Any:
        inner = getattr(array, "_ndarray", None)
        if inner is not None:
            return (str(array.dtype), normalize_token(inner))
        return (str(array.dtype), _normalize_pickled(array))

    @normalize_token.register(pd.api.extensions.ExtensionDtype)
    def _normalize_extension_dtype(dtype: Any) -> Any:
        return ("dtype", repr(dtype))

    @normalize_token.register((pd.Timestamp, pd.Timedelta, pd.Period))
    def _normalize_time(value: Any) -> Any:
        return (type(value).__name__, repr(value))


@normalize_token.register_lazy("pyarrow")
def _register_pyarrow() -> None:
    import pyarrow as pa

    @normalize_token.register((pa.DataType, pa.Schema, pa.Field))
    def _normalize_arrow_type(value: Any) -> Any:
        return (type(value).__name__, str(value))
