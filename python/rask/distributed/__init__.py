"""Clusters of processes: ``Client``, ``LocalCluster``, futures.

The interface is that of ``dask.distributed``; what is not there yet raises an `AttributeError`
that names it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import rask as dask
    from rask._core import Future
    from rask.config import config
    from rask.distributed._as_completed import as_completed
    from rask.distributed._compatibility import CompatibleExecutor, connect, rpc
    from rask.distributed._loop import sync
    from rask.distributed._node import Status
    from rask.distributed._output import print, warn
    from rask.distributed._task_metadata import get_task_metadata
    from rask.distributed._tasks import (
        get_client,
        get_worker,
        local_client,
        rejoin,
        secede,
        worker_client,
    )
    from rask.distributed._waiting import fire_and_forget, wait
    from rask.distributed.active_memory_manager import (
        ActiveMemoryManagerPolicy,
        ReduceReplicas,
        RetireWorker,
    )
    from rask.distributed.actor import Actor, ActorFuture, BaseActorFuture
    from rask.distributed.adaptive import Adaptive
    from rask.distributed.client import Client, default_client, futures_of
    from rask.distributed.cluster import LocalCluster
    from rask.distributed.cluster_base import Cluster
    from rask.distributed.coordination import Event, Queue, Variable
    from rask.distributed.diagnostics import get_task_stream, performance_report
    from rask.distributed.exceptions import CancelledError, KilledWorker, Reschedule, TimeoutError
    from rask.distributed.locks import Lock, MultiLock, Semaphore
    from rask.distributed.memory_sampler import MemorySampler
    from rask.distributed.nanny import Nanny
    from rask.distributed.plugins import (
        CondaInstall,
        Environ,
        InstallPlugin,
        NannyPlugin,
        PipInstall,
        SchedulerPlugin,
        UploadDirectory,
        UploadFile,
        WorkerPlugin,
    )
    from rask.distributed.process_interface import ProcessInterface
    from rask.distributed.progressbar import progress
    from rask.distributed.scheduler import Scheduler
    from rask.distributed.scheduler_process import SchedulerProcess
    from rask.distributed.security import Security
    from rask.distributed.spans import Span, span
    from rask.distributed.spec import SpecCluster
    from rask.distributed.ssh import SSHCluster
    from rask.distributed.subprocess_cluster import SubprocessCluster
    from rask.distributed.worker import Worker

_HOMES = {
    "ReduceReplicas": "active_memory_manager",
    "RetireWorker": "active_memory_manager",
    "get_task_metadata": "_task_metadata",
    "print": "_output",
    "warn": "_output",
    "performance_report": "diagnostics",
    "get_task_stream": "diagnostics",
    "rpc": "_compatibility",
    "connect": "_compatibility",
    "CompatibleExecutor": "_compatibility",
    "Variable": "coordination",
    "Semaphore": "locks",
    "Queue": "coordination",
    "MultiLock": "locks",
    "Lock": "locks",
    "Event": "coordination",
    "ActiveMemoryManagerPolicy": "active_memory_manager",
    "Actor": "actor",
    "ActorFuture": "actor",
    "Adaptive": "adaptive",
    "BaseActorFuture": "actor",
    "CancelledError": "exceptions",
    "Client": "client",
    "Cluster": "cluster_base",
    "CondaInstall": "plugins",
    "Environ": "plugins",
    "Future": "_futures",
    "InstallPlugin": "plugins",
    "KilledWorker": "exceptions",
    "LocalCluster": "cluster",
    "MemorySampler": "memory_sampler",
    "Nanny": "nanny",
    "NannyPlugin": "plugins",
    "PipInstall": "plugins",
    "ProcessInterface": "process_interface",
    "Reschedule": "exceptions",
    "Scheduler": "scheduler",
    "SSHCluster": "ssh",
    "SchedulerPlugin": "plugins",
    "SchedulerProcess": "scheduler_process",
    "Security": "security",
    "Span": "spans",
    "SpecCluster": "spec",
    "Status": "_node",
    "SubprocessCluster": "subprocess_cluster",
    "TimeoutError": "exceptions",
    "UploadDirectory": "plugins",
    "UploadFile": "plugins",
    "Worker": "worker",
    "WorkerPlugin": "plugins",
    "as_completed": "_as_completed",
    "default_client": "client",
    "fire_and_forget": "_waiting",
    "futures_of": "client",
    "get_client": "_tasks",
    "get_worker": "_tasks",
    "local_client": "_tasks",
    "progress": "progressbar",
    "rejoin": "_tasks",
    "secede": "_tasks",
    "span": "spans",
    "sync": "_loop",
    "wait": "_waiting",
    "worker_client": "_tasks",
}

__all__ = [
    "ActiveMemoryManagerPolicy",
    "Actor",
    "ActorFuture",
    "Adaptive",
    "BaseActorFuture",
    "CancelledError",
    "Client",
    "Cluster",
    "CompatibleExecutor",
    "CondaInstall",
    "Environ",
    "Event",
    "Future",
    "InstallPlugin",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "MemorySampler",
    "MultiLock",
    "Nanny",
    "NannyPlugin",
    "PipInstall",
    "ProcessInterface",
    "Queue",
    "ReduceReplicas",
    "Reschedule",
    "RetireWorker",
    "SSHCluster",
    "Scheduler",
    "SchedulerPlugin",
    "SchedulerProcess",
    "Security",
    "Semaphore",
    "Span",
    "SpecCluster",
    "Status",
    "SubprocessCluster",
    "TimeoutError",
    "UploadDirectory",
    "UploadFile",
    "Variable",
    "Worker",
    "WorkerPlugin",
    "as_completed",
    "config",
    "connect",
    "dask",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_task_metadata",
    "get_task_stream",
    "get_worker",
    "local_client",
    "performance_report",
    "print",
    "progress",
    "rejoin",
    "rpc",
    "secede",
    "span",
    "sync",
    "wait",
    "warn",
    "worker_client",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is not None:
        value = getattr(importlib.import_module(f"rask.distributed.{home}"), name)
    elif name == "dask":
        value = importlib.import_module("rask")
    elif name == "widgets":
        value = importlib.import_module("rask.distributed.widgets")
    elif name == "config":
        value = importlib.import_module("rask.config").config
    else:
        raise AttributeError(f"rask.distributed has no {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
