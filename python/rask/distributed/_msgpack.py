"""MessagePack (https://msgpack.org) of plain values, for dumps that other programs read too."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

__all__ = ["packb", "unpackb"]

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1


def packb(value: Any) -> bytes:
    """A value as MessagePack: None, bool, int, float, str, bytes, lists, tuples, sets, dicts. What is
    none of these is written as its `repr`."""
    out = bytearray()
    _pack(value, out)
    return bytes(out)


def _pack(value: Any, out: bytearray) -> None:
    packer = _PACKERS.get(type(value))
    if packer is None:
        known = (kind for kind in _PACKERS if isinstance(value, kind))
        packer = _PACKERS.get(next(known, None), _pack_repr)
    packer(value, out)


def _pack_none(value: None, out: bytearray) -> None:
    out.append(0xC0)


def _pack_bool(value: bool, out: bytearray) -> None:
    out.append(0xC3 if value else 0xC2)


def _pack_int(value: int, out: bytearray) -> None:
    if -0x20 <= value < 0x80:
        out.append(value & 0xFF)
    elif 0 <= value <= _INT_MAX:
        out += struct.pack(">BQ", 0xCF, value)
    elif _INT_MIN <= value < 0:
        out += struct.pack(">Bq", 0xD3, value)
    else:
        _pack_repr(value, out)


def _pack_float(value: float, out: bytearray) -> None:
    out += struct.pack(">Bd", 0xCB, value)


def _pack_bytes(value: Any, out: bytearray) -> None:
    raw = bytes(value)
    _head(len(raw), (0xC4, 0xC5, 0xC6), out)
    out += raw


def _pack_str(value: str, out: bytearray) -> None:
    raw = value.encode("utf-8", "surrogatepass")
    if len(raw) < 32:
        out.append(0xA0 | len(raw))
    else:
        _head(len(raw), (0xD9, 0xDA, 0xDB), out)
    out += raw


def _pack_repr(value: Any, out: bytearray) -> None:
    _pack_str(repr(value), out)


def _pack_dict(value: dict[Any, Any], out: bytearray) -> None:
    _collection_head(len(value), 0x80, (0xDE, 0xDF), out)
    for key, item in value.items():
        _pack(key, out)
        _pack(item, out)


def _pack_items(value: Any, out: bytearray) -> None:
    _collection_head(len(value), 0x90, (0xDC, 0xDD), out)
    for item in value:
        _pack(item, out)


#: By type, bool before int.
_PACKERS: dict[Any, Callable[[Any, bytearray], None]] = {
    str: _pack_str,
    bool: _pack_bool,
    int: _pack_int,
    float: _pack_float,
    type(None): _pack_none,
    dict: _pack_dict,
    list: _pack_items,
    tuple: _pack_items,
    bytes: _pack_bytes,
    bytearray: _pack_bytes,
    memoryview: _pack_bytes,
    set: _pack_items,
    frozenset: _pack_items,
}


def _head(length: int, kinds: tuple[int, int, int], out: bytearray) -> None:
    if length < 1 << 8:
        out += struct.pack(">BB", kinds[0], length)
    elif length < 1 << 16:
        out += struct.pack(">BH", kinds[1], length)
    else:
        out += struct.pack(">BI", kinds[2], length)


def _collection_head(length: int, small: int, kinds: tuple[int, int], out: bytearray) -> None:
    if length < 16:
        out.append(small | length)
    elif length < 1 << 16:
        out += struct.pack(">BH", kinds[0], length)
    else:
        out += struct.pack(">BI", kinds[1], length)


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
