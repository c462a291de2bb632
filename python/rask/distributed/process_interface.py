"""Processes of a cluster that something else starts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from rask.distributed._node import Status
from rask.distributed.cluster_base import show_table

__all__ = ["ProcessInterface"]


class ProcessInterface:
    """A scheduler or worker somewhere, as a `SpecCluster` starts and ends it.

    Subclasses override `start` and `close`, which call those here. A scheduler's ``address`` must be
    set once `start` has ended. Workers are made with the scheduler's address and the options of
    their specification, among them ``name``.
    """

    def __init__(self, scheduler: Any = None, name: Any = None) -> None:
        self.address = getattr(self, "address", None)
        self.external_address: str | None = None
        self.lock = asyncio.Lock()
        self.status = Status.created
        self._event_finished = asyncio.Event()

    @property
    def status(self) -> Status:
        """How the process is; set it to a `Status`."""
        return self._status

    @status.setter
    def status(self, new_status: Status) -> None:
        if not isinstance(new_status, Status):
            raise TypeError(f"Expected Status; got {new_status!r}")
        self._status = new_status

    def __await__(self) -> Generator[Any, Any, Any]:
        async def begin() -> Any:
            async with self.lock:
                if self.status == Status.created:
                    await self.start()
                    self.status = Status.running
            return self

        return begin().__await__()

    async def start(self) -> None:
        """Start the process, or ask somebody to start it."""
        self.status = Status.running

    async def close(self) -> None:
        """End the process."""
        self.status = Status.closed
        self._event_finished.set()

    async def finished(self) -> None:
        """Wait until it has been closed."""
        await self._event_finished.wait()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: status={self.status.value}>"

    def _repr_html_(self) -> str:
        return show_table(
            type(self).__name__, {"Status": self.status.value, "Address": self.address}
        )

    async def __aenter__(self) -> Any:
        await self
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self.close()
