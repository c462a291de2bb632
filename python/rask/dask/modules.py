"""Answering for the modules ``dask`` and ``distributed``."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

from rask.dask.places import Place, find_place, is_package, leave

# What Dask calls a module, where Rask's name is not the same below ``rask``.
COUNTERPARTS = {"dask": "rask", "distributed": "rask.distributed"}


def counterpart_of(name: str) -> str | None:
    """Rask's name for one of Dask's modules; None for a module that is not Dask's.

    Examples
    --------
    >>> counterpart_of("dask.array.linalg")
    'rask.array.linalg'
    >>> counterpart_of("numpy") is None
    True
    """
    root, _, rest = name.partition(".")
    if root not in COUNTERPARTS:
        return None
    return f"{COUNTERPARTS[root]}.{rest}" if rest else COUNTERPARTS[root]


class CounterpartFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads Rask's modules under Dask's names: the same module objects, not copies, but for
    those that have some of their names elsewhere."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        ours = counterpart_of(fullname)
        if ours is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package(ours))

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        ours = counterpart_of(spec.name)
        assert ours is not None
        place = find_place(ours)
        if place is not None:
            return place
        try:
            module = importlib.import_module(ours)
        except ModuleNotFoundError as error:
            if error.name is None or not ours.startswith(error.name):
                raise
            raise ModuleNotFoundError(
                f"Rask has no module {ours!r}, the counterpart of {spec.name!r}; this program "
                "needs Dask itself for it",
                name=spec.name,
            ) from None
        # The import system is about to give the module this spec; exec_module takes it back.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if isinstance(module, Place):
            return
        if spec is not None and spec.loader is self:
            module.__spec__ = spec.loader_state


FINDER = CounterpartFinder()


def install() -> None:
    """Make ``import dask`` and ``import distributed`` give Rask's modules in this process.

    Modules and names that Rask does not have raise ``ModuleNotFoundError``, ``ImportError`` or
    ``AttributeError`` with the missing name.

    Raises
    ------
    RuntimeError
        If Dask itself is imported already: its objects and Rask's would mix.

    Examples
    --------
    >>> import rask.dask
    >>> rask.dask.install()
    >>> import dask.array
    >>> dask.array.__name__
    'rask.array'
    >>> rask.dask.uninstall()
    """
    if FINDER in sys.meta_path:
        return
    present = [name for name in COUNTERPARTS if name in sys.modules]
    if present:
        raise RuntimeError(
            f"{' and '.join(present)} is imported already; call rask.dask.install() before the "
            "first import of Dask, or run the program with `python -m rask.dask`"
        )
    sys.meta_path.insert(0, FINDER)


def uninstall() -> None:
    """Undo :func:`install`: later imports of Dask give Dask itself."""
    if FINDER not in sys.meta_path:
        return
    sys.meta_path.remove(FINDER)
    for name in list(sys.modules):
        ours = counterpart_of(name)
        if ours is not None:
            del sys.modules[name]
            leave(ours)
