"""The plugins of a process: a worker's, a nanny's, or those beside the scheduler."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["PluginTable"]

logger = logging.getLogger("rask.distributed.plugins")


class PluginTable:
    """Sets plugins up and tears them down.

    Parameters
    ----------
    set_up, tear_down : callable
        What is called of a plugin when it comes, and when it goes.
    wait : callable
        Waits for an awaitable that these give back.
    on_change : callable, optional
        Called when a plugin has come or gone.

    Attributes
    ----------
    plugins : dict
        By name.
    """

    def __init__(
        self,
        set_up: Callable[[Any], Any],
        tear_down: Callable[[Any], Any],
        wait: Callable[[Any], Any],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.plugins: dict[str, Any] = {}
        self._set_up = set_up
        self._tear_down = tear_down
        self._wait = wait
        self._on_change = on_change
        #: Of registrations, so that a plugin that comes twice is set up once.
        self._serials: dict[str, str] = {}
        self._lock = threading.RLock()

    def add(self, name: str, plugin: Any, serial: str = "") -> None:
        """Set a plugin up, in the place of one of the same name; what it raises is raised."""
        with self._lock:
            if serial and self._serials.get(name) == serial:
                return
            if name in self.plugins:
                self.try_remove(name)
            self.plugins[name] = plugin
            self._serials[name] = serial
            try:
                self._finish(self._set_up(plugin))
            except BaseException:
                # It may be tried again, as the same registration.
                del self.plugins[name], self._serials[name]
                raise
            self._on_change()

    def try_add(self, name: str, plugin: Any, serial: str = "") -> None:
        """As `add`; what the plugin raises is logged."""
        try:
            self.add(name, plugin, serial)
        except Exception:
            logger.exception("plugin %s could not be set up", name)

    def remove(self, name: str) -> None:
        """Tear a plugin down, if there is one; what it raises is raised."""
        with self._lock:
            plugin = self.plugins.pop(name, None)
            self._serials.pop(name, None)
            try:
                if plugin is not None:
                    self._finish(self._tear_down(plugin))
            finally:
                self._on_change()

    def try_remove(self, name: str) -> None:
        """As `remove`; what the plugin raises is logged."""
        try:
            self.remove(name)
        except Exception:
            logger.exception("plugin %s could not be torn down", name)

    def clear(self) -> None:
        """Tear all down."""
        for name in list(self.plugins):
            self.try_remove(name)

    def _finish(self, outcome: Any) -> None:
        if inspect.isawaitable(outcome):
            self._wait(outcome)


def call_if_there(plugin: Any, method: str, **kwargs: Any) -> Any:
    """Call a plugin's method, unless it has none: plugins need not inherit."""
    found = getattr(plugin, method, None)
    return None if found is None else found(**kwargs)
