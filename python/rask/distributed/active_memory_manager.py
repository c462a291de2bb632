"""What drops superfluous copies of values: `ActiveMemoryManager`, as ``client.amm``.

Dask's classes of policies are not here: they would run in the scheduler, which runs no code of
users. What they are for is done by the scheduler itself.
"""

from __future__ import annotations

from typing import Any

from rask.distributed._client_memory import ActiveMemoryManager

__all__ = ["ActiveMemoryManager"]

_INSTEAD = {
    "ActiveMemoryManagerExtension": "client.amm steers what drops copies",
    "ActiveMemoryManagerPolicy": "Client.replicate, Client.rebalance and client.amm move and drop "
    "copies, and a SchedulerPlugin is told what happens",
    "ReduceReplicas": "client.amm.start(), or the configuration's "
    "distributed.scheduler.active-memory-manager.start, has superfluous copies dropped",
    "RetireWorker": "Client.retire_workers lets workers leave once their values are elsewhere",
}


def __getattr__(name: str) -> Any:
    if name in _INSTEAD:
        raise NotImplementedError(
            f"{name}: policies would run in the scheduler, which runs no code of users. "
            f"{_INSTEAD[name]}"
        )
    raise AttributeError(f"rask.distributed.active_memory_manager has no {name!r}")
