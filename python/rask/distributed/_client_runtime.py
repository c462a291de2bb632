"""What a client asks of workers, nannies and the scheduler's helper, outside of the task system."""

from __future__ import annotations

import time
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from rask import _core
from rask.distributed._utils import parse_seconds

__all__ = [
    "RuntimeMethods",
    "complete",
    "find_client",
    "prepare",
    "refuse_actors",
    "take_timeout",
    "with_timeout",
]

_clients: weakref.WeakSet[Any] = weakref.WeakSet()
_RESTART_SECONDS = 60.0


def find_client(address: str) -> Any:
    """A running client of the cluster whose scheduler is at `address`, if there is one."""
    running = [client for client in list(_clients) if client.status == "running"]
    named = [client for client in running if client.scheduler_address == address]
    return (named or running or [None])[0]


def prepare(
    function: Callable[..., Any], kwargs: dict[str, Any], actor: bool
) -> Callable[..., Any]:
    """The function that a task calls: one that makes an actor, or runs in an executor.

    ``executor`` is taken out of `kwargs`, unless the function has a parameter of this name.
    """
    if actor:
        from rask.distributed.actor import MakeActor

        return MakeActor(function)
    name = None
    if "executor" in kwargs:
        from rask.distributed._service import takes_argument

        if not takes_argument(function, "executor"):
            name = kwargs.pop("executor")
    if name is None:
        from rask.base import get_annotations

        name = get_annotations().get("executor")
    if name is None or name == "default":
        return function
    if not isinstance(name, str):
        raise TypeError(f"executor must be the name of a worker's executor, not {name!r}")
    from rask.distributed._service import InExecutor

    return InExecutor(function, name)


def take_timeout(
    function: Callable[..., Any] | None = None, kwargs: dict[str, Any] | None = None
) -> float | None:
    """Seconds that a task may run: ``task_timeout`` of a call, taken out of `kwargs` unless the
    function has a parameter of this name, or of the annotations."""
    given = None
    if kwargs and "task_timeout" in kwargs:
        from rask.distributed._service import takes_argument

        if function is None or not takes_argument(function, "task_timeout"):
            given = kwargs.pop("task_timeout")
    from rask.base import get_annotations

    annotations = get_annotations()
    if function is None and annotations.get("executor", "default") != "default":
        raise NotImplementedError(
            "executor=… is for client.submit and client.map: tasks of collections run on the "
            "workers' own threads"
        )
    return parse_seconds(annotations.get("task_timeout") if given is None else given)


def with_timeout(options: dict[str, Any] | None, seconds: float | None) -> dict[str, Any] | None:
    """Options of a submission, with a limit of time if there is one."""
    return options if seconds is None else {**(options or {}), "task_timeout": seconds}


def complete(
    options: dict[str, Any] | None, function: Callable[..., Any], seconds: float | None
) -> dict[str, Any] | None:
    """Options of calls, with their limit of time, and that what they make are actors."""
    from rask.distributed.actor import MakeActor

    options = with_timeout(options, seconds)
    return {**(options or {}), "actor": True} if isinstance(function, MakeActor) else options


def refuse_actors(actors: Any) -> None:
    """Collections have no actors.

    Raises
    ------
    NotImplementedError
        If some are asked for.
    """
    if actors:
        raise NotImplementedError(
            "actors=… is for client.submit and client.map: submit the class with actor=True, and "
            "give its future to the collection's functions"
        )


