"""Superfluous copies of values, and what drops them."""

from __future__ import annotations

from typing import Any

from rask import _core

__all__ = ["ActiveMemoryManager", "MemoryManagerMethods"]


class ActiveMemoryManager:
    """Steers what drops superfluous copies of values; see `Client.amm`.

    With an asynchronous client, all methods are coroutines.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._core = _core.MemoryManager(client._core)

    def start(self) -> Any:
        """Drop superfluous copies from now on, again and again.

        How often is said by the configuration's
        ``distributed.scheduler.active-memory-manager.interval`` where the scheduler is started.
        """
        return self._client._either(self._ask, self._core.start)

    def stop(self) -> Any:
        """Drop no copies any more."""
        return self._client._either(self._ask, self._core.stop)

    def run_once(self) -> Any:
        """Drop what is superfluous now, also where it is not running."""
        return self._client._either(self._ask, self._core.run_once)

    def running(self) -> Any:
        """Whether it drops copies again and again.

        Returns
        -------
        bool
        """
        return self._client._either(self._core.running)

    def _ask(self, method: Any) -> None:
        method()


class MemoryManagerMethods:
    """Part of `Client`."""

    @property
    def amm(self) -> ActiveMemoryManager:
        """What drops superfluous copies of values: ``start``, ``stop``, ``running``, ``run_once``.

        A value that tasks on several workers have needed is on all of them. Where no task needs it
        any more it is dropped, as long as one worker holds it. Copies that `replicate`, or
        `scatter` with ``broadcast=True``, have made stay.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> client = Client(n_workers=2, threads_per_worker=1)
        >>> client.amm.start()
        >>> client.amm.running()
        True
        >>> client.close()
        """
        return ActiveMemoryManager(self)
