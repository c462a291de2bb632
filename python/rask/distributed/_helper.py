"""The helper process beside a scheduler: it runs what users want run there.

The scheduler itself never runs or unpickles code of users. The helper has no secret of the cluster,
limits on memory and open files, and a folder of its own; it may end at any time without harm to the
scheduler, which starts another when it is needed again.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import resource
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from rask import _core
from rask.distributed._calls import Service, takes_argument
from rask.distributed._plugin_table import PluginTable
from rask.distributed._preloading import load_preloads
from rask.distributed.active_memory_manager import ActiveMemoryManagerExtension

__all__ = ["SchedulerView", "main"]

logger = logging.getLogger("rask.distributed.helper")

#: Bytes that the process may have of its own (``RASK_HELPER_MEMORY`` sets another limit).
MEMORY_BYTES_MAX = 4 * 2**30
OPEN_FILES_MAX = 256
_NICE = 5
_PR_SET_NO_NEW_PRIVS = 38


def limit_process() -> None:
    """Give up what is not needed: before any code of users runs."""
    os.setsid()
    memory = int(os.environ.pop("RASK_HELPER_MEMORY", MEMORY_BYTES_MAX))
    for what, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


class WorkerView:
    """What the scheduler knew of a worker: everything of `Client.scheduler_info`, as attributes."""

    if TYPE_CHECKING:
        number: int
        paused: bool
        memory: int
        managed_bytes: int
        unmanaged_bytes: int
        spilled_bytes: int

    def __init__(self, known: dict[str, Any]) -> None:
        self.__dict__.update(known)
        self.identity = dict(known)
        self.processing: set[TaskView] = set()
        self.has_what: set[TaskView] = set()

    def __repr__(self) -> str:
        return f"<WorkerView {self.identity['address']!r}, name: {self.identity['name']}>"


class TaskView:
    """What the scheduler knew of a task.

    Attributes
    ----------
    key : str or tuple
    block : tuple of str and int
        Name of its layer, and number there.
    state : str
        ``"released"``, ``"waiting"``, ``"queued"``, ``"processing"``, ``"memory"`` or ``"erred"``.
    nbytes : int
    who_has : set of WorkerView
    processing_on : WorkerView or None
    who_wants : set of str
        Numbers of clients.
    """

    def __init__(
        self, block: tuple[str, int], numbered: bool, state: str, nbytes: int, wanted_by: list[int]
    ) -> None:
        self.block = block
        self.key = block if numbered else block[0]
        self.state = state
        self.nbytes = nbytes
        self.who_wants = {str(client) for client in wanted_by}
        self.who_has: set[WorkerView] = set()
        self.processing_on: WorkerView | None = None

    def __repr__(self) -> str:
        return f"<TaskView {self.key!r} {self.state}>"


class SchedulerView:
    """The scheduler's state, read-only. Every attribute is fetched when it is read.

    Attributes
    ----------
    address : str
    workers : dict
        `WorkerView` by address.
    tasks : dict
        `TaskView` by key.
    clients : list of str
    plugins : dict
        Those of this process, by name.
    extensions : dict
        ``"amm"``: what runs policies about copies of values, an `ActiveMemoryManagerExtension`.
    local_directory : str
        The helper's folder.
    """

    def __init__(self, link: Any, host: Helper) -> None:
        self._link = link
        self._host = host
        self._lock = threading.Lock()
        self.local_directory = os.getcwd()

    def _state(self, with_tasks: bool) -> dict[str, Any]:
        with self._lock:
            return self._link.state(with_tasks)

    @property
    def plugins(self) -> dict[str, Any]:
        """Plugins of this process, by name."""
        return dict(self._host.plugins)

    @property
    def extensions(self) -> dict[str, Any]:
        """What runs policies."""
        return {"amm": self._host.memory_manager}

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return self._state(False)["address"]

    @property
    def id(self) -> str:
        """The scheduler's address."""
        return self.address

    @property
    def clients(self) -> list[str]:
        """Numbers of the connected clients."""
        return [str(client) for client in self._state(False)["clients"]]

    @property
    def workers(self) -> dict[str, WorkerView]:
        """What is known of each worker, by address."""
        return {known["address"]: WorkerView(known) for known in self._state(False)["workers"]}

    @property
    def tasks(self) -> dict[Any, TaskView]:
        """What is known of each task, by key."""
        return self.snapshot()[1]

    @property
    def total_nthreads(self) -> int:
        """Threads of all workers."""
        return sum(known["nthreads"] for known in self._state(False)["workers"])

    def snapshot(self) -> tuple[dict[str, WorkerView], dict[Any, TaskView]]:
        """Workers and tasks at one moment, which refer to each other."""
        state = self._state(True)
        numbers = {known["number"]: WorkerView(known) for known in state["workers"]}
        tasks: dict[Any, TaskView] = {}
        for name, block, numbered, kind, nbytes, workers, wanted_by in state["tasks"]:
            task = TaskView((name, block), numbered, kind, nbytes, wanted_by)
            tasks[task.key] = task
            there = {numbers[number] for number in workers if number in numbers}
            if kind == "memory":
                task.who_has = there
                for worker in there:
                    worker.has_what.add(task)
            elif kind == "processing":
                task.processing_on = next(iter(there), None)
                for worker in there:
                    worker.processing.add(task)
        return {worker.identity["address"]: worker for worker in numbers.values()}, tasks

    def identity(self) -> dict[str, Any]:
        """About the scheduler and its workers, as `Client.scheduler_info`."""
        state = self._state(False)
        return {
            "type": "Scheduler",
            "id": state["address"],
            "address": state["address"],
            "tasks": state["task_count"],
            "clients": len(state["clients"]),
            "workers": {known["address"]: known for known in state["workers"]},
        }

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"the view of the scheduler has no {name!r}: functions and plugins run beside the "
            "scheduler and see address, id, clients, workers, tasks, identity(), snapshot(), plugins, "
            "extensions and local_directory"
        )


