"""Functions of ``numpy.lib`` for lazy arrays."""

from rask.array.lib import stride_tricks

__all__ = ["stride_tricks"]
