"""What a worker does besides running tasks on its compute threads: coroutines, calls that run in
executors, and answers to what clients, peers and nannies ask of it."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from rask import _core
from rask.distributed._context import RunningTask, enter, key_of, workers
from rask.distributed._loop import LoopThread

__all__ = ["InExecutor", "Service", "WorkerService", "start_deferred", "takes_argument"]

logger = logging.getLogger("rask.distributed.worker")

_TAKE_SECONDS = 60.0
#: Coroutines open at a time beyond which they count as threads in the scheduler's books, so that a
#: worker is not handed ever more of them.
COROUTINES_OPEN_MAX = 1024

Handler = Callable[[str, Any], Any]


class Service:
    """Takes calls on a thread of its own and answers them.

    Parameters
    ----------
    source : object with ``take(timeout)``
        Gives lists of calls; None at its end.
    handlers : dict
        Function of target and body by kind of call. What it returns is the answer; of an awaitable
        or a `concurrent.futures.Future` its outcome.
    """

    def __init__(self, name: str, source: Any, handlers: Mapping[str, Handler]) -> None:
        self._source = source
        self._handlers = handlers
        self._loop_thread: LoopThread | None = None
        self._loop_lock = threading.Lock()
        self._name = name
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def begin(self) -> None:
        """Take calls; those that came before have waited."""
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which coroutines run."""
        with self._loop_lock:
            if self._loop_thread is None:
                self._loop_thread = LoopThread(f"{self._name}-loop")
            return self._loop_thread.loop

    def _serve(self) -> None:
        while (events := self._source.take(_TAKE_SECONDS)) is not None:
            for event in events:
                try:
                    self._on_event(event)
                except Exception:
                    logger.exception("the service of %s could not handle %r", self._name, event)
            events = event = None

    def _on_event(self, event: Any) -> None:
        self._answer(event)

    def _answer(self, call: Any) -> None:
        try:
            handler = self._handlers.get(call.kind)
            if handler is None:
                raise NotImplementedError(f"there is no service {call.kind!r} here")
            self._settle(call, handler(call.target, call.body()))
        except BaseException as error:
            call.fail(error)

    def _settle(self, call: Any, outcome: Any) -> None:
        if inspect.isawaitable(outcome):
            outcome = asyncio.run_coroutine_threadsafe(_await(outcome), self.loop)
        if isinstance(outcome, Future):
            outcome.add_done_callback(lambda future: _reply_with(call, future))
        else:
            call.reply(outcome)

    def run_function(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        """Call a function on a thread of its own, or a coroutine function on the loop."""
        outcome: Future[Any] = Future()

        def run() -> None:
            try:
                value = function(*args, **kwargs)
                if inspect.isawaitable(value):
                    value = asyncio.run_coroutine_threadsafe(_await(value), self.loop).result()
                outcome.set_result(value)
            except BaseException as error:
                outcome.set_exception(error)

        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(run,), name=f"{self._name}-run", daemon=True
        ).start()
        return outcome

    def stop(self) -> None:
        """End the event loop."""
        with self._loop_lock:
            if self._loop_thread is not None:
                self._loop_thread.stop()


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _reply_with(call: Any, future: Future[Any]) -> None:
    error = CancelledError() if future.cancelled() else future.exception()
    if error is None:
        call.reply(future.result())
    else:
        call.fail(error)


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
        if getattr(executor, "runs_elsewhere", False) or _is_process_pool(executor):
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


def _is_process_pool(executor: Executor) -> bool:
    from concurrent.futures import ProcessPoolExecutor

    return isinstance(executor, ProcessPoolExecutor)


def start_deferred(deferred: Any, completion: Any) -> None:
    """Called by the engine for tasks that returned a coroutine, or something deferred."""
    number, layer, block, name, numbered = completion.task
    worker = workers.get(number)
    if worker is None:
        raise RuntimeError("this worker has no Python service: it cannot run coroutines")
    span = _core.task_span()
    task = RunningTask(worker, key_of(name, block, numbered), layer, block, span=span)
    worker._service.start(deferred, completion, task)


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


def takes_argument(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of this name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
