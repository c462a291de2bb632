"""The ``processes`` scheduler: a local cluster of worker processes, started once and kept."""

from __future__ import annotations

import atexit
from typing import Any

__all__ = ["get", "process_client"]

_client: Any = None


def process_client() -> Any:
    """The client of this process's pool of worker processes, one a core."""
    global _client
    if _client is None or _client.status != "running":
        from rask import config
        from rask.distributed import Client, LocalCluster
        from rask.system import CPU_COUNT

        workers = config.get("num-workers", None) or CPU_COUNT
        cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True)
        _client = Client(cluster, set_as_default=False)
        atexit.register(close)
    return _client


def close() -> None:
    """Stop the worker processes."""
    global _client
    if _client is not None:
        client, _client = _client, None
        cluster = client.cluster
        client.close()
        if cluster is not None:
            cluster.close()


def get(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """Compute keys of a task graph on worker processes; parameters as `rask.threaded.get`."""
    from rask import _core

    plan = _core.compile_graph(dict(dsk), keys)
    return _core.nest_values(keys, list(process_client()._rask_compute(plan)))
