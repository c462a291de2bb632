"""Workers: in this process (`Worker`), or as one (``python -m rask.distributed.worker ADDRESS``)."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, ClassVar

from rask import _core
from rask.distributed._calls import takes_argument
from rask.distributed._context import find_task
from rask.distributed._executors import named_executors
from rask.distributed._logs import keeper
from rask.distributed._memory_shares import memory_shares
from rask.distributed._node import Node, Status, find_scheduler, listen_address, make_security
from rask.distributed._plugin_table import PluginTable, call_if_there
from rask.distributed._profile import Profiler
from rask.distributed._service import WorkerService
from rask.distributed._utils import cpu_count, memory_limit_bytes, parse_seconds
from rask.distributed._versions import registered_versions
from rask.distributed._worker_view import WorkerData, WorkerState

__all__ = ["Worker"]

logger = logging.getLogger("rask.distributed.worker")

_CONNECT_SECONDS = 30.0


class Worker(Node):
    """Runs tasks on threads of this process.

    Await it, or use it with ``async with``. In a task, `get_worker` gives the worker that runs it.

    Parameters
    ----------
    scheduler_ip : str or Scheduler
        The scheduler's address.
    scheduler_port : int, optional
        Its port, if that is not part of the address.
    scheduler_file : str, optional
        A file that holds the address.
    nthreads : int, optional
        Default: as many as there are processors.
    name : str or int, optional
        Unique among the workers.
    executor : dict of Executor, optional
        Further executors by name, which tasks choose with ``submit(…, executor=name)`` or
        ``annotate(executor=name)``.
    resources : dict, optional
        Amounts that tasks may ask for.
    memory_limit : str, int or float
        Bytes, a fraction of the machine's memory, ``"auto"`` for its share, 0 for no limit.
    local_directory : str, optional
        Where its folder is made.
    preload : list of str, optional
        Modules with ``dask_setup(worker)`` and ``dask_teardown(worker)``.
    plugins : tuple of WorkerPlugin
    lifetime : float or str, optional
        End after so long, with data moved elsewhere; ``lifetime_stagger`` makes it so much longer or
        shorter at random; with ``lifetime_restart`` the nanny starts another.
    death_timeout : float or str, optional
        How long to look for the scheduler.
    host, port, interface, protocol, contact_address
        Where to listen.
    security : Security, optional

    Examples
    --------
    >>> import asyncio
    >>> from rask.distributed import Client, Scheduler, Worker
    >>> async def main():
    ...     async with Scheduler(port=0) as scheduler, Worker(scheduler.address, nthreads=1):
    ...         async with Client(scheduler.address, asynchronous=True) as client:
    ...             return await client.submit(sum, [1, 2])
    >>> asyncio.run(main())
    3
    """

    _instances: ClassVar[weakref.WeakSet[Worker]] = weakref.WeakSet()

    def __init__(
        self,
        scheduler_ip: Any = None,
        scheduler_port: int | None = None,
        *,
        scheduler_file: str | None = None,
        nthreads: int | None = None,
        local_directory: str | None = None,
        services: Any = None,
        name: Any = None,
        executor: Executor | dict[str, Executor] | str | None = None,
        resources: dict[str, float] | None = None,
        silence_logs: Any = None,
        death_timeout: Any = None,
        preload: Any = None,
        preload_argv: Any = None,
        security: Any = None,
        contact_address: str | None = None,
        heartbeat_interval: Any = None,
        extensions: Any = None,
        metrics: Any = None,
        startup_information: Any = None,
        interface: str | None = None,
        host: str | None = None,
        port: Any = None,
        protocol: str | None = None,
        dashboard_address: Any = None,
        dashboard: bool = False,
        http_prefix: str = "/",
        nanny: Any = None,
        plugins: Any = (),
        validate: bool | None = None,
        lifetime: Any = None,
        lifetime_stagger: Any = None,
        lifetime_restart: bool | None = None,
        memory_limit: Any = "auto",
        loop: Any = None,
        supervised: bool = False,
    ) -> None:
        super().__init__()
        self.scheduler_address = find_scheduler(scheduler_ip, scheduler_port, scheduler_file)
        self.security = make_security(security, self.scheduler_address)
        self.nthreads = nthreads or cpu_count()
        self.memory_limit = memory_limit_bytes(memory_limit, self.nthreads)
        self.resources = dict(resources or {})
        self.contact_address = contact_address
        self.name = name
        self.nanny = nanny
        self._plugins = PluginTable(
            lambda plugin: call_if_there(plugin, "setup", worker=self),
            lambda plugin: call_if_there(plugin, "teardown", worker=self),
            self._run_awaitable,
            self._update_transitions,
        )
        self._initial_plugins = list(plugins)
        self._executors = named_executors(executor)
        self._listen = listen_address(self.scheduler_address, protocol, host, port, interface)
        self._given_folder = local_directory
        self._given_preloads = (preload, preload_argv)
        self._preloads: Any = None
        self._connect_seconds = parse_seconds(death_timeout) or _CONNECT_SECONDS
        self._lifetime = _staggered(parse_seconds(lifetime), parse_seconds(lifetime_stagger))
        self._lifetime_restart = bool(lifetime_restart)
        self._lifetime_timer: threading.Timer | None = None
        self._supervised = supervised
        self._owns_process = False
        self._restarting = False
        self._client: Any = None
        self._client_lock = threading.Lock()
        self._caller_made: Any = None
        self._actors: Any = None
        self._handle: Any = None
        self._core: Any = None
        self._service: Any = None
        self._profiler: Any = None

    # ------------------------------------------------------------------ life

    def _start(self) -> None:
        from rask.distributed.actor import new_actor_table

        keeper()
        self._actors = new_actor_table()
        self._handle = self._connect()
        if self.name is None:
            self.name = self._handle.name
        self._core = _core.WorkerService(self._handle)
        self._profiler = Profiler(self._core)
        self._service = WorkerService(self, self._core, self._executors)
        Worker._instances.add(self)
        self._load()
        for number, plugin in enumerate(self._initial_plugins):
            self._plugins.add(_plugin_name(plugin, number), plugin)
        for name, serial, plugin in self._core.plugins():
            self._plugins.try_add(name, plugin, serial)
        self._service.begin()
        self._core.open()
        self._profiler.begin()
        if self._lifetime is not None:
            self._lifetime_timer = threading.Timer(self._lifetime, self._end_lifetime)
            self._lifetime_timer.daemon = True
            self._lifetime_timer.start()

    def _connect(self) -> Any:
        from rask import config

        nanny = self.nanny if isinstance(self.nanny, str) else getattr(self.nanny, "address", None)
        if not config.get("distributed.worker.memory.shared", True):
            _core.forbid_shared_memory()
        for last, listen in _mark_last(self._listen):
            try:
                return _core.WorkerHandle(
                    self.scheduler_address,
                    self.security.core("worker"),
                    listen,
                    "" if self.name is None else str(self.name),
                    self.nthreads,
                    self.memory_limit,
                    [(name, float(amount)) for name, amount in self.resources.items()],
                    self._given_folder,
                    self._supervised,
                    self._connect_seconds,
                    nanny=nanny or "",
                    held=True,
                    versions=registered_versions(),
                    memory_shares=memory_shares(),
                    owns_process=self._owns_process,
                )
            except OSError as error:
                if last or "address in use" not in str(error).lower():
                    raise
        raise AssertionError("there is always a last address")

    def _load(self) -> None:
        from rask.distributed._preloading import load_preloads

        names, arguments = self._given_preloads
        self._preloads = load_preloads(self, names, arguments, self._run_awaitable)
        self._preloads.start()

    def _run_awaitable(self, awaitable: Any) -> Any:
        from rask.distributed._loop import sync

        return sync(self.loop, lambda: awaitable)

    def _tear_down(self) -> None:
        """Plugins and preloads, before the worker ends."""
        if self._lifetime_timer is not None:
            self._lifetime_timer.cancel()
        self._plugins.clear()
        if self._preloads is not None:
            self._preloads.teardown()

    def _close(self) -> None:
        if self._service is not None:
            self._tear_down()
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close()
        if self._handle is not None:
            self._handle.stop()
            with contextlib.suppress(TimeoutError):
                self._handle.wait(10.0)
        if self._profiler is not None:
            self._profiler.stop()
        if self._service is not None:
            self._service.stop()

    def _end_lifetime(self) -> None:
        self._close_gracefully("its lifetime is over", self._lifetime_restart)

    def _close_gracefully(self, reason: str, restart: bool) -> None:
        """Leave once what only this worker holds is elsewhere."""
        self.status = Status.closing_gracefully
        self._restarting = restart
        try:
            self._get_client().retire_workers([self.address])
        except Exception as error:
            logger.warning("worker %s could not be retired: %s", self.name, error)
        self._core.end(reason, restart)

    async def close_gracefully(self, restart: bool | None = None, reason: str = "") -> None:
        """End once what only this worker holds has been moved to others.

        Parameters
        ----------
        restart : bool, optional
            Whether its nanny starts another; default: the worker's ``lifetime_restart``.
        """
        import asyncio

        again = self._lifetime_restart if restart is None else restart
        await asyncio.to_thread(self._close_gracefully, reason or "it was asked to leave", again)
        await self.close()

    # ----------------------------------------------------------- attributes

    @property
    def address(self) -> str:
        """Where peers and clients reach it."""
        if self._handle is None:
            raise ValueError("the worker has not started: it has no address yet")
        return self._handle.address

    @property
    def worker_address(self) -> str:
        """The same as `address`."""
        return self.address

    @property
    def loop(self) -> Any:
        """The event loop on which coroutines of tasks run."""
        return self._service.loop

    io_loop = loop

    @property
    def executors(self) -> dict[str, Any]:
        """Executors by name, as far as they have been made."""
        return dict(self._service._executors)

    @property
    def data(self) -> Mapping[Any, Any]:
        """Values that the worker holds in memory, by key; those on disk read as None."""
        return WorkerData(self._core)

    @property
    def state(self) -> WorkerState:
        """What the worker is doing, at this moment."""
        return WorkerState(self)

    @property
    def client(self) -> Any:
        """The client that tasks of this worker share, see `get_client`."""
        return self._get_client()

    def _get_client(self, timeout: Any = None) -> Any:
        _core.flush_outcomes()
        with self._client_lock:
            if self._client is None or self._client.status == "closed":
                from rask.distributed._nested import TaskClient

                self._client = TaskClient(
                    self,
                    self.scheduler_address,
                    security=self.security,
                    set_as_default=False,
                    timeout=timeout,
                    name=f"worker-{self.name}",
                )
            return self._client

    @property
    def _caller(self) -> Any:
        with self._client_lock:
            if self._caller_made is None:
                self._caller_made = _core.Caller(self.security.core("worker"))
            return self._caller_made

    def get_current_task(self) -> Any:
        """The key of the task that the calling code belongs to.

        Raises
        ------
        ValueError
            Outside of tasks.
        """
        task = find_task()
        if task is None or task.key is None:
            raise ValueError("get_current_task() was called outside of tasks")
        return task.key

    def log_event(self, topic: str | list[str], msg: Any) -> None:
        """Log an event under a topic, or under several; see `Client.log_event`.

        This does not wait for the scheduler.
        """
        from rask.distributed._client_events import checked_event

        if not self._core.log_event(*checked_event(topic, msg)):
            logger.warning(
                "worker %s: an event of %s is lost, since the scheduler does not take it",
                self.name,
                topic,
            )

    def run(self, function: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call a function on a thread of its own; a `concurrent.futures.Future`."""
        kwargs = dict(kwargs or {})
        if takes_argument(function, "dask_worker"):
            kwargs.setdefault("dask_worker", self)
        return self._service.run_function(function, tuple(args), kwargs)

    def upload_file(
        self, filename: str, data: bytes | str, load: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """Write a file into the worker's folder, and import it.

        Returns
        -------
        dict
            ``{"status": "OK", "nbytes": …}``
        """
        path = os.path.join(self.local_directory, os.path.basename(filename))
        content = data.encode() if isinstance(data, str) else data
        with open(path, "wb") as file:
            file.write(content)
        if load:
            from rask.distributed._preloading import import_file

            import_file(path)
        return _Answer(status="OK", nbytes=len(content))

    # -------------------------------------------------------------- plugins

    @property
    def plugins(self) -> dict[str, Any]:
        """Plugins by name."""
        return self._plugins.plugins

    def plugin_add(self, plugin: Any, name: str | None = None) -> dict[str, Any]:
        """Set a plugin up, in the place of one of the same name."""
        self._plugins.add(name or _plugin_name(plugin, 0), plugin)
        return {"status": "OK"}

    def plugin_remove(self, name: str) -> dict[str, Any]:
        """Tear a plugin down."""
        self._plugins.remove(name)
        return {"status": "OK"}

    def _update_transitions(self) -> None:
        self._core.want_transitions(any(map(_has_transition, self.plugins.values())))

    def _on_transition(self, key: Any, start: str, finish: str) -> None:
        for name, plugin in list(self.plugins.items()):
            if _has_transition(plugin):
                try:
                    plugin.transition(key, start, finish)
                except Exception:
                    logger.exception("the transition hook of plugin %s raised", name)

    # ---------------------------------------------------------------- calls

    def _handlers(self) -> dict[str, Any]:
        from rask.distributed._benchmarks import measure
        from rask.distributed._versions import get_versions
        from rask.distributed._worker_state import dump_of, stacks_of, story_of
        from rask.distributed.actor import ActorHandlers

        actors = ActorHandlers(self)
        return {
            "actor": actors.call,
            "actor-attribute": actors.attribute,
            "logs": lambda _, count: keeper().last(count, "rask_cluster::worker"),
            "run": lambda _, body: self._on_run(*body),
            "story": lambda _, body: story_of(self, *body),
            "dump": lambda _, body: dump_of(self),
            "call-stack": lambda _, body: stacks_of(self),
            "profile": lambda _, body: self._profiler.read(*body),
            "versions": lambda _, packages: get_versions(packages),
            "echo": lambda _, body: body,
            "benchmark": lambda what, body: self._service.run_function(
                measure, (self, what, *body), {}
            ),
            "plugin-add": lambda _, body: self._on_plugin_add(*body),
            "plugin-remove": lambda name, _: self._service.run_function(
                self._plugins.remove, (name,), {}
            ),
        }

    def _on_run(self, function: Any, args: Any, kwargs: Any, wait: bool) -> Any:
        outcome = self.run(function, args, kwargs)
        return outcome if wait else None

    def _on_plugin_add(self, name: str, serial: str, plugin: Any) -> Any:
        return self._service.run_function(self._plugins.add, (name, plugin, serial), {})

    def __repr__(self) -> str:
        where = self._handle.address if self._handle is not None else "not started"
        return (
            f"<Worker {where!r}, name: {self.name}, status: {self.status.value}, "
            f"threads: {self.nthreads}>"
        )


class _Answer(dict[str, Any]):
    """A dict that may be awaited, as in plugins that do."""

    def __await__(self) -> Iterator[Any]:
        yield from ()
        return self


def _has_transition(plugin: Any) -> bool:
    from rask.distributed.plugins import SchedulerPlugin, WorkerPlugin

    hook = getattr(type(plugin), "transition", None)
    return hook not in (None, WorkerPlugin.transition, SchedulerPlugin.transition)


def _plugin_name(plugin: Any, number: int) -> str:
    return getattr(plugin, "name", None) or f"{type(plugin).__name__}-{number}"


def _staggered(seconds: float | None, stagger: float | None) -> float | None:
    if seconds is None or not stagger:
        return seconds
    return max(0.0, seconds + (random.random() * 2 - 1) * stagger)


def _mark_last(items: list[str]) -> Iterator[tuple[bool, str]]:
    return ((at == len(items) - 1, item) for at, item in enumerate(items))


if __name__ == "__main__":
    # With the module that others import: there must be one `Worker` class.
    from rask.distributed._worker_process import main

    raise SystemExit(main())
