"""What users see of a worker: what it does, and the values it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rask.distributed._context import key_of
from rask.distributed._node import Status

__all__ = ["WorkerData", "WorkerState"]


class WorkerState:
    """What a worker was doing when this was made.

    Attributes
    ----------
    address : str
    nthreads : int
    running : bool
    executing : list
        Keys of the tasks that run.
    ready_count : int
        Tasks that could run and have not begun.
    tasks : dict
        State by key: ``"executing"`` or ``"memory"``.
    actors : dict
        Objects of actors by key.
    """

    def __init__(self, worker: Any) -> None:
        core = worker._core
        self.address = worker.address
        self.nthreads = worker.nthreads
        self.running = worker.status == Status.running
        held = core.held()
        numbered = {name for name, _, is_numbered, _ in held if is_numbered}
        self.executing = [
            key_of(name, block, name in numbered or block > 0) for name, block in core.running()
        ]
        self.executing_count = len(self.executing)
        self.ready_count = core.ready_count
        self.tasks = {key_of(name, block, number): "memory" for name, block, number, _ in held}
        self.tasks.update(dict.fromkeys(self.executing, "executing"))
        self.in_memory_count = len(held)
        self.nbytes, self.spilled_nbytes = core.value_bytes
        #: Bytes of values that came from peers, and that went to peers and clients, so far.
        self.transfer_incoming_bytes_total, self.transfer_outgoing_bytes_total = (
            core.transferred_bytes
        )
        self.actors = {key: actor._instance for key, actor in list(worker._actors.items())}


class WorkerData(Mapping[Any, Any]):
    """Values of a worker by key."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def _keys(self) -> dict[Any, tuple[str, int]]:
        return {
            key_of(name, block, numbered): (name, block)
            for name, block, numbered, _ in self._core.held()
        }

    def __getitem__(self, key: Any) -> Any:
        name, block = self._keys()[key]
        return self._core.value(name, block)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._core.held())
