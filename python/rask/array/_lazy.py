"""The modules of this package, each imported when one of its names is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rask.array import (
        assemble,
        blocks,
        blockwise_calls,
        chunks,
        creation,
        cumulative,
        delayed_io,
        elementwise,
        html,
        indexing,
        joining,
        manipulation,
        metas,
        moments,
        overlap,
        positions,
        products,
        protocol,
        reductions,
        searching,
        sinks,
        sources,
        ufunc,
        zarr_io,
    )

__all__ = [
    "assemble",
    "blocks",
    "blockwise_calls",
    "chunks",
    "creation",
    "cumulative",
    "delayed_io",
    "elementwise",
    "html",
    "indexing",
    "joining",
    "manipulation",
    "metas",
    "moments",
    "overlap",
    "positions",
    "products",
    "protocol",
    "reductions",
    "searching",
    "sinks",
    "sources",
    "ufunc",
    "zarr_io",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"rask.array.{name}")
    globals()[name] = module
    return module
