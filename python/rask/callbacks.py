"""Watching local computations: callbacks in Dask's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Callback", "active_observer", "local_callbacks"]


class Callback:
    """Functions that are called while a computation runs on this process.

    Use as a context manager, or `register` for all computations from now on. Subclasses define
    the methods ``_start``, ``_start_state``, ``_pretask``, ``_posttask`` and ``_finish``.

    Parameters
    ----------
    start : callable, optional
        ``start(graph)``, before anything runs; ``graph`` is a ``Progress`` with ``total`` tasks.
    start_state : callable, optional
        ``start_state(graph, state)``.
    pretask, posttask : callable, optional
        ``pretask(key, graph, state)`` and ``posttask(key, value, graph, state, worker)``; a key is
        ``(layer, block)``.
    finish : callable, optional
        ``finish(graph, state, failed)``.

    Examples
    --------
    >>> import rask
    >>> from rask.diagnostics import Callback
    >>> with Callback(finish=lambda graph, state, failed: print("done", failed)):
    ...     rask.delayed(sum)([1, 2]).compute(scheduler="sync")
    done False
    3
    """

    active: set[Callback] = set()  # noqa: RUF012

    def __init__(
        self,
        start: Callable | None = None,
        start_state: Callable | None = None,
        pretask: Callable | None = None,
        posttask: Callable | None = None,
        finish: Callable | None = None,
    ) -> None:
        given = {
            "_start": start,
            "_start_state": start_state,
            "_pretask": pretask,
            "_posttask": posttask,
            "_finish": finish,
        }
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)

    def __enter__(self) -> Callback:
        self.register()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.unregister()

    def register(self) -> None:
        """Watch every computation from now on."""
        Callback.active.add(self)

    def unregister(self) -> None:
        """Watch no more."""
        Callback.active.discard(self)


class Observer:
    """What the engine calls; passes it on to callbacks."""

    def __init__(self, callbacks: list[Callback]) -> None:
        self.callbacks = callbacks
        self.graph: Any = None
        self.state: dict[str, Any] = {}
        names = ("_pretask", "_posttask")
        self.wants_tasks = any(hasattr(c, name) for c in callbacks for name in names)

    def call(self, name: str, *args: Any) -> None:
        for callback in self.callbacks:
            function = getattr(callback, name, None)
            if function is not None:
                function(*args)

    def on_run_started(self, progress: Any) -> None:
        self.graph = progress
        self.call("_start", progress)
        self.call("_start_state", progress, self.state)

    def on_task_started(self, layer: str, block: int, op: str, worker: int, started: float) -> None:
        self.call("_pretask", (layer, block), self.graph, self.state)

    def on_task_finished(
        self,
        layer: str,
        block: int,
        op: str,
        worker: int,
        started: float,
        ended: float,
        nbytes: int,
        value: Any,
    ) -> None:
        self.call("_posttask", (layer, block), value, self.graph, self.state, worker)

    def on_run_finished(self, failed: bool) -> None:
        self.call("_finish", self.graph, self.state, failed)


def active_observer() -> Observer | None:
    """An observer for the callbacks that are active; None, which costs nothing, if none is."""
    return Observer(list(Callback.active)) if Callback.active else None


class local_callbacks:
    """Only these callbacks within the block; the active ones are put back afterwards."""

    def __init__(self, callbacks: list[Callback] | None = None) -> None:
        self.callbacks = callbacks

    def __enter__(self) -> list[Callback]:
        self.saved = set(Callback.active)
        Callback.active.clear()
        return list(self.saved) if self.callbacks is None else self.callbacks

    def __exit__(self, *exception: Any) -> None:
        Callback.active.clear()
        Callback.active.update(self.saved)