class RuntimeMethods:
    """Methods of `Client`."""

    _core: Any
    security: Any
    status: str
    _either: Any
    _check_running: Any
    _caller_made: Any = None

    @property
    def _caller(self) -> Any:
        if self._caller_made is None:
            self._caller_made = _core.Caller(self.security.core("client"))
        return self._caller_made

    @property
    def _runtime(self) -> Any:
        self._check_running()
        return _core.Runtime(self._core)

    # ------------------------------------------------------------------- run

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        workers: Any = None,
        wait: bool = True,
        nanny: bool = False,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Call a function on every worker, outside of the task system.

        Parameters
        ----------
        function : callable
            May be a coroutine function. If it has a parameter ``dask_worker``, it gets the `Worker`
            (or `Nanny`).
        workers : str or list of str, optional
            Addresses or names; default: all.
        wait : bool
            Whether to wait for the outcomes; otherwise None is returned at once.
        nanny : bool
            Call it in the workers' nannies.
        on_error : {"raise", "return", "ignore"}
            What to do with exceptions: raise the first, give them as results, or leave them out.

        Returns
        -------
        dict
            The outcome by worker address.

        Examples
        --------
        >>> import os
        >>> from rask.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     len(set(client.run(os.getpid).values()))
        2
        """
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error must be 'raise', 'return' or 'ignore', not {on_error!r}")
        self._check_running()
        payload = _core.Payload((function, args, kwargs, wait))
        return self._either(self._run, payload, workers, wait, nanny, on_error)

    def _run(self, payload: Any, workers: Any, wait: bool, nanny: bool, on_error: str) -> Any:
        targets = self._targets(workers, nanny)
        answers = self._ask_all(targets, "run", "", payload, on_error)
        return answers if wait else None

    def _targets(self, workers: Any, nanny: bool) -> dict[str, str]:
        """Where to call, by address of worker.

        Raises
        ------
        ValueError
            For workers that are not there, or that have no nanny.
        """
        there = self._core.info()[0]
        if workers is not None:
            wanted = [workers] if isinstance(workers, (str, int)) else list(workers)
            there = [_find_worker(there, worker) for worker in wanted]
        if not nanny:
            return {worker["address"]: worker["address"] for worker in there}
        alone = [worker["address"] for worker in there if not worker["nanny"]]
        if alone:
            raise ValueError(f"workers without a nanny: {', '.join(alone)}")
        return {worker["address"]: worker["nanny"] for worker in there}

    def _ask_all(
        self, targets: dict[str, str], kind: str, target: str, payload: Any, on_error: str
    ) -> dict[str, Any]:
        calls = {
            worker: self._caller.call(address, kind, target, payload)
            for worker, address in targets.items()
        }
        answers: dict[str, Any] = {}
        for worker, call in calls.items():
            try:
                answers[worker] = call.result()
            except Exception as error:
                if on_error == "raise":
                    raise
                if on_error == "return":
                    answers[worker] = error
        return answers

    def run_on_scheduler(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in the helper process beside the scheduler.

        The scheduler itself never runs code of users. Its helper is a process of its own with
        limited memory and open files, an empty folder, and without the cluster's secrets. A
        parameter ``dask_scheduler`` of the function gets a read-only view of the scheduler's state.

        Parameters
        ----------
        function : callable
            May be a coroutine function.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.workers))
        2
        """
        payload = _core.Payload((function, args, kwargs))
        return self._either(lambda: self._runtime.helper("run", "", payload))

    # --------------------------------------------------------------- plugins

    def register_plugin(self, plugin: Any, name: str | None = None) -> Any:
        """Add a plugin to the workers, nannies or the scheduler's helper; those that join later get
        it too.

        Parameters
        ----------
        plugin : WorkerPlugin, NannyPlugin or SchedulerPlugin
        name : str, optional
            A plugin of the same kind and name is replaced, or kept if the new one is ``idempotent``.

        Returns
        -------
        dict
            For plugins of workers and nannies: ``{address: {"status": "OK"}}``.

        Examples
        --------
        >>> from rask.distributed import Client, WorkerPlugin
        >>> class Greeting(WorkerPlugin):
        ...     def setup(self, worker):
        ...         worker.greeting = "hello"
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     _ = client.register_plugin(Greeting(), name="greeting")
        ...     list(client.run(lambda dask_worker: dask_worker.greeting).values())
        ['hello']
        """
        from rask.distributed.plugins import kind_of_plugin, plugin_name

        kind = kind_of_plugin(plugin)
        return self._either(self._register_plugin, kind, plugin, name or plugin_name(plugin))

    def _register_plugin(self, kind: str, plugin: Any, name: str) -> Any:
        runtime = self._runtime
        if getattr(plugin, "idempotent", False):
            known = [known for known, _, _ in runtime.plugins(kind, with_content=False)]
            if name in known:
                return None if kind == "scheduler" else {}
        serial = uuid.uuid4().hex
        content = (name, serial, plugin) if kind == "scheduler" else plugin
        runtime.put_plugin(kind, name, serial, _core.Payload(content))
        try:
            return self._set_up_plugin(kind, plugin, name, serial)
        except BaseException:
            runtime.remove_plugin(kind, name)
            raise

    def _set_up_plugin(self, kind: str, plugin: Any, name: str, serial: str) -> Any:
        payload = _core.Payload((name, serial, plugin))
        if kind == "scheduler":
            self._runtime.helper("plugin-add", name, payload)
            return getattr(plugin, "_after_start", _nothing)(self)
        if kind == "nanny":
            workers = self._core.info()[0]
            targets = {w["address"]: w["nanny"] for w in workers if w["nanny"]}
        else:
            targets = self._targets(None, False)
        answers = self._ask_all(targets, "plugin-add", name, payload, "return")
        for error in answers.values():
            if isinstance(error, BaseException) and not isinstance(error, ConnectionError):
                raise error
        return {address: {"status": "OK"} for address in answers}

    def unregister_worker_plugin(self, name: str, nanny: bool | None = None) -> Any:
        """Remove a plugin from all workers, or from all nannies.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        return self._either(self._unregister, "nanny" if nanny else "worker", name)

    def unregister_scheduler_plugin(self, name: str) -> Any:
        """Remove a plugin from the scheduler's helper.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        return self._either(self._unregister, "scheduler", name)

    def _unregister(self, kind: str, name: str) -> Any:
        if not self._runtime.remove_plugin(kind, name):
            raise ValueError(f"there is no {kind} plugin named {name!r}")
        payload = _core.Payload(name)
        if kind == "scheduler":
            self._runtime.helper("plugin-remove", name, payload)
            return None
        workers = self._core.info()[0]
        field = "nanny" if kind == "nanny" else "address"
        targets = {w["address"]: w[field] for w in workers if w[field]}
        answers = self._ask_all(targets, "plugin-remove", name, payload, "return")
        for error in answers.values():
            if isinstance(error, BaseException) and not isinstance(error, ConnectionError):
                raise error
        return {address: {"status": "OK"} for address in answers}

    def register_worker_callbacks(self, setup: Callable[..., Any] | None = None) -> Any:
        """Call a function on all workers, and on those that join later when they start.

        Parameters
        ----------
        setup : callable
            If it has a parameter ``dask_worker``, it gets the worker.
        """
        from rask.distributed.plugins import WorkerSetup

        if setup is None:
            raise TypeError("register_worker_callbacks needs a function: setup=…")
        return self.register_plugin(WorkerSetup(setup))

    def upload_file(self, filename: str, load: bool = True) -> Any:
        """Send a file to all workers, and to those that join later, and import it there.

        Parameters
        ----------
        filename : str
            A ``.py`` file, or an ``.egg``, ``.zip`` or ``.pyz`` archive of modules; with ``load=False``
            any file.
        load : bool
            Whether to import it.

        Returns
        -------
        dict
            ``{address: {"status": "OK"}}``
        """
        from rask.distributed.plugins import UploadFile

        plugin = UploadFile(filename, load=load)
        return self.register_plugin(plugin, name=f"upload_file-{plugin.filename}")

    def get_worker_logs(
        self, n: int | None = None, workers: Any = None, nanny: bool = False
    ) -> Any:
        """What workers, or their nannies, have logged with Python's `logging`.

        Parameters
        ----------
        n : int, optional
            How many of the last lines; default: all that are kept, at most 10,000 a process.
        workers : str or list of str, optional
            Addresses or names; default: all.
        nanny : bool
            Those of the nannies.

        Returns
        -------
        dict
            By worker address: level and line, the latest first.
        """
        self._check_running()
        payload = _core.Payload(n)
        return self._either(
            lambda: self._ask_all(self._targets(workers, nanny), "logs", "", payload, "raise")
        )

    # -------------------------------------------------------------- restarts

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


def _find_worker(there: list[Any], wanted: Any) -> Any:
    for worker in there:
        if str(wanted) in (worker["address"], worker["name"]):
            return worker
    known = ", ".join(worker["address"] for worker in there)
    raise ValueError(f"there is no worker {wanted!r}; there are: {known}")


def _nothing(client: Any) -> None:
    return None
