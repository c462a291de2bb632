"""Modules that a scheduler, worker or nanny loads when it starts."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

__all__ = ["Preload", "import_file", "load_preloads"]

logger = logging.getLogger("rask.distributed.preloading")

_URL_SECONDS = 30.0
#: Workers of one process may import at the same time.
_import_lock = threading.RLock()


def import_file(path: str) -> list[ModuleType]:
    """Import a ``.py`` file, or the modules of an ``.egg``, ``.zip`` or ``.pyz`` archive.

    A module that was imported before is imported anew.

    Parameters
    ----------
    path : str

    Returns
    -------
    list of module
    """
    folder, filename = os.path.split(os.path.abspath(path))
    stem, extension = os.path.splitext(filename)
    names: list[str] = []
    place = None
    if extension in (".py", ".pyc"):
        place = folder
        names.append(stem)
    elif extension in (".egg", ".zip", ".pyz"):
        place = os.path.abspath(path)
        names.extend(_names_in(place))
    else:
        raise ValueError(f"cannot import {filename!r}: its name ends in none of .py .egg .zip .pyz")
    if place not in sys.path:
        sys.path.insert(0, place)
    with _import_lock:
        importlib.invalidate_caches()
        sys.path_importer_cache.pop(place, None)
        return [_import_anew(name) for name in names]


def _import_anew(name: str) -> ModuleType:
    for known in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        del sys.modules[known]
    return importlib.import_module(name)


def _names_in(archive: str) -> list[str]:
    """Importable names at the top of an archive."""
    import zipfile

    names: set[str] = set()
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.namelist():
            parts = entry.split("/")
            if len(parts) == 2 and parts[1] == "__init__.py":
                names.add(parts[0])
            elif len(parts) == 1 and parts[0].endswith(".py") and parts[0] != "__main__.py":
                names.add(parts[0].removesuffix(".py"))
    return sorted(names)


def _load(name: str) -> ModuleType:
    if name.startswith(("http://", "https://")):
        import urllib.request

        with urllib.request.urlopen(name, timeout=_URL_SECONDS) as response:
            return _from_text(response.read().decode(), name)
    if name.endswith(".py"):
        return import_file(name)[0]
    if " " in name or "\n" in name:
        return _from_text(name, "<preload>")
    return importlib.import_module(name)


def _from_text(text: str, origin: str) -> ModuleType:
    module = ModuleType(origin)
    exec(compile(text, origin, "exec"), module.__dict__)
    return module


class Preload:
    """One module, with its ``dask_setup`` and ``dask_teardown`` (or ``rask_setup`` and
    ``rask_teardown``), which are called with the scheduler, worker or nanny."""

    def __init__(self, node: Any, name: str, arguments: Iterable[str], run: Callable[[Any], Any]):
        self.node = node
        self.name = name
        self.arguments = list(arguments)
        self._run = run
        self.module = _load(name)

    def start(self) -> None:
        """Call the module's setup; a click command gets the arguments."""
        setup = self._find("setup")
        if setup is None:
            return
        if hasattr(setup, "make_context") and hasattr(setup, "callback"):
            context = setup.make_context("setup", self.arguments, allow_extra_args=False)
            self._finish(setup.callback(self.node, *context.args, **context.params))
        else:
            self._finish(setup(self.node))

    def teardown(self) -> None:
        """Call the module's teardown."""
        teardown = self._find("teardown")
        if teardown is not None:
            self._finish(teardown(self.node))

    def _find(self, what: str) -> Any:
        return getattr(self.module, f"rask_{what}", None) or getattr(
            self.module, f"dask_{what}", None
        )

    def _finish(self, outcome: Any) -> None:
        if inspect.isawaitable(outcome):
            self._run(outcome)


class Preloads(list[Preload]):
    """The preloads of one node, in their order."""

    def start(self) -> None:
        """Set up all; one that fails is logged."""
        for preload in self:
            try:
                preload.start()
            except Exception:
                logger.exception("preload %s failed", preload.name)

    def teardown(self) -> None:
        """Tear down all, the last first; one that fails is logged."""
        for preload in reversed(self):
            try:
                preload.teardown()
            except Exception:
                logger.exception("the teardown of preload %s failed", preload.name)


def load_preloads(
    node: Any,
    names: str | Sequence[str] | None,
    arguments: Sequence[Any] | None,
    run: Callable[[Any], Any],
) -> Preloads:
    """Import preloads.

    Parameters
    ----------
    node : object
        What their functions are called with.
    names : str or list of str, optional
        Modules, paths of files, web addresses, or Python source.
    arguments : list of str or list of list of str, optional
        For setups that are click commands: the same for all, or one list each.
    run : callable
        Waits for an awaitable.

    Raises
    ------
    ValueError
        If there are several lists of arguments, and not one for each name.
    """
    names = [names] if isinstance(names, str) else list(names or [])
    given = list(arguments or [])
    same = not given or isinstance(given[0], str)
    lists = [given] * len(names) if same else given
    if len(lists) != len(names):
        raise ValueError(f"{len(names)} preloads and {len(lists)} lists of arguments")
    return Preloads(Preload(node, name, own, run) for name, own in zip(names, lists, strict=True))
