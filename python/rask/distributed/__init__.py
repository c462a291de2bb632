"""Clusters of processes: ``Client``, ``LocalCluster``, futures.

The interface is that of ``dask.distributed``; what is not there yet raises an `AttributeError`
that names it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rask._core import Future
    from rask.distributed._tasks import (
        get_client,
        get_worker,
        rejoin,
        secede,
        worker_client,
    )
    from rask.distributed._waiting import as_completed, fire_and_forget, wait
    from rask.distributed.client import Client, default_client, futures_of
    from rask.distributed.cluster import LocalCluster
    from rask.distributed.exceptions import CancelledError, KilledWorker, TimeoutError
    from rask.distributed.progressbar import progress
    from rask.distributed.security import Security

_HOMES = {
    "CancelledError": "exceptions",
    "Client": "client",
    "Future": "_futures",
    "KilledWorker": "exceptions",
    "LocalCluster": "cluster",
    "Security": "security",
    "TimeoutError": "exceptions",
    "as_completed": "_waiting",
    "default_client": "client",
    "fire_and_forget": "_waiting",
    "futures_of": "client",
    "get_client": "_tasks",
    "get_worker": "_tasks",
    "progress": "progressbar",
    "rejoin": "_tasks",
    "secede": "_tasks",
    "wait": "_waiting",
    "worker_client": "_tasks",
}

__all__ = [
    "CancelledError",
    "Client",
    "Future",
    "KilledWorker",
    "LocalCluster",
    "Security",
    "TimeoutError",
    "as_completed",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_worker",
    "progress",
    "rejoin",
    "secede",
    "wait",
    "worker_client",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"rask.distributed has no {name!r}")
    value = getattr(importlib.import_module(f"rask.distributed.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
