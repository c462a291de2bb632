"""The client: how it begins, is connected, and ends. What it does is in its parts, one a module."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

from rask import _core
from rask._core import Future
from rask.distributed._arguments import futures_of
from rask.distributed._client_collections import CollectionMethods
from rask.distributed._client_contents import ContentMethods
from rask.distributed._client_data import DataMethods
from rask.distributed._client_diagnostics import DiagnosticsMethods
from rask.distributed._client_dumps import DumpMethods
from rask.distributed._client_events import EventMethods
from rask.distributed._client_futures import FutureMethods
from rask.distributed._client_info import InfoMethods
from rask.distributed._client_memory import MemoryManagerMethods
from rask.distributed._client_plugins import PluginMethods
from rask.distributed._client_profile import ProfileMethods
from rask.distributed._client_recreation import RecreationMethods
from rask.distributed._client_replicas import ReplicaMethods
from rask.distributed._client_restarts import RestartMethods
from rask.distributed._client_run import RunMethods
from rask.distributed._client_shared import SharedMethods
from rask.distributed._client_shares import ShareMethods
from rask.distributed._client_spans import SpanMethods
from rask.distributed._client_stories import StoryMethods
from rask.distributed._client_submission import SubmissionMethods
from rask.distributed._client_versions import VersionMethods
from rask.distributed._clients import become_default, default_client, remember, resign
from rask.distributed._node import make_security
from rask.distributed._shares import chosen_share
from rask.distributed._utils import parse_seconds
from rask.distributed.security import Security
from rask.utils import format_bytes

__all__ = ["Client", "default_client", "futures_of"]


class Client(
    SubmissionMethods,
    FutureMethods,
    CollectionMethods,
    DataMethods,
    ContentMethods,
    RecreationMethods,
    RunMethods,
    PluginMethods,
    RestartMethods,
    SharedMethods,
    ShareMethods,
    ReplicaMethods,
    MemoryManagerMethods,
    DiagnosticsMethods,
    EventMethods,
    StoryMethods,
    DumpMethods,
    VersionMethods,
    InfoMethods,
    SpanMethods,
    ProfileMethods,
):
    """Connects to a cluster and submits work to it.

    Once made, a client is the scheduler that ``compute`` and ``persist`` of all collections use.

    Parameters
    ----------
    address : str or cluster, optional
        The scheduler's address, as in ``"tcp://127.0.0.1:8786"``, or a cluster object. Default: a
        new `LocalCluster`, made with the remaining keyword arguments.
    timeout : float or str, optional
        How long to try to connect.
    set_as_default : bool
    security : Security, optional
        Token and certificates. Those of a cluster object are taken from it.
    asynchronous : bool
        Whether methods that wait return something to await.
    name : str, optional
    direct_to_workers : bool, optional
        The default of ``direct`` in `scatter`.
    share : str, optional
        Whom the client's work is counted for, with that of other clients of the same share; shares
        are served fairly, see `Client.shares`. Default: the configuration's
        ``distributed.client.share``, else the client itself.

    Examples
    --------
    >>> from rask.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     client.submit(sum, [1, 2, 3]).result()
    6
    """

    def __init__(
        self,
        address: Any = None,
        loop: Any = None,
        timeout: Any = None,
        set_as_default: bool = True,
        scheduler_file: str | None = None,
        security: Security | bool | None = None,
        asynchronous: bool = False,
        name: str | None = None,
        heartbeat_interval: Any = None,
        serializers: Any = None,
        deserializers: Any = None,
        direct_to_workers: Any = None,
        connection_limit: int = 512,
        share: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._asynchronous = asynchronous
        self._set_as_default = set_as_default
        self._timeout = parse_seconds(timeout)
        self._direct = bool(direct_to_workers)
        self.id = f"{name or 'Client'}-{uuid.uuid4()}"
        self._identity = {"name": name or "", "share": chosen_share(share)}
        self.status = "newly-created"
        self.cluster: Any = None
        self._owns_cluster = False
        self._kwargs = kwargs
        self._address = _address_from_file(scheduler_file) if scheduler_file else address
        self._given_security = security
        self.security: Security | None = None
        self._core: Any = None
        if not asynchronous:
            self._start()

    def _start(self) -> None:
        address = self._address
        security = self._given_security
        if address is None:
            from rask.distributed.cluster import LocalCluster

            if security:
                self._kwargs["security"] = security
            address = LocalCluster(**self._kwargs)
            self._owns_cluster = True
        elif self._kwargs:
            unexpected = ", ".join(sorted(self._kwargs))
            raise TypeError(f"unexpected keyword arguments for a cluster that exists: {unexpected}")
        if isinstance(address, str):
            self._connect(address, make_security(security, address))
        else:
            self._join(address)
        self.status = "running"
        self._start_events()
        if self._shows_output:
            self._check_versions()
        remember(self)
        if self._set_as_default:
            become_default(self)

    def _join(self, cluster: Any) -> None:
        """Become a client of a cluster, or of a scheduler, that is an object here."""
        if not hasattr(cluster, "security"):
            raise TypeError(
                "a client is of an address (a string), of a cluster or of a scheduler, not of "
                f"{type(cluster).__name__}"
            )
        handle = getattr(cluster, "_handle", None) or getattr(cluster, "_scheduler", None)
        if hasattr(cluster, "scheduler_address"):
            self.cluster = cluster
        self.security = cluster.security
        if handle is not None:
            own = cluster.security.core("client")
            self._core = _core.ClusterClient.attach(handle, own, **self._identity)
        else:
            address = getattr(cluster, "scheduler_address", None) or cluster.address
            self._connect(address, cluster.security)

    def _connect(self, address: str, security: Security) -> None:
        self.security = security
        deadline = time.monotonic() + (30.0 if self._timeout is None else self._timeout)
        while True:
            try:
                own = security.core("client")
                self._core = _core.ClusterClient.connect(address, own, **self._identity)
                return
            except PermissionError:
                raise
            except ConnectionError:
                raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    # ------------------------------------------------------------------ life

    @property
    def asynchronous(self) -> bool:
        """Whether methods that wait return something to await."""
        return self._asynchronous

    @property
    def scheduler_address(self) -> str:
        """The scheduler's address."""
        return self._core.address

    @property
    def dashboard_link(self) -> str | None:
        """Where the dashboard is; None, because there is none yet."""
        return None

    @classmethod
    def current(cls, allow_global: bool = True) -> Client:
        """The client of the surrounding `as_current`, else the default client.

        Parameters
        ----------
        allow_global : bool
            Whether the default client will do.

        Raises
        ------
        ValueError
            If there is none.
        """
        from rask import base

        client = base.local_client()
        if isinstance(client, cls):
            return client
        if not allow_global:
            raise ValueError("Not running inside the `as_current` context manager")
        return default_client()

    def as_current(self) -> Any:
        """A context in which this client is the default one."""
        from rask import base

        return base.client_as_current(self)

    def __await__(self) -> Any:
        async def start() -> Client:
            if self.status == "newly-created":
                self._events_loop = asyncio.get_running_loop()
                await asyncio.to_thread(self._start)
            return self

        return start().__await__()

    def start(self, **kwargs: Any) -> Any:
        """Connect, if that has not been done yet: asynchronous clients connect when awaited."""
        if self._asynchronous:

            async def start() -> Any:
                return await self

            return start()
        return self

    async def __aenter__(self) -> Client:
        return await self

    async def __aexit__(self, *exception: Any) -> None:
        await asyncio.to_thread(self._close)

    def __enter__(self) -> Client:
        if self._asynchronous:
            raise TypeError("an asynchronous client needs 'async with'")
        return self

    def __exit__(self, *exception: Any) -> None:
        self._close()

    def close(self, timeout: Any = None) -> Any:
        """End the connection; a cluster that the client made is closed too."""
        return self._either(self._close)

    def _close(self) -> None:
        if self.status == "closed":
            return
        self._disconnect()
        if self._owns_cluster and self.cluster is not None:
            self.cluster.close()

    def _disconnect(self) -> None:
        """End the connection; a cluster that the client made goes on."""
        if self.status == "running":
            if self._set_as_default:
                resign(self)
            self._core.close()
            if self._caller_made is not None:
                self._caller_made.close()
        self.status = "closed"

    def shutdown(self) -> Any:
        """End the connection, the scheduler and the workers."""

        def shut_down() -> None:
            if self.status == "running":
                self._core.shutdown()
            cluster = self.cluster
            self._close()
            if cluster is not None:
                cluster.close()

        return self._either(shut_down)

    def __repr__(self) -> str:
        if self._core is None:
            return f"<Client: {self.status}>"
        if self.status == "closed":
            return f"<Client: {self.scheduler_address!r}, closed>"
        try:
            workers = self._core.info()[0]
        except ConnectionError:
            return f"<Client: {self.scheduler_address!r}, not connected>"
        threads = sum(worker["nthreads"] for worker in workers)
        nbytes = sum(worker["memory_limit"] for worker in workers)
        memory = f", memory={format_bytes(nbytes)}" if nbytes else ""
        return (
            f"<Client: {self.scheduler_address!r} processes={len(workers)} threads={threads}"
            f"{memory}>"
        )

    @property
    def loop(self) -> Any:
        """The event loop that runs coroutines for synchronous callers."""
        from rask.distributed._loop import background_loop

        return background_loop()

    def sync(
        self,
        func: Callable[..., Any],
        *args: Any,
        asynchronous: bool | None = None,
        callback_timeout: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Run a coroutine function: to await in an asynchronous client, else to its end."""
        from rask.distributed._loop import sync

        if asynchronous or (asynchronous is None and self._asynchronous):
            return func(*args, **kwargs)
        return sync(self.loop, func, *args, callback_timeout=callback_timeout, **kwargs)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a client is of this process: in tasks, get_client() gives the worker's own"
        )

    def _either(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call now, or on a thread while the event loop goes on."""
        if self._asynchronous:
            return asyncio.to_thread(function, *args)
        return function(*args)

    def _as_submitter(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        """Options of a submission, with who submits it where that counts."""
        return options

    def _check_running(self) -> None:
        if self.status != "running":
            raise RuntimeError(f"the client is {self.status}")


class QuietClient(Client):
    """A client of the library's own: what tasks print is for those of users."""

    _shows_output = False


def _address_from_file(path: str) -> str:
    import json

    with open(path) as file:
        return json.load(file)["address"]


def _rebuild_future(name: str, block: int, numbered: bool) -> Future:
    """A pickled future, on the other side."""
    from rask.distributed._sharing import future_of_key

    return future_of_key((name, block) if numbered else name)
