"""Serialisation of Python objects: pickle protocol 5 with large buffers kept out of band."""

from __future__ import annotations

import pickle
from typing import Any

__all__ = ["dumps", "dumps_bytes", "loads", "loads_bytes"]

_BUFFER_BYTES_MIN = 4096


def dumps(obj: Any) -> tuple[bytes, list[Any]]:
    """Pickle an object.

    Objects of importable modules go through `pickle`; what `pickle` refuses, and what lives in
    ``__main__``, where another process would not find it, through `cloudpickle`.

    Parameters
    ----------
    obj : Any

    Returns
    -------
    header : bytes
    buffers : list of buffers
        Contiguous memory that the header refers to, shared with the object.
    """
    buffers: list[Any] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True
        # What is read-only becomes bytes within the pickle, and stays so for who reads it.
        if raw.nbytes < _BUFFER_BYTES_MIN and not raw.readonly:
            return True
        buffers.append(raw)
        return False

    try:
        header = pickle.dumps(obj, protocol=5, buffer_callback=keep)
        importable = b"__main__" not in header
    except Exception:
        importable = False
        header = b""
    if not importable:
        import cloudpickle

        buffers.clear()
        header = cloudpickle.dumps(obj, protocol=5, buffer_callback=keep)
    return header, buffers


def loads(header: Any, buffers: list[Any]) -> Any:
    """Make the object that `dumps` pickled; its large buffers share the memory of `buffers`."""
    return pickle.loads(header, buffers=buffers)


def dumps_bytes(obj: Any) -> bytes:
    """Pickle an object into one piece, as `dumps` does."""
    header, buffers = dumps(obj)
    if not buffers:
        return pickle.dumps((header, []), protocol=5)
    return pickle.dumps((header, [bytes(buffer) for buffer in buffers]), protocol=5)


def loads_bytes(content: bytes) -> Any:
    """Make the object that `dumps_bytes` pickled."""
    return loads(*pickle.loads(content))
