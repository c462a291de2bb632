"""Values that clients move to the cluster: through the scheduler, or to workers directly."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from rask import _core
from rask._core import Future
from rask.distributed._arguments import container_like
from rask.distributed._submission import call_name, options_of, worker_names

__all__ = ["DataMethods"]

#: In a worker: what clients have sent and no task has taken yet, by name.
_arrived: dict[str, Any] = {}


def _put(name: str, value: Any) -> None:
    _arrived[name] = value


def _take(name: str, worker: str) -> Any:
    try:
        return _arrived.pop(name)
    except KeyError:
        raise RuntimeError(
            f"a value was scattered with direct=True to the worker at {worker} and was nowhere "
            "else; that worker is gone. Scatter it again, or with broadcast, or without direct, so "
            "that the scheduler keeps a copy"
        ) from None


def _map_values(function: Callable[[Any], Future], data: Any) -> Any:
    """A future for each value of a container, in a container alike; one for anything else."""
    if isinstance(data, dict):
        return {key: function(value) for key, value in data.items()}
    if isinstance(data, (list, tuple, set, frozenset)):
        return container_like(data, [function(value) for value in data])
    if isinstance(data, (Iterator, range)):
        return [function(value) for value in data]
    return function(data)


class DataMethods:
    """Part of `Client`."""

    _core: Any
    _direct: bool
    _either: Any
    _check_running: Callable[[], None]
    _replicate: Any
    submit: Any
    _targets: Any
    _run: Any

    def scatter(
        self,
        data: Any,
        workers: Any = None,
        broadcast: bool | int = False,
        direct: bool | None = None,
        hash: bool = True,
        timeout: Any = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Move values to the cluster.

        Parameters
        ----------
        data : list, tuple, set, dict or object
            The values of a container become one future each.
        workers : str or list of str, optional
            Where to.
        broadcast : bool or int
            Whether every worker gets a copy, or how many do.
        direct : bool, optional
            Whether each value goes to a worker without the scheduler, which then has no copy: if
            that worker ends, so does the value, and tasks that need it fail. Default: what the
            client was given as ``direct_to_workers``, or False.
        hash : bool
            Whether equal values may share one key. Values that are sent directly never do.

        Returns
        -------
        list, tuple, set or dict of Future, or Future
        """
        direct = self._direct if direct is None else direct
        return self._either(self._scatter, data, workers, hash, broadcast, direct)

    def _scatter(
        self, data: Any, workers: Any, hash: bool, broadcast: bool | int, direct: bool
    ) -> Any:
        self._check_running()
        if direct:
            futures = self._scatter_direct(data, workers)
        else:
            futures = self._scatter_once(data, workers, hash)
        if broadcast:
            count = 0 if broadcast is True else int(broadcast)
            self._replicate(futures, count, worker_names(workers), None)
        return futures

    def _scatter_once(self, data: Any, workers: Any, hash: bool) -> Any:
        self._check_running()
        options = options_of(0, None, workers, False, None, annotated=False)

        def one(value: Any) -> Future:
            kind = type(value).__name__
            name = call_name(kind, [_core.Payload(value)] if hash else [], [], hash)
            return self._core.submit_values(self, name, [value], False, options)[0]

        return _map_values(one, data)

    def _scatter_direct(self, data: Any, workers: Any) -> Any:
        """Each value goes to one of the workers in turn, which alone has it."""
        targets = itertools.cycle(sorted(self._targets(workers, False)))
        return _map_values(lambda value: self._send(value, next(targets)), data)

    def _send(self, value: Any, worker: str) -> Future:
        name = call_name(type(value).__name__, [], [], False)
        call = _core.Payload((_put, (name, value), {}, True))
        self._run(call, [worker], True, False, "raise")
        return self.submit(
            _take, name, worker, key=name, workers=[worker], allow_other_workers=True
        )
