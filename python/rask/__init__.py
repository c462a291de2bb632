"""Rask: parallel arrays, tables, bags and task graphs on an engine written in Rust."""

from __future__ import annotations

from rask._core import __version__

__all__ = ["__version__"]
