"""Nannies: processes that watch worker processes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import Any

from rask import _core
from rask.distributed._calls import Service, takes_argument
from rask.distributed._logs import keeper
from rask.distributed._node import Node, Status, find_scheduler, listen_address, make_security
from rask.distributed._plugin_table import PluginTable, call_if_there
from rask.distributed._utils import parse_seconds
from rask.distributed._worker_options import EXTRA_OPTIONS

__all__ = ["Nanny"]

logger = logging.getLogger("rask.distributed.nanny")

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
#: Processes that end before they have come to the scheduler, until the nanny gives up.
_FAILED_STARTS_MAX = 5


class Nanny(Node):
    """Starts a worker process, and another when it dies.

    Await it, or use it with ``async with``: it has started once its worker has come to the
    scheduler.

    Parameters
    ----------
    scheduler_ip : str or Scheduler
        The scheduler's address.
    nthreads, name, resources, memory_limit, local_directory, lifetime, …
        As of `Worker`.
    env : dict, optional
        Environment variables of the worker's process.
    config : dict, optional
        Set in the configuration of the worker's process.
    preload_nanny : list of str, optional
        Modules with ``dask_setup(nanny)`` and ``dask_teardown(nanny)``.
    worker_class : class or str, optional
        What the process makes instead of a `Worker`.

    Examples
    --------
    >>> import asyncio
    >>> from rask.distributed import Client, Nanny, Scheduler
    >>> async def main():
    ...     async with Scheduler(port=0) as scheduler:
    ...         async with Nanny(scheduler.address, nthreads=1, env={"COLOUR": "red"}):
    ...             async with Client(scheduler.address, asynchronous=True) as client:
    ...                 return await client.submit(os.getenv, "COLOUR")
    >>> asyncio.run(main())
    'red'
    """

    def __init__(
        self,
        scheduler_ip: Any = None,
        scheduler_port: int | None = None,
        scheduler_file: str | None = None,
        worker_port: Any = 0,
        nthreads: int | None = None,
        local_directory: str | None = None,
        services: Any = None,
        name: Any = None,
        memory_limit: Any = "auto",
        reconnect: bool = True,
        validate: bool = False,
        quiet: bool = False,
        resources: dict[str, float] | None = None,
        silence_logs: Any = None,
        death_timeout: Any = None,
        preload: Any = None,
        preload_argv: Any = None,
        preload_nanny: Any = None,
        preload_nanny_argv: Any = None,
        security: Any = None,
        contact_address: str | None = None,
        listen_address: str | None = None,
        worker_class: Any = None,
        env: dict[str, Any] | None = None,
        interface: str | None = None,
        host: str | None = None,
        port: Any = None,
        protocol: str | None = None,
        config: Any = None,
        loop: Any = None,
        plugins: Any = (),
        **worker_kwargs: Any,
    ) -> None:
        super().__init__()
        self.scheduler_address = find_scheduler(scheduler_ip, scheduler_port, scheduler_file)
        self.security = make_security(security, self.scheduler_address)
        self.name = name
        self.nthreads = nthreads
        self.env = {key: str(value) for key, value in (env or {}).items()}
        self.config = dict(config or {})
        self._plugins = PluginTable(
            lambda plugin: plugin.setup(nanny=self),
            lambda plugin: call_if_there(plugin, "teardown", nanny=self),
            self._run_awaitable,
        )
        self.worker_address: str | None = None
        self.pid: int | None = None
        self._paths: list[str] = []
        self._initial_plugins = list(plugins)
        self._given_folder = local_directory
        self._given_preloads = (preload_nanny, preload_nanny_argv)
        self._preloads: Any = None
        self._supervisor: Any = None
        self._server: Any = None
        self._service: Any = None
        self._arrived = threading.Event()
        self._closing = False
        self._restarting = False
        self._restart_lock = threading.RLock()
        self._events_lock = threading.Lock()
        self._events_client: Any = None
        self._place = (protocol, host, port, interface)
        self._seconds = parse_seconds(death_timeout) or _START_SECONDS
        worker_kwargs.pop("supervised", None)
        self._worker_kwargs = {
            "name": name,
            "nthreads": nthreads,
            "memory_limit": memory_limit,
            "resources": resources,
            "local_directory": local_directory,
            "death_timeout": death_timeout,
            "preload": preload,
            "preload_argv": preload_argv,
            "host": listen_address or host,
            "port": worker_port or None,
            "interface": interface,
            "protocol": protocol,
            "worker_class": worker_class,
            **worker_kwargs,
        }

    # ------------------------------------------------------------------ life

    def _start(self) -> None:
        from rask.distributed._preloading import load_preloads

        keeper()
        protocol, host, port, interface = self._place
        listen = listen_address(self.scheduler_address, protocol, host, port, interface)
        for at, address in enumerate(listen):
            try:
                self._server = _core.CallServer(address, self.security.core("worker"))
                break
            except OSError:
                if at == len(listen) - 1:
                    raise
        self._service = Service("rask-nanny", self._server, self._handlers())
        self._service.begin()
        names, arguments = self._given_preloads
        self._preloads = load_preloads(self, names, arguments, self._run_awaitable)
        self._preloads.start()
        for number, plugin in enumerate(self._initial_plugins):
            self._plugins.add(getattr(plugin, "name", None) or f"plugin-{number}", plugin)
        self._fetch_plugins()
        self._start_worker()

    def _fetch_plugins(self) -> None:
        """Set up the plugins that were registered before this nanny came."""
        client = self._connect()
        try:
            for name, serial, plugin in _core.Runtime(client).plugins("nanny"):
                self._plugins.try_add(name, plugin, serial)
        finally:
            client.close()

    def _connect(self) -> Any:
        import time

        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return _core.ClusterClient.connect(
                    self.scheduler_address, self.security.core("worker")
                )
            except PermissionError:
                raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)

    @property
    def memory_terminate_bytes(self) -> int:
        """Bytes of its own beyond which the worker's process is killed and replaced; 0 is never.

        The part ``distributed.worker.memory.terminate`` of the configuration (default 0.95, False for
        never) of the worker's memory limit.
        """
        from rask import config
        from rask.distributed._utils import cpu_count, memory_limit_bytes

        part = config.get("distributed.worker.memory.terminate", 0.95)
        limit = memory_limit_bytes(
            self._worker_kwargs["memory_limit"], self.nthreads or cpu_count()
        )
        return int(limit * float(part)) if part else 0

    def _start_worker(self) -> None:
        self._arrived.clear()
        self._supervisor = _core.Supervisor(
            sys.executable,
            self._arguments(),
            list(self._environment().items()),
            self.scheduler_address,
            self.security.core("worker"),
            "" if self._worker_kwargs["name"] is None else str(self._worker_kwargs["name"]),
            self.memory_terminate_bytes,
        )
        self._await_worker()

    def _await_worker(self) -> None:
        import time

        deadline = time.monotonic() + self._seconds
        while not self._arrived.wait(_POLL_SECONDS) and not self._closing:
            ends = self._supervisor.ends
            if self._supervisor.pid is None and len(ends) >= _FAILED_STARTS_MAX:
                raise RuntimeError(
                    f"worker {self.name} does not start: {ends[-1]}; its messages are on standard "
                    "error"
                )
            if time.monotonic() > deadline:
                self._supervisor.stop()
                raise TimeoutError(f"worker {self.name} did not start in {self._seconds} seconds")

    def _arguments(self) -> list[str]:
        return [
            "-m",
            "rask.distributed.worker",
            self.scheduler_address,
            "--supervised",
            f"--nanny={self.address}",
            # Like those of its host's other workers in lists of processes.
            f"--name={'' if self.name is None else self.name}",
        ]

    def _environment(self) -> dict[str, str]:
        import base64

        from rask import _pickle

        path = [*self._paths, *(entry for entry in sys.path if entry), os.getcwd()]
        values = {"PYTHONPATH": os.pathsep.join(path)}
        for library in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            if library not in os.environ:
                values[library] = "1"
        # Threads that pass values to each other would spread them over as many arenas, of which
        # none gives its pages back.
        if "MALLOC_ARENA_MAX" not in os.environ:
            values["MALLOC_ARENA_MAX"] = "2"
        values.update(self.env)
        values.update(self.security.environment("worker"))
        extra = {key: value for key, value in self._worker_kwargs.items() if value is not None}
        extra["config"] = self._worker_config()
        values[EXTRA_OPTIONS] = base64.b64encode(_pickle.dumps_bytes(extra)).decode()
        return values

    def _worker_config(self) -> dict[str, Any]:
        """What the worker's process is to have in its configuration."""
        from rask import config

        memory = config.get("distributed.worker.memory", {})
        return config.merge({"distributed": {"worker": {"memory": memory}}}, self.config)

    def _stop_worker(self) -> None:
        supervisor = self._supervisor
        if supervisor is None:
            return
        supervisor.stop()
        with contextlib.suppress(TimeoutError):
            supervisor.wait(_STOP_SECONDS)
        self.worker_address = None

    def _begin_close(self) -> None:
        """Tell the worker to end, and do not wait for it."""
        self._closing = True
        if self._supervisor is not None:
            self._supervisor.stop()

    def _close(self) -> None:
        self._begin_close()
        with self._restart_lock:
            self._stop_worker()
        self._plugins.clear()
        if self._preloads is not None:
            self._preloads.teardown()
        if self._events_client is not None:
            self._events_client.close()
        if self._server is not None:
            self._server.close()
        if self._service is not None:
            self._service.stop()

    def _restart(self) -> None:
        with self._restart_lock:
            self._restarting = True
            try:
                self._stop_worker()
                if not self._closing:
                    self._start_worker()
            finally:
                self._restarting = False

    async def restart(self, timeout: Any = None, reason: str = "") -> str:
        """Replace the worker's process; ``"OK"``, or ``"timed out"``."""
        import asyncio

        from rask.distributed._loop import in_thread

        try:
            await asyncio.wait_for(in_thread(self._restart), parse_seconds(timeout))
        except TimeoutError:
            return "timed out"
        return "OK"

    async def kill(self, timeout: Any = None, reason: str = "") -> None:
        """End the worker's process; the nanny stays."""
        from rask.distributed._loop import in_thread

        await in_thread(self._stop_worker)

    async def instantiate(self) -> Status:
        """Start the worker's process again after `kill`."""
        from rask.distributed._loop import in_thread

        await in_thread(self._start_worker)
        return Status.running

    async def workers_ended(self) -> None:
        """Wait until the worker's process has ended for good: it was told to, or it dies again and
        again."""
        import asyncio

        while True:
            supervisor = self._supervisor
            if supervisor is not None and not self._restarting:
                try:
                    supervisor.wait(0.0)
                except TimeoutError:
                    pass
                else:
                    if supervisor is self._supervisor:
                        return
            await asyncio.sleep(_POLL_SECONDS)

    # ----------------------------------------------------------- attributes

    @property
    def address(self) -> str:
        """Where it takes calls."""
        if self._server is None:
            raise ValueError("the nanny has not started: it has no address yet")
        return self._server.address

    @property
    def process(self) -> Any:
        """What watches the worker's process: ``pid``, and ``ends`` of former processes."""
        return self._supervisor

    @property
    def ends(self) -> list[str]:
        """How processes ended so far, the latest last."""
        return [] if self._supervisor is None else self._supervisor.ends

    @property
    def loop(self) -> Any:
        """The event loop on which coroutine functions of plugins run."""
        return self._service.loop

    def is_alive(self) -> bool:
        """Whether the worker's process runs."""
        return self._supervisor is not None and self._supervisor.pid is not None

    def add_path(self, path: str) -> None:
        """Let the worker processes to come import from a folder."""
        if path not in self._paths:
            self._paths.insert(0, path)

    def log_event(self, topic: str | list[str], msg: Any) -> None:
        """Log an event under a topic, or under several; see `Client.log_event`."""
        from rask.distributed._client_events import checked_event

        topics, payload = checked_event(topic, msg)
        with self._events_lock:
            if self._events_client is None:
                self._events_client = self._connect()
            _core.Events(self._events_client).log(topics, payload)

    # -------------------------------------------------------------- plugins

    @property
    def plugins(self) -> dict[str, Any]:
        """Plugins by name."""
        return self._plugins.plugins

    def _run_awaitable(self, awaitable: Any) -> Any:
        from rask.distributed._loop import sync

        return sync(self.loop, lambda: awaitable)

    # ---------------------------------------------------------------- calls

    def _handlers(self) -> dict[str, Any]:
        return {
            "logs": lambda _, count: keeper().last(count, "rask_cluster::supervisor"),
            "started": lambda _, body: self._on_started(body),
            "run": lambda _, body: self._on_run(*body),
            "plugin-add": lambda _, body: self._service.run_function(self._on_plugin_add, body, {}),
            "plugin-remove": lambda name, _: self._service.run_function(
                self._plugins.remove, (name,), {}
            ),
        }

    def _on_started(self, body: dict[str, Any]) -> None:
        self.worker_address = body["address"]
        self.pid = body["pid"]
        if self.name is None:
            self.name = body["name"]
        self._arrived.set()

    def _on_run(self, function: Any, args: Any, kwargs: Any, wait: bool) -> Any:
        if takes_argument(function, "dask_worker"):
            kwargs.setdefault("dask_worker", self)
        outcome = self._service.run_function(function, args, kwargs)
        return outcome if wait else None

    def _on_plugin_add(self, name: str, serial: str, plugin: Any) -> None:
        self._plugins.add(name, plugin, serial)
        if getattr(plugin, "restart", False):
            self._restart()

    def __repr__(self) -> str:
        where = self._server.address if self._server is not None else "not started"
        return f"<Nanny {where!r}, name: {self.name}, status: {self.status.value}>"
