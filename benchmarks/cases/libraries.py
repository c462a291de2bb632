"""The same interfaces by library: Dask's modules, or Rask's in their place."""

from __future__ import annotations

import importlib
from types import ModuleType


def module_of(library: str, name: str = "") -> ModuleType:
    """``rask.array`` or ``dask.array`` and so on; ``distributed`` has a place of its own in Dask."""
    if library not in ("rask", "dask"):
        raise SystemExit(f"this case is not written for {library!r}")
    if name == "distributed":
        return importlib.import_module("rask.distributed" if library == "rask" else "distributed")
    return importlib.import_module(f"{library}.{name}" if name else library)


def local_cluster(library: str, memory_limit: int | str = "auto"):
    """A client of two worker processes with one thread each, and its cluster.

    ``memory_limit`` is in bytes a worker.
    """
    distributed = module_of(library, "distributed")
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        memory_limit=memory_limit,
    )
    client = distributed.Client(cluster)
    client.wait_for_workers(2)
    return client, cluster
