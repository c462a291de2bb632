"""Copies of values on several workers."""

from __future__ import annotations

from typing import Any

from rask import _core
from rask.distributed._arguments import futures_of
from rask.distributed._submission import worker_names
from rask.distributed._utils import parse_seconds

__all__ = ["ReplicaMethods"]


class ReplicaMethods:
    """Part of `Client`."""

    _core: Any
    _either: Any

    def replicate(
        self,
        futures: Any,
        n: int | None = None,
        workers: Any = None,
        branching_factor: int = 2,
        asynchronous: bool | None = None,
        timeout: Any = None,
    ) -> Any:
        """Hold values on several workers, and wait until it is so.

        A worker that has a copy sends it on, so that copies double with each round.

        Parameters
        ----------
        futures : future, collection, or containers of these
        n : int, optional
            On how many workers; on all if not given.
        workers : str or list of str, optional
            Names or addresses of those that come into question.
        branching_factor : int
            Accepted: each holder sends to one other at a time.
        timeout : float or str, optional

        Raises
        ------
        ValueError
            If `n` is less than 1.
        """
        if n is not None and n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        return self._either(
            self._replicate, futures, n or 0, worker_names(workers), parse_seconds(timeout)
        )

    def _replicate(
        self, futures: Any, count: int, workers: list[str], timeout: float | None
    ) -> None:
        found = futures_of(futures, self)  # type: ignore[arg-type]
        self._core.wait_all(found, timeout)
        _core.Replicas(self._core).replicate(found, count, workers, timeout)

    def rebalance(
        self,
        futures: Any = None,
        workers: Any = None,
        asynchronous: bool | None = None,
        timeout: Any = None,
    ) -> Any:
        """Spread values evenly over workers, and wait until it is so; work may go on meanwhile.

        Parameters
        ----------
        futures : future, collection, or containers of these, optional
            What may be moved; everything if not given.
        workers : str or list of str, optional
            Names or addresses of those that come into question.
        timeout : float or str, optional
        """
        return self._either(self._rebalance, futures, worker_names(workers), parse_seconds(timeout))

    def _rebalance(self, futures: Any, workers: list[str], timeout: float | None) -> None:
        found = futures_of(futures, self) if futures is not None else []  # type: ignore[arg-type]
        self._core.wait_all(found, timeout)
        _core.Replicas(self._core).rebalance(found, workers, timeout)
