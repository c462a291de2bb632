"""Values that clients send to workers without the scheduler."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rask import _core
from rask.distributed._submission import call_name

if TYPE_CHECKING:
    from rask.distributed._futures import Future

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


class DataMethods:
    """Of `Client`."""

    submit: Any
    _targets: Any
    _run: Any

    def _scatter_direct(self, data: Any, workers: Any) -> Any:
        """Each value goes to one of the workers in turn, which alone has it."""
        targets = itertools.cycle(sorted(self._targets(workers, False)))

        def one(value: Any) -> Future:
            return self._send(value, next(targets))

        if isinstance(data, dict):
            return {key: one(value) for key, value in data.items()}
        if isinstance(data, (list, tuple, set, frozenset)):
            return type(data)([one(value) for value in data])
        if isinstance(data, (Iterator, range)):
            return [one(value) for value in data]
        return one(data)

    def _send(self, value: Any, worker: str) -> Future:
        name = call_name(type(value).__name__, [], [], False)
        call = _core.Payload((_put, (name, value), {}, True))
        self._run(call, [worker], True, False, "raise")
        return self.submit(
            _take, name, worker, key=name, workers=[worker], allow_other_workers=True
        )
