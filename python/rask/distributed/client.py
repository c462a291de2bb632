"""The client: submits work to a cluster and fetches results."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rask import _core
from rask._core import Future
from rask._functions import is_fixed, ship
from rask.distributed._arguments import extract
from rask.distributed._client_coord import CoordinationMethods
from rask.distributed._client_data import DataMethods
from rask.distributed._client_diagnostics import DiagnosticsMethods
from rask.distributed._client_events import EventMethods
from rask.distributed._client_profile import ProfileMethods
from rask.distributed._client_replicas import ReplicaMethods
from rask.distributed._client_runtime import (
    RuntimeMethods,
    _clients,
    complete,
    prepare,
    refuse_actors,
    take_timeout,
    with_timeout,
)
from rask.distributed._client_shared import SharedMethods
from rask.distributed._client_shares import ShareMethods
from rask.distributed._client_spans import SpanMethods
from rask.distributed._client_state import StateMethods
from rask.distributed._futures import wait_async
from rask.distributed._node import make_security
from rask.distributed._shares import chosen_share
from rask.distributed._submission import (
    call_name,
    function_name,
    is_collection,
    map_pages,
    options_of,
)
from rask.distributed._utils import parse_seconds
from rask.distributed.progressbar import watched
from rask.distributed.security import Security

__all__ = ["Client", "default_client", "futures_of"]

_default: Client | None = None
_default_lock = threading.Lock()


def default_client() -> Client:
    """The client made last with ``set_as_default=True`` that is not closed.

    Raises
    ------
    ValueError
        If there is none.
    """
    client = _default
    if client is None or client.status == "closed":
        raise ValueError("no clients found; make one with rask.distributed.Client()")
    return client


def futures_of(o: Any, client: Client | None = None) -> list[Future]:
    """The futures inside of collections and of nested lists, tuples, sets and dicts.

    Parameters
    ----------
    o : Any
        Futures, collections whose blocks a cluster holds, and containers of these.
    client : Client, optional
        Whose blocks of collections are meant; the default client if there is one.
    """
    collections: list[Any] = []
    futures: list[Future] = []
    extract(o, futures, collections)
    if not collections:
        return futures
    client = client or default_client()
    for collection in collections:
        plan, _ = type(collection)._rask_lower([collection], False)
        futures.extend(client._core.plan_futures(client, plan))
    return futures


class Client(
    CoordinationMethods,
    RuntimeMethods,
    SharedMethods,
    ShareMethods,
    ReplicaMethods,
    DiagnosticsMethods,
    EventMethods,
    StateMethods,
    SpanMethods,
    ProfileMethods,
    DataMethods,
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
        _clients.add(self)
        if self._set_as_default:
            self._become_default()

    def _join(self, cluster: Any) -> None:
        """Become a client of a cluster, or of a scheduler, that is an object here."""
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

    def _become_default(self) -> None:
        global _default
        from rask import base

        with _default_lock:
            _default = self
        base.set_current_client(self)

    def _resign(self) -> None:
        global _default
        if not self._set_as_default:
            return
        from rask import base

        with _default_lock:
            if _default is self:
                _default = None
        if base.current_client() is self:
            base.set_current_client(None)

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
        if self.status == "running":
            self._resign()
            self._core.close()
            if self._caller_made is not None:
                self._caller_made.close()
        self.status = "closed"
        if self._owns_cluster and self.cluster is not None:
            self.cluster.close()

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
        workers = self._core.info()[0]
        threads = sum(worker["nthreads"] for worker in workers)
        return f"<Client: {self.scheduler_address!r} processes={len(workers)} threads={threads}>"

    def _either(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call now, or on a thread while the event loop goes on."""
        if self._asynchronous:
            return asyncio.to_thread(function, *args)
        return function(*args)

    def _check_running(self) -> None:
        if self.status != "running":
            raise RuntimeError(f"the client is {self.status}")

    # ---------------------------------------------------------------- submit

    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        key: str | None = None,
        workers: Any = None,
        resources: dict[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        **kwargs: Any,
    ) -> Future:
        """Call a function on the cluster.

        Parameters
        ----------
        func : callable
        *args, **kwargs
            May be or contain (in lists, tuples, sets, dicts) futures, whose values are passed.
        key : str, optional
            Name of the result. Equal keys are taken to mean equal results.
        workers : str or list of str, optional
            Names, addresses or hosts of the workers that may run it.
        resources : dict, optional
            What it takes of a worker's resources while it runs.
        retries : int, optional
            How many times it is run again if it raises.
        priority : int
            Higher runs earlier.
        actor : bool
            Whether the function, mostly a class, makes an object that stays on the worker: see
            `Actor`.
        pure : bool
            Whether equal functions with equal arguments may share one result.
        executor : str, optional
            Name of the worker's executor that runs it; ``"process"`` is a process of its own, which
            ``cancel(force=True)`` kills. Passed on to functions that have such a parameter.
        task_timeout : float or str, optional
            A run of the task that takes longer fails with TimeoutError, and is stopped where that
            can be done; retries are for it, too. Passed on to functions that have such a parameter.

        Returns
        -------
        Future
        """
        if not callable(func):
            raise TypeError("the first argument of client.submit must be callable")
        self._check_running()
        limit = take_timeout(func, kwargs)
        func = prepare(func, kwargs, actor or actors)
        pure = pure and not (actor or actors)
        options = options_of(priority, retries, workers, allow_other_workers, resources)
        options = complete(options, func, limit)
        operation = function_name(func)
        shipped = ship(func)
        key = None if key is None else str(key)
        if not kwargs:
            fixed = is_fixed(shipped)
            future = _core.submit_call(
                self._core, self, operation, shipped, fixed, args, key, pure, options
            )
            if future is not None:
                return future
        futures: list[Future] = []
        args = tuple([extract(argument, futures) for argument in args])
        kwargs = {name: extract(value, futures) for name, value in kwargs.items()}
        payload = _core.Payload((operation, shipped, args, kwargs))
        if key is None:
            key = call_name(operation, [payload], futures, pure)
        return self._core.submit_calls(
            self, key, operation, payload, None, [], 0, futures, [0, len(futures)], options
        )[0]

    def map(
        self,
        func: Callable[..., Any],
        *iterables: Any,
        key: Any = None,
        workers: Any = None,
        retries: int | None = None,
        resources: dict[str, float] | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        fifo_timeout: Any = None,
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[Future]:
        """Call a function on the cluster for each element of iterables, as `map` does.

        All calls are one layer: the function and the keyword arguments travel once.

        Parameters
        ----------
        func : callable
        *iterables
            Elements may be or contain futures.
        key : str or list of str, optional
            Prefix of the keys, or one key a call.
        batch_size : int, optional
            Accepted for compatibility: calls always travel in batches.
        **kwargs
            Passed to every call.

        Returns
        -------
        list of Future
        """
        if not callable(func):
            raise TypeError("the first argument of client.map must be callable")
        if not iterables:
            raise ValueError("client.map needs at least one iterable")
        self._check_running()
        limit = take_timeout(func, kwargs)
        func = prepare(func, kwargs, actor or actors)
        pure = pure and not (actor or actors)
        common = (workers, retries, resources, priority, allow_other_workers)
        if isinstance(key, (list, tuple)):
            if limit is not None:
                kwargs = {**kwargs, "task_timeout": limit}
            return self._map_keys(func, iterables, list(key), common, pure, kwargs)
        columns = _columns(iterables)
        count = len(columns[0])
        if count == 0:
            return []
        futures: list[Future] = []
        kwargs = {name: extract(value, futures) for name, value in kwargs.items()}
        shared = list(futures)
        pages, page_blocks, futures, offsets = map_pages(columns, shared)
        operation = function_name(func)
        payload = _core.Payload((operation, func, (), kwargs))
        prefix = operation if key is None else str(key)
        name = call_name(prefix, [payload, *pages], futures, pure and key is None)
        options = options_of(priority, retries, workers, allow_other_workers, resources)
        options = complete(options, func, limit)
        return self._core.submit_calls(
            self, name, operation, payload, count, pages, page_blocks, futures, offsets, options
        )

    def _map_keys(
        self,
        func: Callable[..., Any],
        iterables: tuple[Any, ...],
        keys: list[Any],
        common: tuple[Any, ...],
        pure: bool,
        kwargs: dict[str, Any],
    ) -> list[Future]:
        workers, retries, resources, priority, allow_other_workers = common
        calls = list(zip(*iterables, strict=False))
        if len(keys) != len(calls):
            raise ValueError(f"{len(keys)} keys for {len(calls)} calls")
        return [
            self.submit(
                func,
                *arguments,
                key=key,
                workers=workers,
                retries=retries,
                resources=resources,
                priority=priority,
                allow_other_workers=allow_other_workers,
                pure=pure,
                **kwargs,
            )
            for key, arguments in zip(keys, calls, strict=True)
        ]

    def scatter(
        self,
        data: Any,
        workers: Any = None,
        broadcast: bool | int = False,
        direct: bool | None = None,
        hash: bool = True,
        timeout: Any = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Move values to the cluster.

        Parameters
        ----------
        data : list, tuple, set, dict or object
            The values of a container become one future each.
        workers : str or list of str, optional
            Where to.
        broadcast : bool or int
            Whether every worker gets a copy, or how many do.
        direct : bool, optional
            Whether each value goes to a worker without the scheduler, which then has no copy: if
            that worker ends, so does the value, and tasks that need it fail. Default: what the
            client was given as ``direct_to_workers``, or False.
        hash : bool
            Whether equal values may share one key. Values that are sent directly never do.

        Returns
        -------
        list, tuple, set or dict of Future, or Future
        """
        direct = self._direct if direct is None else direct
        return self._either(self._scatter, data, workers, hash, broadcast, direct)

    def _scatter(
        self, data: Any, workers: Any, hash: bool, broadcast: bool | int, direct: bool
    ) -> Any:
        self._check_running()
        if direct:
            futures = self._scatter_direct(data, workers)
        else:
            futures = self._scatter_once(data, workers, hash)
        if broadcast:
            count = 0 if broadcast is True else int(broadcast)
            names = [workers] if isinstance(workers, str) else list(workers or [])
            self._replicate(futures, count, names, None)
        return futures

    def _scatter_once(self, data: Any, workers: Any, hash: bool) -> Any:
        self._check_running()
        options = options_of(0, None, workers, False, None, annotated=False)

        def one(value: Any) -> Future:
            kind = type(value).__name__
            name = call_name(kind, [_core.Payload(value)] if hash else [], [], hash)
            return self._core.submit_values(self, name, [value], False, options)[0]

        if isinstance(data, dict):
            return {key: one(value) for key, value in data.items()}
        if isinstance(data, (list, tuple, set, frozenset)):
            return type(data)([one(value) for value in data])
        if isinstance(data, (Iterator, range)):
            return [one(value) for value in data]
        future = one(data)
        return future

    # ---------------------------------------------------------------- gather

    def gather(
        self,
        futures: Any,
        errors: str = "raise",
        direct: bool | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """The values of futures.

        Parameters
        ----------
        futures : Future, or nested list, tuple, set, dict, iterator of futures
        errors : {"raise", "skip"}
            Whether to raise what a task raised, or to leave out what failed.
        direct : bool, optional
            Values always come from the workers that have them, small ones with the news that they
            are there, so this changes nothing.

        Returns
        -------
        The same nesting with values instead of futures.
        """
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors must be 'raise' or 'skip', not {errors!r}")
        if self._asynchronous or asynchronous:
            return self._gather_async(futures, errors)
        return self._gather(futures, errors)

    async def _gather_async(self, futures: Any, errors: str) -> Any:
        if isinstance(futures, Iterator):
            futures = list(futures)
        for future in futures_of(futures):
            await wait_async(future)
        return await asyncio.to_thread(self._gather, futures, errors)

    def _gather(self, futures: Any, errors: str = "raise") -> Any:
        if isinstance(futures, Future):
            if errors == "raise":
                return futures._result()
            _, values = self._core.gather([futures], True)
            return values[0] if values else None
        if isinstance(futures, Iterator):
            futures = list(futures)
        if type(futures) is list and all(type(item) is Future for item in futures):
            return self._core.gather(futures, errors == "skip")[1]
        found = futures_of(futures)
        positions, values = self._core.gather(found, errors == "skip")
        by_position = dict(zip(positions, values, strict=True))
        return _put_back(futures, iter(range(len(found))), by_position)

    def compute(
        self,
        collections: Any,
        sync: bool = False,
        optimize_graph: bool = True,
        workers: Any = None,
        allow_other_workers: bool = False,
        resources: dict[str, float] | None = None,
        retries: int = 0,
        priority: int = 0,
        fifo_timeout: Any = None,
        actors: Any = None,
        traverse: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Compute collections on the cluster.

        Parameters
        ----------
        collections : collection, or list or tuple of them
        sync : bool
            Whether to wait and return values instead of futures.

        Returns
        -------
        Future or list of Future
        """
        refuse_actors(actors)
        single = not isinstance(collections, (list, tuple, set))
        items = [collections] if single else list(collections)
        options = options_of(priority, retries or None, workers, allow_other_workers, resources)
        options = with_timeout(options, take_timeout())
        futures = [self._compute_one(item, optimize_graph, options) for item in items]
        result = futures[0] if single else futures
        return self.gather(result) if sync else result

    def _compute_one(self, item: Any, optimize: bool, options: Any) -> Any:
        if not is_collection(item):
            return item
        plan, _ = type(item)._rask_lower([item], optimize)
        blocks = self._core.submit_plan(self, plan, options)
        if item._rask_family == "delayed" and len(blocks) == 1:
            return blocks[0]
        finisher = getattr(item, "_rask_finisher", None)
        finish = item._rask_finish if finisher is None else finisher()
        return self.submit(finish, list(blocks), pure=False)

    def persist(
        self,
        collections: Any,
        optimize_graph: bool = True,
        workers: Any = None,
        allow_other_workers: bool = False,
        resources: dict[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = None,
        actors: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Start computing collections; their blocks stay in the cluster's memory.

        Parameters
        ----------
        collections : collection, or list or tuple of them

        Returns
        -------
        collection or list of them
            The same, over blocks that the cluster holds.
        """
        refuse_actors(actors)
        single = not isinstance(collections, (list, tuple, set))
        items = [collections] if single else list(collections)
        options = options_of(priority, retries, workers, allow_other_workers, resources)
        options = with_timeout(options, take_timeout())
        persisted = []
        for item in items:
            plan, _ = type(item)._rask_lower([item], optimize_graph)
            persisted.append(item._rask_rebuild(self._core.persist_plan(plan, options)))
        return persisted[0] if single else persisted

    def _rask_compute(self, plan: Any, **kwargs: Any) -> list[Any]:
        self._check_running()
        options = options_of(
            kwargs.get("priority", 0),
            kwargs.get("retries"),
            kwargs.get("workers"),
            kwargs.get("allow_other_workers", False),
            kwargs.get("resources"),
        )
        options = with_timeout(options, take_timeout())
        futures = self._core.submit_plan(self, plan, options)
        with watched(futures):
            return self._core.gather(futures, False)[1]

    def _rask_persist(self, plan: Any, **kwargs: Any) -> Any:
        self._check_running()
        return self._core.persist_plan(plan, None)

    def get(self, dsk: Any, keys: Any, **kwargs: Any) -> Any:
        """Compute keys of a plain task graph; parameters as `rask.threaded.get`."""
        from rask import _core

        plan = _core.compile_graph(dict(dsk), keys)
        return _core.nest_values(keys, list(self._rask_compute(plan, **kwargs)))

    # --------------------------------------------------------------- control

    def cancel(
        self, futures: Any, asynchronous: bool | None = None, force: bool = False, **kwargs: Any
    ) -> Any:
        """Cancel futures: what only they need is not run.

        Parameters
        ----------
        futures : Future, or nested lists of them
        force : bool
            Also if other clients want the results.
        """
        return self._either(self._core.cancel, futures_of(futures), force)

    def retry(self, futures: Any, asynchronous: bool | None = None) -> Any:
        """Run failed futures again."""
        return self._either(self._core.retry, futures_of(futures))

    # --------------------------------------------------------------- queries


class QuietClient(Client):
    """A client of the library's own: what tasks print is for those of users."""

    _shows_output = False


def _columns(iterables: Iterable[Any]) -> list[list[Any]]:
    columns = [list(iterable) for iterable in iterables]
    shortest = min(len(column) for column in columns)
    return [column[:shortest] for column in columns]


_GONE = object()


def _put_back(value: Any, positions: Iterator[int], values: dict[int, Any]) -> Any:
    """The nesting of futures with values; those that were skipped are left out of lists."""
    if isinstance(value, Future):
        return values.get(next(positions), _GONE)
    if isinstance(value, dict):
        items = {key: _put_back(item, positions, values) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _GONE}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_put_back(item, positions, values) for item in value]
        return type(value)([item for item in items if item is not _GONE])
    return value


def _address_from_file(path: str) -> str:
    import json

    with open(path) as file:
        return json.load(file)["address"]


_clients_by_address: weakref.WeakValueDictionary[str, Client] = weakref.WeakValueDictionary()


def _rebuild_future(name: str, block: int, numbered: bool) -> Future:
    """A pickled future, on the other side."""
    from rask.distributed._sharing import future_of_key

    return future_of_key((name, block) if numbered else name)
