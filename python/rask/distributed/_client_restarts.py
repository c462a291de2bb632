"""Workers that clients replace or let go."""

from __future__ import annotations

import time
from typing import Any

from rask.distributed._utils import parse_seconds

__all__ = ["RestartMethods"]

_RESTART_SECONDS = 60.0


class RestartMethods:
    """Part of `Client`."""

    _core: Any
    _either: Any
    _runtime: Any
    _targets: Any

    def restart(self, timeout: Any = None, wait_for_workers: bool = True) -> Any:
        """Cancel everything and replace the worker processes.

        Parameters
        ----------
        timeout : float or str, optional
            How long to wait for the new workers.
        wait_for_workers : bool
            Whether to wait for as many workers as before.

        Raises
        ------
        TimeoutError
            If the new workers do not come in time.
        """

        def restart() -> None:
            before = {worker["number"] for worker in self._core.info()[0]}
            self._core.restart()
            if wait_for_workers:
                self._await_replaced(before, timeout, "restart")

        return self._either(restart)

    def restart_workers(
        self, workers: Any, timeout: Any = None, raise_for_error: bool = True
    ) -> Any:
        """Replace the processes of some workers; what only they hold is computed again if needed.

        Parameters
        ----------
        workers : list of str
            Addresses or names of workers that have a nanny.
        timeout : float or str, optional
            How long to wait for the new processes.
        raise_for_error : bool
            Whether to raise TimeoutError, or to say so in the result.

        Returns
        -------
        dict
            ``"OK"`` or ``"timed out"`` by worker, as it was named.

        Raises
        ------
        ValueError
            For workers that are not there, or that have no nanny.
        TimeoutError
        """
        return self._either(self._restart_workers, list(workers), timeout, raise_for_error)

    def _restart_workers(self, workers: list[Any], timeout: Any, raises: bool) -> dict[Any, str]:
        targets = self._targets(workers, nanny=True)
        named = dict(zip(workers, targets, strict=True))
        there = self._core.info()[0]
        before = {worker["number"] for worker in there if worker["address"] in targets}
        self._runtime.restart_workers(list(targets))
        outcome = dict.fromkeys(workers, "OK")
        try:
            self._await_replaced(before, timeout, "restart_workers")
        except TimeoutError:
            if raises:
                raise
            there = self._core.info()[0]
            left = {worker["address"] for worker in there if worker["number"] in before}
            for worker, address in named.items():
                if address in left:
                    outcome[worker] = "timed out"
        return outcome

    def retire_workers(
        self, workers: Any = None, close_workers: bool = True, timeout: Any = None, **kwargs: Any
    ) -> Any:
        """Let workers leave: they finish what they have begun, and what only they hold is moved to
        others first.

        Parameters
        ----------
        workers : str or list of str
            Addresses or names.
        timeout : float or str, optional
            How long to wait until they have left; default: as long as it takes.

        Returns
        -------
        dict
            What was known of each worker, by address.

        Raises
        ------
        ValueError
            For workers that are not there.
        TimeoutError
            When the time is up; the workers leave all the same.
        """
        if not workers:
            raise ValueError("say which workers are to leave: workers=[…]")
        if not close_workers:
            raise NotImplementedError("workers that are retired are closed, too")
        return self._either(self._retire_workers, workers, parse_seconds(timeout))

    def _retire_workers(self, workers: Any, seconds: float | None) -> dict[str, Any]:
        targets = self._targets(workers, nanny=False)
        there = {worker["address"]: worker for worker in self._core.info()[0]}
        self._core.retire(list(targets))
        deadline = None if seconds is None else time.monotonic() + seconds
        while left := set(targets) & {worker["address"] for worker in self._core.info()[0]}:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{len(left)} of {len(targets)} workers have not left yet")
            time.sleep(0.01)
        return {address: there[address] for address in targets}

    def _await_replaced(self, before: set[int], timeout: Any, what: str) -> None:
        # By number: a new worker may listen at a port that an old one had.
        seconds = parse_seconds(timeout) or _RESTART_SECONDS
        deadline = time.monotonic() + seconds
        count = len(self._core.info()[0])
        wanted = max(count, len(before))
        while True:
            now = {worker["number"] for worker in self._core.info()[0]}
            if len(now) >= wanted and not now & before:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{what}: {len(now - before)} of {wanted} new workers after {seconds} seconds"
                )
            time.sleep(0.02)
