"""Names that stand in another module here than in Dask.

Dask's programs import many names from the modules that define them, as in
``from distributed.diagnostics.plugin import WorkerPlugin``. A `Place` is such a module: it gives
the names that are elsewhere, and what Rask's module of the same name has, if there is one.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["Place", "find_place", "is_package", "leave"]

_PUBLIC = "rask.distributed"
_CANCELLED = {
    name: "rask.distributed.exceptions:CancelledError"
    for name in ("FutureCancelledError", "FuturesCancelledError")
}


def _names(*names: str) -> dict[str, str]:
    """Names that are found in ``rask.distributed``."""
    return {name: f"{_PUBLIC}:{name}" for name in names}


_CLUSTERS = _names(
    "Adaptive",
    "Cluster",
    "LocalCluster",
    "ProcessInterface",
    "SSHCluster",
    "SpecCluster",
    "SubprocessCluster",
)
_PLUGINS = _names(
    "CondaInstall",
    "Environ",
    "InstallPlugin",
    "NannyPlugin",
    "PipInstall",
    "SchedulerPlugin",
    "UploadDirectory",
    "UploadFile",
    "WorkerPlugin",
)
_TASKS = _names("get_client", "get_worker", "rejoin", "secede", "worker_client")

#: By module, below ``distributed``: names and where they are.
_PLACES: dict[str, dict[str, str]] = {
    "client": {
        **_CANCELLED,
        **_TASKS,
        **_names("CancelledError", "Future", "KilledWorker", "as_completed", "fire_and_forget"),
        **_names("get_task_metadata", "get_task_stream", "performance_report", "wait"),
    },
    "core": _names("Status", "connect", "rpc"),
    "deploy": _CLUSTERS,
    "deploy.adaptive": _CLUSTERS,
    "deploy.cluster": _CLUSTERS,
    "deploy.local": _CLUSTERS,
    "deploy.spec": _CLUSTERS,
    "deploy.ssh": _CLUSTERS,
    "deploy.subprocess": _CLUSTERS,
    "diagnostics": {**_PLUGINS, **_names("MemorySampler", "progress")},
    "diagnostics.memory_sampler": _names("MemorySampler"),
    "diagnostics.plugin": _PLUGINS,
    "diagnostics.progressbar": _names("progress"),
    "event": _names("Event"),
    "lock": _names("Lock"),
    "metrics": {"time": "time:time"},
    "multi_lock": _names("MultiLock"),
    "queues": _names("Queue"),
    "scheduler": _names("KilledWorker"),
    "semaphore": _names("Semaphore"),
    "threadpoolexecutor": _names("rejoin", "secede"),
    "utils": _names("TimeoutError", "sync"),
    "variable": _names("Variable"),
    "versions": {
        name: f"rask.distributed._versions:{name}"
        for name in ("VersionMismatchWarning", "get_versions")
    },
    "worker": {**_TASKS, **_names("Reschedule")},
}


class Place(ModuleType):
    """A module of Dask's whose names are elsewhere here."""

    def __init__(self, name: str, homes: dict[str, str], own: ModuleType | None) -> None:
        super().__init__(name)
        self.__dict__["_homes"] = homes
        self.__dict__["_own"] = own

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__["_own"]
        home = self.__dict__["_homes"].get(name)
        if home is not None:
            module, _, attribute = home.partition(":")
            value = getattr(importlib.import_module(module), attribute)
        elif own is not None:
            value = getattr(own, name)
        else:
            raise AttributeError(f"Rask has nothing that is {name!r} of {self.__name__!r}")
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        own = self.__dict__["_own"]
        return sorted({*self.__dict__["_homes"], *(() if own is None else dir(own))})


def find_place(ours: str) -> Place | None:
    """The module of this name, by Rask's reckoning, if some of its names are elsewhere."""
    homes = _PLACES.get(_below(ours))
    if homes is None:
        return None
    try:
        own = importlib.import_module(ours)
    except ModuleNotFoundError as error:
        if error.name is None or not ours.startswith(error.name):
            raise
        own = None
    return Place(ours, homes, own)


def leave(ours: str) -> None:
    """Give the package above the module of its own again, in the place of a `Place`."""
    above, _, last = ours.rpartition(".")
    package = sys.modules.get(above)
    if package is None or not isinstance(package.__dict__.get(last), Place):
        return
    own = sys.modules.get(ours)
    if own is None:
        delattr(package, last)
    else:
        setattr(package, last, own)


def is_package(ours: str) -> bool:
    """Whether modules of this table are below that one."""
    below = _below(ours)
    return bool(below) and any(name.startswith(f"{below}.") for name in _PLACES)


def _below(ours: str) -> str:
    return ours.removeprefix(f"{_PUBLIC}.") if ours.startswith(f"{_PUBLIC}.") else ""
