"""A client as an executor of `concurrent.futures`."""

from __future__ import annotations

import concurrent.futures
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from rask.distributed._futures import add_done_callback
from rask.distributed._utils import parse_seconds

__all__ = ["ClientExecutor"]

_OPTIONS = frozenset({"pure", "workers", "resources", "allow_other_workers", "retries"})


class ClientExecutor(concurrent.futures.Executor):
    """Runs calls on a cluster, for code that takes an executor of `concurrent.futures`.

    Parameters
    ----------
    client : Client
    **kwargs
        ``pure``, ``workers``, ``resources``, ``allow_other_workers`` and ``retries`` of every call;
        see `Client.submit`.

    Examples
    --------
    >>> from rask.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     with client.get_executor() as executor:
    ...         list(executor.map(abs, [-1, -2]))
    [1, 2]
    """

    def __init__(self, client: Any, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - _OPTIONS)
        if unknown:
            raise TypeError(f"unsupported arguments to ClientExecutor: {unknown}")
        self._client = client
        self._kwargs = kwargs
        self._futures: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_shut_down = False

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future:
        """Call ``fn(*args, **kwargs)`` on the cluster.

        Returns
        -------
        concurrent.futures.Future
        """
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = self._client.submit(fn, *args, **{**self._kwargs, **kwargs})
        self._futures.add(future)
        return _standard(future)

    def map(self, fn: Callable[..., Any], *iterables: Any, **kwargs: Any) -> Iterator[Any]:
        """Call a function for each element of iterables; results come in order.

        Parameters
        ----------
        fn : callable
        *iterables
        timeout : float or str, optional
            For all of them.
        chunksize : int, optional
            Ignored: calls always travel in batches.

        Raises
        ------
        TimeoutError
        """
        timeout = parse_seconds(kwargs.pop("timeout", None))
        kwargs.pop("chunksize", None)
        if kwargs:
            raise TypeError(f"unexpected arguments to map(): {sorted(kwargs)}")
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        deadline = None if timeout is None else time.monotonic() + timeout
        futures = self._client.map(fn, *iterables, **self._kwargs)
        self._futures.update(futures)
        return _results(self._client, futures, deadline)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, **kwargs: Any) -> None:
        """Take no more calls. The client stays as it is.

        Parameters
        ----------
        wait : bool
            Whether to wait for the calls that were made; otherwise they are cancelled.
        cancel_futures : bool
            Whether to cancel them in any case.
        """
        self._is_shut_down = True
        pending = [future for future in self._futures if not future.done()]
        if not pending:
            return
        if cancel_futures or not wait:
            self._client._core.cancel(pending, False)
        if wait:
            self._client._core.wait_all(pending, None)


def _results(client: Any, futures: list[Any], deadline: float | None) -> Iterator[Any]:
    try:
        futures.reverse()
        while futures:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            yield futures.pop()._result(left)
    finally:
        if futures:
            client._core.cancel(futures, False)


def _standard(future: Any) -> concurrent.futures.Future:
    """A future of `concurrent.futures` that is done when `future` is."""
    standard: concurrent.futures.Future = concurrent.futures.Future()

    def cancel(done: concurrent.futures.Future) -> None:
        if done.cancelled() and not future.done():
            future.client._core.cancel([future], False)

    def finish(done: Any) -> None:
        if standard.cancelled() or not standard.set_running_or_notify_cancel():
            return
        try:
            standard.set_result(done._result())
        except concurrent.futures.CancelledError as error:
            standard.set_exception(error)
        except BaseException as error:
            standard.set_exception(error)

    standard.add_done_callback(cancel)
    add_done_callback(future, finish)
    return standard
