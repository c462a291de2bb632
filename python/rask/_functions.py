"""Functions that are sent again and again: pickled once, and made once where they run.

A function of ``__main__``, of a notebook or of another function's body has no name by which another
process could import it, so its code travels. Pickling it takes several times as long as running it
through a scheduler. Where nothing but the code makes the function (no closure, no defaults, no
globals), its pickle cannot change, and is kept.
"""

from __future__ import annotations

import pickle
import sys
import threading
import types
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Shipped", "is_fixed", "load_function", "ship", "ship_fixed"]

#: Functions kept where they run.
LOADED_MAX = 256
#: Longer pickles are made and read anew each time.
PICKLE_BYTES_MAX = 100_000

_pickled: weakref.WeakKeyDictionary[Callable[..., Any], _Entry] = weakref.WeakKeyDictionary()
_loaded: OrderedDict[bytes, Callable[..., Any]] = OrderedDict()
_loaded_lock = threading.Lock()


class _Entry:
    """The pickle of a function, and what has to be as it was for it to hold."""

    __slots__ = ("code", "names", "shipped")

    def __init__(self, function: types.FunctionType, shipped: Shipped) -> None:
        self.code = function.__code__
        self.names = tuple(_names_of(function.__code__))
        self.shipped = shipped

    def holds(self, function: types.FunctionType) -> bool:
        return function.__code__ is self.code and _is_code_only(function, self.names)


class Shipped:
    """A function in its pickled form; unpickled it is the function."""

    __slots__ = ("__name__", "content")

    def __init__(self, name: str, content: bytes) -> None:
        self.__name__ = name
        self.content = content

    def __reduce__(self) -> Any:
        return load_function, (self.content,)


def ship(function: Any) -> Any:
    """What to pickle in place of a function: the function itself, or its pickle if that is known.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable or Shipped
    """
    if type(function) is not types.FunctionType or _is_importable(function):
        return function
    entry = _pickled.get(function)
    if entry is not None and entry.holds(function):
        return entry.shipped
    if not _is_code_only(function, tuple(_names_of(function.__code__))):
        return function
    import cloudpickle

    # Compressed also because names in it, of ``__main__`` above all, are no references of the pickle
    # that it becomes a part of.
    content = zlib.compress(cloudpickle.dumps(function, 5), 1)
    if len(content) > PICKLE_BYTES_MAX:
        return function
    shipped = Shipped(function.__name__, content)
    _pickled[function] = _Entry(function, shipped)
    return shipped


def is_fixed(shipped: Any) -> bool:
    """Whether what `ship` returned always has the same pickle: code alone, or a name."""
    kind = type(shipped)
    if kind is types.FunctionType:
        module = sys.modules.get(shipped.__module__)
        return getattr(module, shipped.__qualname__, None) is shipped and _is_importable(shipped)
    return kind is Shipped or kind is types.BuiltinFunctionType


def ship_fixed(function: Any) -> tuple[Any, bool]:
    """What `ship` returns, and whether that always has the same pickle."""
    if type(function) is types.FunctionType:
        name, module = function.__qualname__, function.__module__
        if module != "__main__" and "<" not in name:
            return function, getattr(sys.modules.get(module), name, None) is function
    shipped = ship(function)
    return shipped, is_fixed(shipped)


def load_function(content: bytes) -> Callable[..., Any]:
    """The function of a pickle; the same one for the same pickle, as long as it is kept."""
    with _loaded_lock:
        found = _loaded.get(content)
        if found is not None:
            _loaded.move_to_end(content)
            return found
    made = pickle.loads(zlib.decompress(content))
    with _loaded_lock:
        _loaded[content] = made
        while len(_loaded) > LOADED_MAX:
            _loaded.popitem(last=False)
    return made


def _is_importable(function: types.FunctionType) -> bool:
    """Whether another process finds it by its name; such a pickle is short."""
    return function.__module__ != "__main__" and "<" not in function.__qualname__


def _names_of(code: types.CodeType) -> Iterator[str]:
    """Names that the code, or code in it, may look up outside."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_of(constant)


def _is_code_only(function: types.FunctionType, names: tuple[str, ...]) -> bool:
    """Whether nothing that can change is part of the function."""
    return (
        function.__closure__ is None
        and function.__defaults__ is None
        and function.__kwdefaults__ is None
        and not function.__dict__
        and not any(name in function.__globals__ for name in names)
    )
