"""What became of the tasks that ran within a block of code."""

from __future__ import annotations

from typing import Any

from rask import _core
from rask.distributed._context import key_of

__all__ = ["get_task_metadata"]


class get_task_metadata:
    """Collect the tasks that end within a block of code.

    Attributes
    ----------
    state : dict
        ``"memory"`` or ``"erred"`` by key.
    metadata : dict
        By key: ``"worker"``, the address of the worker that ran it, and ``"time"``, when it ended in
        seconds since the epoch by the scheduler's clock.

    Examples
    --------
    >>> from rask.distributed import Client, get_task_metadata
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     with get_task_metadata() as tasks:
    ...         client.submit(sum, [1, 2], key="three").result()
    3
    >>> tasks.state
    {'three': 'memory'}
    """

    def __init__(self) -> None:
        self.metadata: dict[Any, dict[str, Any]] | None = None
        self.state: dict[Any, str] | None = None
        self._client: Any = None
        self._start = 0

    def _begin(self) -> None:
        _, self._start, _ = _core.Inspector(self._client._core).story([], [], [])

    def _end(self) -> None:
        inspector = _core.Inspector(self._client._core)
        changes, _, forgotten = inspector.story([], [], [], True, self._start)
        if forgotten > self._start:
            import warnings

            warnings.warn(
                f"the scheduler does not remember the first {forgotten - self._start} of the changes "
                "of tasks' states within this block: tasks are missing",
                stacklevel=3,
            )
        self.metadata, self.state = {}, {}
        for layer, block, numbered, _, finish, worker, _, seconds in changes:
            if finish in ("memory", "erred"):
                key = key_of(layer, block, numbered)
                self.state[key] = finish
                self.metadata[key] = {"worker": worker, "time": seconds}

    def __enter__(self) -> get_task_metadata:
        from rask.distributed._tasks import get_client

        self._client = get_client()
        self._begin()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._end()

    async def __aenter__(self) -> get_task_metadata:
        import asyncio

        from rask.distributed._tasks import get_client

        self._client = get_client()
        await asyncio.to_thread(self._begin)
        return self

    async def __aexit__(self, *exception: Any) -> None:
        import asyncio

        await asyncio.to_thread(self._end)
