"""Lists in partitions: semi-structured data, texts, records, any Python objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rask.bag.core import Bag, Item, StringAccessor
    from rask.bag.creation import (
        concat,
        from_delayed,
        from_sequence,
        from_url,
        map,
        map_partitions,
        range,
        zip,
    )
    from rask.bag.text import read_text, to_textfiles
    from rask.base import compute

__all__ = [
    "Bag",
    "Item",
    "StringAccessor",
    "assert_eq",
    "compute",
    "concat",
    "from_delayed",
    "from_sequence",
    "from_url",
    "map",
    "map_partitions",
    "range",
    "read_text",
    "to_textfiles",
    "zip",
]

_MODULE_OF = {
    **dict.fromkeys(("Bag", "Item", "StringAccessor"), "rask.bag.core"),
    **dict.fromkeys(
        (
            "concat",
            "from_delayed",
            "from_sequence",
            "from_url",
            "map",
            "map_partitions",
            "range",
            "zip",
        ),
        "rask.bag.creation",
    ),
    **dict.fromkeys(("read_text", "to_textfiles"), "rask.bag.text"),
    "compute": "rask.base",
    "assert_eq": "rask.bag.testing",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'rask.bag' has no attribute {name!r}")
