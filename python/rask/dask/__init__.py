"""Living with Dask: its collections on Rask's engine, Rask's on its, and its programs on Rask.

* :func:`get` is a scheduler for Dask's own ``scheduler=`` argument: any Dask collection runs on
  Rask's engine.
* :func:`to_dask` turns a Rask collection into the Dask collection of the same kind, and
  :func:`from_dask` the other way.
* :func:`install` (or ``python -m rask.dask script.py``) lets a program that imports ``dask`` and
  ``distributed`` run on Rask unchanged.

Only :func:`get`, :func:`to_dask` and :func:`from_dask` need Dask itself to be installed.
"""

from __future__ import annotations

from rask.dask.conversion import from_dask, to_dask
from rask.dask.modules import install, uninstall
from rask.dask.scheduler import get

__all__ = ["from_dask", "get", "install", "to_dask", "uninstall"]
