"""What clusters of every kind have in common."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import html
import inspect
import time
from collections.abc import Callable
from typing import Any

from rask import _core
from rask.distributed._loop import background_loop, in_thread, sync
from rask.distributed._node import Status
from rask.distributed._utils import parse_seconds
from rask.distributed.security import Security

__all__ = ["Cluster", "show_table"]

_POLL_SECONDS = 0.01


class Cluster:
    """What clusters have in common: their scheduler's address, scaling, logs, and how they look.

    Subclasses have a ``scheduler`` with an ``address``, and override `scale`.
    """

    _supports_scaling = True

    def __init__(
        self,
        asynchronous: bool = False,
        loop: Any = None,
        quiet: bool = False,
        name: str | None = None,
        scheduler_sync_interval: Any = 1,
    ) -> None:
        self._asynchronous = asynchronous
        self._given_loop = loop
        self.quiet = quiet
        self.name = name or f"{type(self).__name__}-{id(self):x}"
        self.scheduler: Any = None
        self.security: Any = getattr(self, "security", None) or Security()
        self.status = Status.created
        self._cluster_manager_logs: list[tuple[datetime.datetime, str]] = []
        self._adaptive: Any = None
        self._adaptive_options: dict[str, Any] = {}
        self._observer: Any = None

    @property
    def name(self) -> str:
        """What the cluster is called in its repr and in logs."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    # ------------------------------------------------------------------ loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which the cluster's coroutines run."""
        if self._given_loop is None:
            if self._asynchronous:
                self._given_loop = asyncio.get_running_loop()
            else:
                self._given_loop = background_loop()
        return self._given_loop

    @property
    def called_from_running_loop(self) -> bool:
        """Whether the calling code runs on the cluster's event loop."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    @property
    def asynchronous(self) -> bool:
        """Whether methods that wait return something to await."""
        return self._asynchronous or self.called_from_running_loop

    def sync(
        self,
        func: Callable[..., Any],
        *args: Any,
        asynchronous: bool | None = None,
        callback_timeout: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Run a coroutine function: its result, or in asynchronous clusters something to await."""
        if self.asynchronous if asynchronous is None else asynchronous:
            coroutine = func(*args, **kwargs)
            seconds = parse_seconds(callback_timeout)
            return coroutine if seconds is None else asyncio.wait_for(coroutine, seconds)
        return sync(self.loop, func, *args, callback_timeout=callback_timeout, **kwargs)

    # ------------------------------------------------------------ scheduler

    @property
    def scheduler_address(self) -> str:
        """Where the scheduler is reached."""
        scheduler = self.scheduler
        if scheduler is None or self.status in (Status.created, Status.starting):
            return "<not started>"
        return getattr(scheduler, "external_address", None) or scheduler.address

    @property
    def _scheduler(self) -> Any:
        """The scheduler's handle, if it runs in this process."""
        return getattr(self.scheduler, "_handle", None)

    def _ask(self) -> Any:
        """A connection to the scheduler, for questions."""
        if self._observer is None or self._observer.closed is not None:
            core = self.security.core("client")
            if self._scheduler is not None:
                self._observer = _core.ClusterClient.attach(self._scheduler, core)
            else:
                self._observer = _core.ClusterClient.connect(self.scheduler_address, core)
        return self._observer

    @property
    def scheduler_info(self) -> dict[str, Any]:
        """About the scheduler and its workers, as `Client.scheduler_info`."""
        if self.status != Status.running:
            return {"type": "Scheduler", "workers": {}}
        workers, tasks, clients = self._ask().info()
        return {
            "type": "Scheduler",
            "id": getattr(self.scheduler, "id", self.scheduler_address),
            "address": self.scheduler_address,
            "tasks": tasks,
            "clients": clients,
            "workers": {worker["address"]: worker for worker in workers},
        }

    @property
    def observed(self) -> set[Any]:
        """Names of the workers that are there."""
        return {worker["name"] for worker in self.scheduler_info["workers"].values()}

    @property
    def plan(self) -> set[Any]:
        """Names of the workers that there should be."""
        return self.observed

    @property
    def requested(self) -> set[Any]:
        """Names of the workers that have been asked for."""
        return self.observed

    @property
    def dashboard_link(self) -> str:
        """Where the dashboard is; empty where there is none."""
        return getattr(self.scheduler, "dashboard_link", None) or ""

    def get_client(self) -> Any:
        """A client of this cluster: the current one if it is of this cluster, else a new one."""
        from rask.distributed.client import Client, default_client

        with contextlib.suppress(ValueError):
            client = default_client()
            if client.cluster is self:
                return client
        return Client(self, asynchronous=self._asynchronous)

    def wait_for_workers(self, n_workers: int = 1, timeout: Any = None) -> Any:
        """Wait until there are at least this many workers.

        Raises
        ------
        TimeoutError
            When the time is up.
        """
        if not isinstance(n_workers, int) or n_workers < 1:
            raise ValueError(f"n_workers must be a positive integer, not {n_workers!r}")
        return self.sync(self._wait_for_workers, n_workers, parse_seconds(timeout))

    async def _wait_for_workers(self, n_workers: int, seconds: float | None) -> None:
        from rask.distributed.exceptions import WorkerStartTimeoutError

        deadline = None if seconds is None else time.monotonic() + seconds
        while (there := len(self.scheduler_info["workers"])) < n_workers:
            if deadline is not None and time.monotonic() > deadline:
                raise WorkerStartTimeoutError(there, n_workers, seconds or 0.0)
            await asyncio.sleep(_POLL_SECONDS)

    # -------------------------------------------------------------- scaling

    def scale(self, n: int) -> Any:
        """Have this many workers."""
        raise NotImplementedError(f"{type(self).__name__} does not scale")

    def adapt(self, Adaptive: Any = None, **kwargs: Any) -> Any:
        """Have as many workers as there is work for.

        Parameters
        ----------
        Adaptive : class, optional
            Default: `rask.distributed.Adaptive`, which takes the keyword arguments.
        minimum, maximum : int
            Workers.
        """
        if Adaptive is None:
            from rask.distributed.adaptive import Adaptive
        if self._adaptive is not None:
            self._adaptive.stop()
        self._adaptive_options.update(kwargs)
        self._adaptive = Adaptive(self, **self._adaptive_options)
        return self._adaptive

    # ----------------------------------------------------------------- logs

    def _log(self, log: str) -> None:
        """Keep a message for `get_logs`, and print it unless the cluster is quiet."""
        self._cluster_manager_logs.append((datetime.datetime.now(), log))
        if not self.quiet:
            print(log)

    def get_logs(self, cluster: bool = True, scheduler: bool = True, workers: Any = True) -> Any:
        """Messages of the cluster manager, the scheduler and the workers.

        Parameters
        ----------
        cluster, scheduler : bool
            Whether to have theirs.
        workers : bool or list of str
            Whose: all, none, or those of these addresses.

        Returns
        -------
        dict of str
        """
        return self.sync(self._get_logs, cluster, scheduler, workers)

    async def _get_logs(self, cluster: bool, scheduler: bool, workers: Any) -> dict[str, str]:
        logs: dict[str, str] = {}
        if cluster:
            logs["Cluster"] = "\n".join(line for _, line in self._cluster_manager_logs)
        if scheduler or workers:
            logs.update(await in_thread(self._remote_logs, scheduler, workers))
        return logs

    def _remote_logs(self, scheduler: bool, workers: Any) -> dict[str, str]:
        from rask.distributed.client import Client

        logs: dict[str, str] = {}
        with Client(self, set_as_default=False) as client:
            if scheduler:
                lines = client.get_scheduler_logs()
                logs["Scheduler"] = "\n".join(_text_of(line) for line in lines)
            if workers:
                named = None if workers is True else list(workers)
                for address, lines in client.get_worker_logs(workers=named).items():
                    logs[address] = "\n".join(_text_of(line) for line in lines)
        return logs

    # ----------------------------------------------------------------- life

    async def _close(self) -> None:
        self.status = Status.closed

    def close(self, timeout: Any = None) -> Any:
        """End what the cluster started."""
        if self.status == Status.closed:
            return _nothing() if self.asynchronous else None
        return self.sync(self._close, callback_timeout=timeout)

    def _close_observer(self) -> None:
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def __enter__(self) -> Any:
        if self._asynchronous:
            raise TypeError("an asynchronous cluster needs 'async with'")
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    async def __aexit__(self, *exception: Any) -> None:
        closing = self.close()
        if inspect.isawaitable(closing):
            await closing

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    # ----------------------------------------------------------------- looks

    def _totals(self) -> tuple[int, int, int]:
        workers = self.scheduler_info["workers"].values()
        threads = sum(worker["nthreads"] for worker in workers)
        return len(workers), threads, sum(worker["memory_limit"] for worker in workers)

    def __repr__(self) -> str:
        workers, threads, memory = self._totals()
        size = f", memory={_format_bytes(memory)}" if memory else ""
        return (
            f"{type(self).__name__}({self.name}, {self.scheduler_address!r}, workers={workers}, "
            f"threads={threads}{size})"
        )

    def _repr_html_(self) -> str:
        workers, threads, memory = self._totals()
        rows = {
            "Status": self.status.value,
            "Scheduler": self.scheduler_address,
            "Dashboard": self.dashboard_link or "none",
            "Workers": workers,
            "Threads": threads,
            "Memory": _format_bytes(memory) if memory else "no limit",
        }
        return show_table(f"{type(self).__name__}: {self.name}", rows)

    def _scaling_status(self) -> str:
        mode = "Adaptive" if self._adaptive is not None else "Manual"
        there, wanted = len(self.observed), len(self.plan)
        count = str(there) if there == wanted else f"{there} / {wanted}"
        return show_table("Scaling", {"Scaling mode": mode, "Workers": count})

    def _widget(self) -> Any:
        """A widget to scale the cluster with; None where ipywidgets is not installed."""
        try:
            import ipywidgets  # pyright: ignore[reportMissingImports]
        except ImportError:
            return None
        status = ipywidgets.HTML(self._repr_html_())
        scaling = ipywidgets.HTML(self._scaling_status())
        request = ipywidgets.IntText(len(self.plan), description="Workers")
        low = ipywidgets.IntText(0, description="Minimum")
        high = ipywidgets.IntText(0, description="Maximum")
        scale = ipywidgets.Button(description="Scale")
        adapt = ipywidgets.Button(description="Adapt")

        def show() -> None:
            status.value = self._repr_html_()
            scaling.value = self._scaling_status()

        def on_scale(_: Any) -> None:
            if self._adaptive is not None:
                self._adaptive.stop()
                self._adaptive = None
            self.scale(request.value)
            show()

        def on_adapt(_: Any) -> None:
            self.adapt(minimum=low.value, maximum=high.value)
            show()

        scale.on_click(on_scale)
        adapt.on_click(on_adapt)
        rows = [
            ipywidgets.HBox([request, scale]),
            ipywidgets.HBox([low, high, adapt]),
        ]
        tab = ipywidgets.Tab([status, ipywidgets.VBox([scaling, *rows])])
        tab.set_title(0, "Status")
        tab.set_title(1, "Scaling")
        return tab

    def _ipython_display_(self, **kwargs: Any) -> None:
        from IPython.core.display import HTML  # pyright: ignore[reportMissingImports]
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        display(self._widget() or HTML(self._repr_html_()))


async def _nothing() -> None:
    return None


def _text_of(line: Any) -> str:
    return line if isinstance(line, str) else str(line[-1])


def _format_bytes(count: int) -> str:
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("kiB", 2**10)):
        if count >= size * 0.9:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def show_table(title: str, rows: dict[str, Any]) -> str:
    cells = "".join(
        f"<tr><th style='text-align: left'>{html.escape(name)}</th>"
        f"<td style='text-align: left'>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<div><strong>{html.escape(title)}</strong><table>{cells}</table></div>"
