"""Executors of workers, which tasks ask for by name."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from rask import _core

__all__ = ["InExecutor", "is_process_pool", "named_executors"]


def named_executors(executor: Any) -> dict[str, Executor]:
    """The executors of what users give a worker for them, by name."""
    if executor is None or executor == "offload":
        return {}
    if isinstance(executor, Executor):
        executor = {"default": executor}
    if isinstance(executor, dict):
        if "default" in executor:
            raise ValueError(
                "tasks that ask for no executor run on the worker's own threads (nthreads=…): give "
                "yours another name, and choose it with submit(…, executor=name)"
            )
        for name, value in executor.items():
            if not isinstance(value, Executor):
                raise TypeError(f"executor {name!r} is no concurrent.futures.Executor: {value!r}")
        return dict(executor)
    raise TypeError(f"executor must be an Executor or a dict of them, not {executor!r}")


def is_process_pool(executor: Executor) -> bool:
    """Whether its calls run in other processes."""
    from concurrent.futures import ProcessPoolExecutor

    return isinstance(executor, ProcessPoolExecutor)


class InExecutor:
    """A function that runs in an executor of the worker.

    Parameters
    ----------
    function : callable
    executor : str
        Name of the executor.
    """

    def __init__(self, function: Callable[..., Any], executor: str) -> None:
        self.function = function
        self.executor = executor
        name = getattr(function, "__name__", None)
        if name is not None:
            self.__name__ = name

    def __reduce__(self) -> tuple[Any, ...]:
        return InExecutor, (self.function, self.executor)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from functools import partial

        call = partial(self.function, *args, **kwargs)
        if self.executor == "default":
            return call()

        def start(given: Any) -> Any:
            if given is None:
                return call()
            service, completion, task = given
            service.start_call(self.executor, call, completion, task)
            return None

        return _core.Deferred(start)