class Helper(Service):
    """Answers calls and passes events on to plugins, in their order."""

    def __init__(self, link: Any, replica_interval: float) -> None:
        self.link = link
        self.view = SchedulerView(link, self)
        self.memory_manager = ActiveMemoryManagerExtension(
            self.view, link, interval=replica_interval
        )
        self._plugins = PluginTable(
            lambda plugin: plugin.start(self.view),
            lambda plugin: plugin.close(),
            self._wait,
            lambda: link.watch(bool(self._watching())),
        )
        self.closed = threading.Event()
        handlers = {
            "run": lambda _, body: self._run(*body),
            "plugin-add": lambda _, body: self._plugins.add(body[0], body[2], body[1]),
            "plugin-remove": lambda _, name: self._plugins.remove(name),
        }
        super().__init__("rask-helper", link, handlers)

    def _serve(self) -> None:
        try:
            super()._serve()
        finally:
            self._close()

    def _on_event(self, event: Any) -> None:
        if event == "close":
            self._close()
        elif isinstance(event, dict) and event["kind"] == "memory_manager":
            getattr(self.memory_manager, event["name"])()
        elif isinstance(event, dict):
            for name, plugin in self._watching():
                try:
                    self._wait(self._tell(plugin, event))
                except Exception:
                    logger.exception("plugin %s raised at %s", name, event["kind"])
        else:
            self._answer(event)

    @property
    def plugins(self) -> dict[str, Any]:
        """Plugins by name."""
        return self._plugins.plugins

    def _watching(self) -> list[tuple[str, Any]]:
        """The plugins that are told events."""
        return [
            (name, plugin)
            for name, plugin in self.plugins.items()
            if getattr(plugin, "watches", True)
        ]

    def _run(self, function: Any, args: Any, kwargs: Any) -> Any:
        if takes_argument(function, "dask_scheduler"):
            kwargs.setdefault("dask_scheduler", self.view)
        return self.run_function(function, args, kwargs)

    def _wait(self, outcome: Any) -> Any:
        if inspect.isawaitable(outcome):

            async def finish() -> Any:
                return await outcome

            return asyncio.run_coroutine_threadsafe(finish(), self.loop).result()
        return outcome

    def _close(self) -> None:
        if self.closed.is_set():
            return
        for name, plugin in list(self.plugins.items()):
            try:
                self._wait(plugin.before_close())
            except Exception:
                logger.exception("plugin %s raised before it was closed", name)
        self._plugins.clear()
        self.closed.set()

    def _tell(self, plugin: Any, event: dict[str, Any]) -> Any:
        kind, name = event["kind"], event["name"]
        if kind == "transition":
            key = (name, event["block"]) if event["numbered"] else name
            extra = {"worker": event["worker"]} if event["worker"] else {}
            if event["finish"] == "memory":
                extra |= {"nbytes": event["nbytes"], "seconds": event["seconds"]}
            return plugin.transition(key, event["start"], event["finish"], stimulus_id="", **extra)
        if kind == "update_graph":
            names = event["names"]
            # Whether a layer has one block without a number is not known yet: names stand for all.
            wanted = {names[at] for at, _ in event["wanted"] if at < len(names)}
            return plugin.update_graph(
                self.view,
                client=name,
                keys=wanted,
                tasks=names,
                annotations={},
                priority={},
                stimulus_id="",
            )
        if kind == "log_event":
            for topic in event["names"]:
                plugin.log_event(topic, event["value"])
            return None
        if kind == "remove_worker":
            return plugin.remove_worker(self.view, name, stimulus_id="")
        if kind == "restart":
            return plugin.restart(self.view)
        if kind == "lost":
            logger.warning(
                "%d events came too fast for the plugins and were left out", event["block"]
            )
            return None
        return getattr(plugin, kind)(self.view, name)


def _arguments() -> Any:
    import argparse

    parser = argparse.ArgumentParser(prog="python -m rask.distributed._helper")
    parser.add_argument("--preload", action="append", default=[])
    parser.add_argument("--replica-interval", type=float, default=2.0)
    return parser.parse_args()


def main() -> None:
    """Serve the scheduler whose pipes are standard input and output, until it ends."""
    arguments = _arguments()
    folder = tempfile.TemporaryDirectory(prefix="rask-helper-", ignore_cleanup_errors=True)
    # What users print goes to standard error, and nobody reads from standard input.
    source, target = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.chdir(folder.name)
    os.environ["HOME"] = os.environ["TMPDIR"] = folder.name
    limit_process()
    link = _core.HelperLink(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}")
    os.close(source)
    os.close(target)
    helper = Helper(link, arguments.replica_interval)
    preloads = load_preloads(helper.view, arguments.preload, [], helper._wait)
    preloads.start()
    helper.begin()
    helper.closed.wait()
    preloads.teardown()
    sys.stderr.flush()
    folder.cleanup()
    # Threads may still be inside code of users: nothing would be gained by waiting for them.
    os._exit(0)


if __name__ == "__main__":
    # As the module that others import: there must be one of each class.
    from rask.distributed._helper import main as run_main

    run_main()
