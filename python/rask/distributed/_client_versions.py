"""What scheduler, workers and client run on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from rask import _core

__all__ = ["VersionMethods"]


class VersionMethods:
    """Part of `Client`."""

    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    _targets: Callable[..., dict[str, str]]
    _ask_all: Callable[..., dict[str, Any]]
    _events: Any
    _inspector: Any

    def get_versions(self, check: bool = False, packages: Any = None) -> Any:
        """Versions of what scheduler, workers and client run on.

        Parameters
        ----------
        check : bool
            Whether to warn of differences.
        packages : list of str, optional
            Further packages. The scheduler runs no Python of its own, and knows of none.

        Returns
        -------
        dict
            ``"scheduler"``, ``"client"``, and ``"workers"`` by address: each with ``"host"`` and
            ``"packages"``.

        Warns
        -----
        VersionMismatchWarning
            With `check`: a table of what differs.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     versions = client.get_versions(check=True)
        >>> sorted(versions)
        ['client', 'scheduler', 'workers']
        """
        from rask.distributed._versions import VersionMismatchWarning, error_message

        self._check_running()
        extra = list(packages or [])

        def versions() -> dict[str, Any]:
            found = self._versions_of(extra)
            message = error_message(found["scheduler"], found["workers"], found["client"])
            if check and message:
                warnings.warn(message, VersionMismatchWarning, stacklevel=4)
            return found

        return self._either(versions)

    def _versions_of(self, packages: list[str]) -> dict[str, Any]:
        from rask.distributed._versions import get_versions, unpack_versions

        scheduler, _ = self._inspector.versions()
        payload = _core.Payload(packages)
        workers = self._ask_all(self._targets(None, False), "versions", "", payload, "ignore")
        return {
            "scheduler": unpack_versions(scheduler),
            "workers": workers,
            "client": get_versions(packages),
        }

    def _check_versions(self) -> None:
        """Warn if scheduler or workers run on something else than this client."""
        from rask.distributed._versions import VersionMismatchWarning, describe_mismatches

        if not self._events.is_known:
            return
        report = describe_mismatches(*self._inspector.versions())
        if report:
            warnings.warn(report, VersionMismatchWarning, stacklevel=4)

    def _on_versions(self, event: tuple[float, Any]) -> None:
        """Warn of a worker that joined later and runs on something else than this client."""
        from rask.distributed._versions import (
            VersionMismatchWarning,
            describe_mismatches,
            group_of_event,
        )

        group = group_of_event(event[1])
        report = "" if group is None else describe_mismatches([], [group])
        if report:
            warnings.warn(report, VersionMismatchWarning, stacklevel=1)
