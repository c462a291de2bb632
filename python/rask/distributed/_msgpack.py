"""MessagePack (https://msgpack.org) of plain values, for dumps that other programs read too."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["packb", "unpackb"]

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1


def packb(value: Any) -> bytes:
    """A value as MessagePack: None, bool, int, float, str, bytes, lists, tuples, sets, dicts. What is
    none of these is written as its `repr`."""
    parts: list[bytes] = []
    _pack(value, parts.append)
    return b"".join(parts)


def _pack(value: Any, write: Any) -> None:
    if value is None:
        write(b"\xc0")
    elif value is True or value is False:
        write(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int) and _INT_MIN <= value <= _INT_MAX:
        _pack_int(value, write)
    elif isinstance(value, float):
        write(struct.pack(">Bd", 0xCB, value))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        _head(len(raw), (0xC4, 0xC5, 0xC6), write)
        write(raw)
    elif isinstance(value, dict):
        _collection_head(len(value), 0x80, (0xDE, 0xDF), write)
        for key, item in value.items():
            _pack(key, write)
            _pack(item, write)
    elif isinstance(value, (list, tuple, set, frozenset)):
        _collection_head(len(value), 0x90, (0xDC, 0xDD), write)
        for item in value:
            _pack(item, write)
    else:
        text = value if isinstance(value, str) else repr(value)
        raw = text.encode("utf-8", "surrogatepass")
        if len(raw) < 32:
            write(bytes([0xA0 | len(raw)]))
        else:
            _head(len(raw), (0xD9, 0xDA, 0xDB), write)
        write(raw)


def _pack_int(value: int, write: Any) -> None:
    if 0 <= value < 0x80 or -0x20 <= value < 0:
        write(struct.pack(">B", value & 0xFF))
    elif value >= 0:
        write(struct.pack(">BQ", 0xCF, value))
    else:
        write(struct.pack(">Bq", 0xD3, value))


def _head(length: int, kinds: tuple[int, int, int], write: Any) -> None:
    if length < 1 << 8:
        write(struct.pack(">BB", kinds[0], length))
    elif length < 1 << 16:
        write(struct.pack(">BH", kinds[1], length))
    else:
        write(struct.pack(">BI", kinds[2], length))


def _collection_head(length: int, small: int, kinds: tuple[int, int], write: Any) -> None:
    if length < 16:
        write(bytes([small | length]))
    elif length < 1 << 16:
        write(struct.pack(">BH", kinds[0], length))
    else:
        write(struct.pack(">BI", kinds[1], length))


def unpackb(data: bytes) -> Any:
    """The value of MessagePack bytes.

    Raises
    ------
    ValueError
        If they are none, or not whole, or more than one value.
    """
    try:
        value, at = _unpack(memoryview(data), 0)
    except (struct.error, IndexError, RecursionError, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"no whole MessagePack value: {error}") from None
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes behind a MessagePack value")
    return value


#: Numbers: format by kind.
_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
#: What has a length: what it is, and the format of the length.
_LENGTHS = {
    0xC4: ("bytes", ">B"),
    0xC5: ("bytes", ">H"),
    0xC6: ("bytes", ">I"),
    0xD9: ("str", ">B"),
    0xDA: ("str", ">H"),
    0xDB: ("str", ">I"),
    0xDC: ("list", ">H"),
    0xDD: ("list", ">I"),
    0xDE: ("dict", ">H"),
    0xDF: ("dict", ">I"),
}


def _unpack(data: memoryview, at: int) -> tuple[Any, int]:
    kind = data[at]
    at += 1
    if kind < 0x80:
        return kind, at
    if kind >= 0xE0:
        return kind - 0x100, at
    if kind < 0x90:
        return _unpack_items("dict", kind & 0x0F, data, at)
    if kind < 0xA0:
        return _unpack_items("list", kind & 0x0F, data, at)
    if kind < 0xC0:
        return _unpack_items("str", kind & 0x1F, data, at)
    if kind in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[kind], at
    if kind in _NUMBERS:
        form = _NUMBERS[kind]
        (number,) = struct.unpack_from(form, data, at)
        return number, at + struct.calcsize(form)
    if kind in _LENGTHS:
        what, form = _LENGTHS[kind]
        (length,) = struct.unpack_from(form, data, at)
        return _unpack_items(what, length, data, at + struct.calcsize(form))
    raise ValueError(f"no whole MessagePack value: kind {kind:#x} is not known")


def _unpack_items(what: str, length: int, data: memoryview, at: int) -> tuple[Any, int]:
    if what in ("bytes", "str"):
        raw = bytes(data[at : at + length])
        if len(raw) < length:
            raise IndexError("it ends too early")
        return (raw.decode("utf-8", "surrogatepass") if what == "str" else raw), at + length
    if what == "list":
        items = []
        for _ in range(length):
            item, at = _unpack(data, at)
            items.append(item)
        return items, at
    entries = {}
    for _ in range(length):
        key, at = _unpack(data, at)
        entries[key], at = _unpack(data, at)
    return entries, at
