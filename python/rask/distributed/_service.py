"""What a worker does besides running tasks on its compute threads: coroutines, calls that run in
executors, and answers to what clients, peers and nannies ask of it."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from rask import _core
from rask.distributed._calls import Service
from rask.distributed._context import RunningTask, enter, key_of, workers
from rask.distributed._executors import is_process_pool

__all__ = ["WorkerService", "start_deferred"]

#: Coroutines open at a time beyond which they count as threads in the scheduler's books, so that a
#: worker is not handed ever more of them.
COROUTINES_OPEN_MAX = 1024


class WorkerService(Service):
    """The service of a worker."""

    def __init__(self, worker: Any, core: Any, executors: Mapping[str, Executor]) -> None:
        self.worker = worker
        self.core = core
        self._given = dict(executors)
        self._executors: dict[str, Executor] = dict(executors)
        self._executors_lock = threading.Lock()
        self._open_coroutines = 0
        #: What stops a run of a deferred task: called with whether to use force.
        self._stoppers: dict[int, Callable[[bool], Any]] = {}
        workers[core.id] = worker
        super().__init__(f"rask-service-{core.id}", core, worker._handlers())

    def _on_event(self, event: Any) -> None:
        if isinstance(event, tuple):
            if len(event) == 5:
                name, place, numbered, start, finish = event
                self.worker._on_transition(key_of(name, place, numbered), start, finish)
                return
            run, kill = event
            stopper = self._stoppers.pop(run, None)
            if stopper is not None:
                stopper(kill)
            return
        self._answer(event)

    # ------------------------------------------------------------- executors

    def executor(self, name: str) -> Executor:
        """The executor of this name.

        Raises
        ------
        ValueError
            If the worker has none of this name.
        """
        with self._executors_lock:
            found = self._executors.get(name)
            if found is None:
                found = self._executors[name] = self._make_executor(name)
            return found

    @property
    def executor_names(self) -> list[str]:
        """Names of executors that tasks may ask for."""
        return sorted({"default", "actor", "offload", "process", *self._executors})

    def _make_executor(self, name: str) -> Executor:
        if name in ("actor", "offload"):
            return ThreadPoolExecutor(1, thread_name_prefix=f"rask-{name}")
        if name == "process":
            from rask.distributed._processes import ProcessPool

            return ProcessPool(self.worker.nthreads)
        known = ", ".join(self.executor_names)
        raise ValueError(
            f"worker {self.worker.name!r} has no executor named {name!r}; it has: {known}. Give it "
            f"one with Worker(executor={{{name!r}: …}})"
        )

    # -------------------------------------------------------- deferred tasks

    def start(self, deferred: Any, completion: Any, task: RunningTask) -> None:
        """Begin what a task left for later."""
        if inspect.iscoroutine(deferred):
            self._start_coroutine(deferred, completion, task)
        else:
            deferred.start((self, completion, task))

    def _start_coroutine(self, coroutine: Any, completion: Any, task: RunningTask) -> None:
        run = completion.run
        if self._open_coroutines < COROUTINES_OPEN_MAX:
            completion.secede()
        self._open_coroutines += 1

        begun: list[asyncio.Task[Any]] = []
        loop = self.loop
        # Calls of a loop come in their order: it has begun when it is cancelled.
        cancel = lambda kill: loop.call_soon_threadsafe(lambda: begun[0].cancel())  # noqa: E731
        self._stoppers[run] = cancel

        def begin() -> None:
            context = contextvars.copy_context()
            context.run(enter, task)
            started = self.loop.create_task(coroutine, context=context)
            begun.append(started)
            started.add_done_callback(end)

        def end(ended: Any) -> None:
            self._open_coroutines -= 1
            self._stoppers.pop(run, None)
            if ended.cancelled():
                completion.fail(asyncio.CancelledError("the task was cancelled"))
            elif ended.exception() is not None:
                completion.fail(ended.exception())
            else:
                completion.finish(ended.result())

        loop.call_soon_threadsafe(begin)

    def start_call(
        self, name: str, function: Callable[[], Any], completion: Any, task: RunningTask
    ) -> None:
        """Run a task's function in an executor."""
        run = completion.run
        executor = self.executor(name)
        if getattr(executor, "runs_elsewhere", False) or is_process_pool(executor):
            future = executor.submit(function)
        else:
            context = contextvars.copy_context()
            context.run(enter, task)
            future = executor.submit(context.run, function)
        self._stoppers[run] = getattr(future, "stop", lambda kill: future.cancel())

        def end(ended: Future[Any]) -> None:
            self._stoppers.pop(run, None)
            error = CancelledError() if ended.cancelled() else ended.exception()
            if error is None:
                value = ended.result()
                if inspect.iscoroutine(value):
                    self._start_coroutine(value, completion, task)
                else:
                    completion.finish(value)
            else:
                completion.fail(error)

        future.add_done_callback(end)

    def stop(self) -> None:
        """End the loop and the executors that the worker made itself."""
        super().stop()
        with self._executors_lock:
            made = [e for name, e in self._executors.items() if name not in self._given]
        for executor in made:
            executor.shutdown(wait=False, cancel_futures=True)


def start_deferred(deferred: Any, completion: Any) -> None:
    """Called by the engine for tasks that returned a coroutine, or something deferred."""
    number, layer, block, name, numbered = completion.task
    worker = workers.get(number)
    if worker is None:
        raise RuntimeError("this worker has no Python service: it cannot run coroutines")
    span = _core.task_span()
    task = RunningTask(worker, key_of(name, block, numbered), layer, block, span=span)
    worker._service.start(deferred, completion, task)
