"""Exceptions of tasks: how they travel, with the lines where they were raised."""

from __future__ import annotations

import ast
import pickle
import types
from typing import Any

__all__ = ["Raised", "describe", "rebuild"]

_CHAIN_MAX = 8
_FRAMES_MAX = 200
_ENDING = (SystemExit, KeyboardInterrupt, GeneratorExit)

#: File, function, first and last line, first and last column.
Frame = tuple[str, str, int, int, int, int]


class Raised:
    """An exception of a task; pickled, it takes its traceback and its causes along.

    Parameters
    ----------
    exception : BaseException
    """

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (_write(self.exception, _CHAIN_MAX),)


def _write(exception: BaseException, depth: int) -> dict[str, Any]:
    """An exception as plain data."""
    if isinstance(exception, _ENDING):
        # It would end the process that asks for the result.
        text = f"the task raised {type(exception).__name__}: {exception}"
        written: dict[str, Any] = {"pickle": pickle.dumps(RuntimeError(text))}
    else:
        written = _write_object(exception)
    written["frames"] = _frames_of(exception.__traceback__)
    cause, context = exception.__cause__, exception.__context__
    written["suppress"] = exception.__suppress_context__
    if depth > 0:
        for name, other in (("cause", cause), ("context", context)):
            if other is not None and (name == "cause" or other is not cause):
                try:
                    written[name] = _write(other, depth - 1)
                except Exception:
                    written[name] = {"pickle": pickle.dumps(RuntimeError(_text_of(other)))}
    return written


def _write_object(exception: BaseException) -> dict[str, Any]:
    """The exception itself, without what hangs on it. Raises if there is no way to write it."""
    import cloudpickle

    try:
        data = cloudpickle.dumps(exception)
        if type(pickle.loads(data)) is type(exception):
            return {"pickle": data}
    except Exception:
        # Typically the class takes other arguments than it keeps.
        pass
    parts = (type(exception), exception.args, _picklable(vars(exception)))
    data = cloudpickle.dumps(parts)
    _make(*pickle.loads(data))
    return {"parts": data}


def _picklable(attributes: dict[str, Any]) -> dict[str, Any]:
    import cloudpickle

    kept = {}
    for name, value in attributes.items():
        try:
            pickle.loads(cloudpickle.dumps(value))
        except Exception:
            continue
        kept[name] = value
    return kept


def _make(
    kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]
) -> BaseException:
    exception = kind.__new__(kind, *args)
    exception.args = args
    exception.__dict__.update(attributes)
    return exception


def _frames_of(traceback: types.TracebackType | None) -> list[Frame]:
    frames: list[Frame] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        line = traceback.tb_lineno or 1
        positions = list(code.co_positions())[traceback.tb_lasti // 2 :]
        first, last, start, end = positions[0] if positions else (None,) * 4
        if first is None or last is None or start is None or end is None:
            first, last, start, end = line, line, 0, 0
        frames.append((code.co_filename, code.co_name, first, last, start, end))
        traceback = traceback.tb_next
    return frames if len(frames) <= _FRAMES_MAX else frames[:50] + frames[50 - _FRAMES_MAX :]


def rebuild(written: dict[str, Any]) -> BaseException:
    """The exception, as it was raised elsewhere: with a traceback and causes."""
    if "pickle" in written:
        exception = pickle.loads(written["pickle"])
    else:
        exception = _make(*pickle.loads(written["parts"]))
    exception.__traceback__ = _traceback_of(written.get("frames", []))
    for name in ("cause", "context"):
        if name in written:
            setattr(exception, f"__{name}__", rebuild(written[name]))
    if "cause" in written and "context" not in written:
        exception.__context__ = exception.__cause__
    exception.__suppress_context__ = written.get("suppress", False)
    return exception


def _traceback_of(frames: list[Frame]) -> types.TracebackType | None:
    """A traceback of frames that ran elsewhere. They have no variables."""
    traceback: types.TracebackType | None = None
    for frame in reversed(frames):
        made = _traceback(*frame)
        traceback = types.TracebackType(traceback, made.tb_frame, made.tb_lasti, made.tb_lineno)
    return traceback


class _Stop(Exception):
    pass


def _traceback(
    file: str, function: str, first: int, last: int, start: int, end: int
) -> types.TracebackType:
    """A traceback of one frame, which is at this place."""
    tree = ast.parse("raise stop")
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.expr)):
            node.lineno, node.end_lineno = first, last
            node.col_offset, node.end_col_offset = start, end
    code = compile(tree, file, "exec")
    code = code.replace(co_name=function, co_qualname=function)
    try:
        exec(code, {"stop": _Stop(), "__name__": "remote", "__file__": file})
    except _Stop as stop:
        if stop.__traceback__ is not None and stop.__traceback__.tb_next is not None:
            return stop.__traceback__.tb_next
    raise AssertionError("the code raises")


def _text_of(exception: BaseException) -> str:
    try:
        return f"{type(exception).__name__}: {exception}"[:10_000]
    except Exception:
        return type(exception).__name__


def describe(value: Any) -> str:
    """A value in a few words: its class, and its shape, type of elements or length.

    Examples
    --------
    >>> describe([1, 2, 3])
    'list of 3'
    >>> import numpy as np
    >>> describe(np.zeros((2, 3)))
    'numpy.ndarray (2, 3) float64'
    """
    kind = type(value)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__.split('.')[0]}.{name}"
    try:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple):
            dtype = getattr(value, "dtype", None)
            return f"{name} {shape}" if dtype is None else f"{name} {shape} {dtype}"
        if isinstance(value, (str, bytes, list, tuple, set, frozenset, dict)):
            return f"{name} of {len(value)}"
        if isinstance(value, (int, float, complex, bool, type(None))):
            return f"{name} {value!r}"[:80]
    except Exception:
        return name
    return name
