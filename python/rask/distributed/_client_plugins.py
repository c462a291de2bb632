"""Plugins that clients give to workers, nannies and the scheduler's helper."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from rask import _core

__all__ = ["PluginMethods"]


class PluginMethods:
    """Part of `Client`."""

    _core: Any
    _either: Any
    _runtime: Any
    _targets: Any
    _ask_all: Any

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


def _nothing(client: Any) -> None:
    return None
