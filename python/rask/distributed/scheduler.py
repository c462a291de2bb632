"""Schedulers in this process."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from rask import _core
from rask.distributed._node import Node, _known, host_of_interface, make_security, ports_of
from rask.distributed._policies import configured_policies, policies_of_users
from rask.distributed._shares import describe_shares, quota_patience_seconds
from rask.distributed._utils import parse_seconds
from rask.distributed._versions import registered_versions
from rask.distributed.security import Security

__all__ = ["Scheduler"]

_WORKER_SECONDS = 60.0
_WATCH_SECONDS = 0.5


class Scheduler(Node):
    """Decides which worker runs what. It runs on a thread of this process and needs no Python.

    Await it, or use it with ``async with``.

    Parameters
    ----------
    port : int or str
        Where to listen; 0 chooses a free one.
    host, interface : str, optional
        Where to listen; default: this machine only.
    protocol : {"tcp", "tls"}, optional
    security : Security, optional
        Default: a fresh token, which workers and clients of this process know.
    scheduler_file : str, optional
        A file to which the address is written.
    allowed_failures : int, optional
        A task that was running on more workers than this when they died fails.
    worker_ttl : float or str, optional
        A worker that has said nothing for so long is taken for dead.
    idle_timeout : float or str, optional
        End after so long without tasks.
    shares : dict, optional
        How shares of clients are served, as in ``{"team-a": {"weight": 3, "tasks": 100, "memory":
        "10 GiB"}}``; default: the configuration's ``distributed.scheduler.shares``.
    preload : list of str, optional
        Modules with ``dask_setup(scheduler)`` and ``dask_teardown(scheduler)``, called in this
        process, beside the scheduler's thread.

    Examples
    --------
    >>> import asyncio
    >>> from rask.distributed import Scheduler
    >>> async def main():
    ...     async with Scheduler(port=0) as scheduler:
    ...         return scheduler.address.startswith("tcp://127.0.0.1:")
    >>> asyncio.run(main())
    True
    """

    def __init__(
        self,
        loop: Any = None,
        services: Any = None,
        service_kwargs: Any = None,
        allowed_failures: int | None = None,
        extensions: Any = None,
        validate: bool | None = None,
        scheduler_file: str | None = None,
        security: Any = None,
        worker_ttl: Any = None,
        idle_timeout: Any = None,
        interface: str | None = None,
        host: str | None = None,
        port: Any = 0,
        protocol: str | None = None,
        dashboard_address: Any = None,
        dashboard: bool | None = None,
        http_prefix: str = "/",
        preload: Any = None,
        preload_argv: Any = (),
        plugins: Any = (),
        contact_address: str | None = None,
        shares: dict[str, dict[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.security = Security.with_token() if security is None else make_security(security)
        self.scheduler_file = scheduler_file
        self.idle_timeout = parse_seconds(idle_timeout)
        self._options = {
            "allowed_failures": 3 if allowed_failures is None else int(allowed_failures),
            "worker_timeout": parse_seconds(worker_ttl) or _WORKER_SECONDS,
            "shares": describe_shares(shares),
            "quota_patience": quota_patience_seconds(),
            **options,
        }
        scheme = (protocol or self.security.scheme).removesuffix("://")
        if interface is not None:
            host = host_of_interface(interface)
        host = host or "127.0.0.1"
        if "://" in host:
            self._listen = [host]
        else:
            self._listen = [f"{scheme}://{host}:{number}" for number in ports_of(port)]
        self._given_preloads = (preload, preload_argv)
        self._preloads: Any = None
        self._plugins = list(plugins)
        self._handle: Any = None
        self._observer: Any = None
        self._observer_lock = threading.Lock()

    def _start(self) -> None:
        from rask.distributed._preloading import load_preloads

        limits = _limits()
        policies = policies_of_users()
        plugins = [*self._plugins, *([policies] if policies is not None else [])]
        for at, address in enumerate(self._listen):
            try:
                self._handle = _core.SchedulerHandle(
                    address,
                    self.security.core("scheduler"),
                    helper=_helper_command(limits["replica_interval"]),
                    versions=registered_versions(),
                    **limits,
                    **self._options,
                )
                break
            except OSError:
                if at == len(self._listen) - 1:
                    raise
        _known[self.address] = self.security
        if self.scheduler_file is not None:
            self._write_file(self.scheduler_file)
        names, arguments = self._given_preloads
        self._preloads = load_preloads(self, names, arguments, _run_awaitable)
        self._preloads.start()
        if plugins:
            with self._client() as client:
                for plugin in plugins:
                    client.register_plugin(plugin)
        if self.idle_timeout is not None:
            threading.Thread(target=self._watch_idle, name="rask-idle", daemon=True).start()

    def _write_file(self, path: str) -> None:
        identity = {"type": "Scheduler", "id": self.id, "address": self.address, "workers": {}}
        with open(f"{path}.part", "w") as file:
            json.dump(identity, file)
        os.replace(f"{path}.part", path)

    def _client(self) -> Any:
        from rask.distributed.client import QuietClient

        return QuietClient(self.address, security=self.security, set_as_default=False)

    def _close(self) -> None:
        if self._preloads is not None:
            self._preloads.teardown()
        with self._observer_lock:
            if self._observer is not None:
                self._observer.close()
                self._observer = None
        if self._handle is not None:
            self._handle.stop()
            _known.pop(self.address, None)

    def _watch_idle(self) -> None:
        assert self.idle_timeout is not None
        idle_since = time.monotonic()
        while self._handle.worker_count >= 0 and not self._ended.is_set():
            self._ended.wait(min(_WATCH_SECONDS, self.idle_timeout / 4))
            if self._info()[1] > 0:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self.idle_timeout:
                self._ensure_closed()

    async def finished(self) -> None:
        """Wait until it has ended, by `close` or because a client asked for it."""
        from rask.distributed._loop import in_thread

        await in_thread(self._wait)

    def _wait(self) -> None:
        while not self._ended.is_set():
            try:
                self._handle.wait(_WATCH_SECONDS)
                return
            except TimeoutError:
                continue

    # ----------------------------------------------------------- attributes

    @property
    def address(self) -> str:
        """Where it listens."""
        if self._handle is None:
            raise ValueError("the scheduler has not started: it has no address yet")
        return self._handle.address

    @property
    def contact_address(self) -> str:
        """The same as `address`."""
        return self.address

    def _info(self) -> Any:
        with self._observer_lock:
            if self._observer is None:
                self._observer = _core.ClusterClient.attach(
                    self._handle, self.security.core("scheduler")
                )
            return self._observer.info()

    @property
    def workers(self) -> dict[str, dict[str, Any]]:
        """What is known of each worker, by address."""
        return {worker["address"]: worker for worker in self._info()[0]}

    @property
    def total_nthreads(self) -> int:
        """Threads of all workers."""
        return sum(worker["nthreads"] for worker in self._info()[0])

    def identity(self, n_workers: int = -1) -> dict[str, Any]:
        """About the scheduler and its workers, as `Client.scheduler_info`."""
        workers, tasks, clients = self._info()
        return {
            "type": "Scheduler",
            "id": self.id,
            "address": self.address,
            "tasks": tasks,
            "clients": clients,
            "n_workers": len(workers),
            "total_threads": sum(worker["nthreads"] for worker in workers),
            "total_memory": sum(worker["memory_limit"] for worker in workers),
            "workers": {worker["address"]: worker for worker in workers},
        }

    def __repr__(self) -> str:
        where = self._handle.address if self._handle is not None else "not started"
        return f"<Scheduler {where!r}, status: {self.status.value}>"


def _limits() -> dict[str, Any]:
    """How much the scheduler remembers of events and of what tasks went through, and where it writes
    reports of clients that are gone."""
    from rask import config
    from rask.distributed._logs import lines_max
    from rask.distributed._utils import parse_bytes

    _core.set_log_length(lines_max())
    events = config.get("distributed.scheduler.events-log-length", 1000)
    nbytes = config.get("distributed.scheduler.events-log-bytes", "64 MiB")
    changes = config.get("distributed.scheduler.transition-log-length", 65_536)
    return {
        "events_per_topic": int(events),
        "event_bytes": int(parse_bytes(nbytes)),
        "history_length": int(changes),
        "reports": config.get("distributed.scheduler.reports-directory", None),
        **configured_policies(),
    }


def _helper_command(replica_interval: float) -> tuple[str, list[str], list[tuple[str, str]]]:
    """What runs code of users beside the scheduler: a process without the cluster's secrets."""
    passed = ("PATH", "LANG", "LC_ALL", "TMPDIR")
    values = {name: os.environ[name] for name in passed if name in os.environ}
    path = [os.path.abspath(entry) for entry in sys.path if entry]
    values["PYTHONPATH"] = os.pathsep.join([*path, os.getcwd()])
    arguments = ["-m", "rask.distributed._helper", f"--replica-interval={replica_interval}"]
    return sys.executable, arguments, list(values.items())


def _run_awaitable(awaitable: Any) -> Any:
    from rask.distributed._loop import background_loop, sync

    return sync(background_loop(), lambda: awaitable)
