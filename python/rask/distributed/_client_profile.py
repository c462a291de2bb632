"""What a client asks of profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core

__all__ = ["ProfileMethods"]


class ProfileMethods:
    """Methods of `Client`."""

    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    _targets: Callable[..., dict[str, str]]
    _ask_all: Callable[..., dict[str, Any]]

    def profile(
        self,
        key: str | None = None,
        start: Any = None,
        stop: Any = None,
        workers: Any = None,
        merge_workers: bool = True,
        plot: bool | str = False,
        filename: str | None = None,
        server: bool = False,
        scheduler: bool = False,
    ) -> Any:
        """Where tasks have spent their time.

        Workers look every 10 ms at the threads that run tasks. Told are the calls of Python; tasks
        that run outside of it appear by the name of their operation. Coroutines and tasks in other
        executors are not seen.

        Parameters
        ----------
        key : str, optional
            Only tasks of this operation: mostly a function's name, as in ``"inc"``.
        start, stop : float or str, optional
            Only what was seen between these: seconds since the epoch, or how long ago (``"5 min"``).
            To within a second.
        workers : str or list of str, optional
            Only these workers; default: all.
        merge_workers : bool
            Whether to add up all workers; otherwise they are told by address.
        plot : bool or "save"
            Whether to draw it: ``"save"`` writes `filename`.
        filename : str, optional
            Where to write a page that needs no network; with ``plot="save"`` it is
            ``"rask-profile.html"`` unless given.

        Returns
        -------
        dict
            A tree of calls: ``"identifier"``, ``"description"`` (``"filename"``, ``"name"``,
            ``"line_number"`` and ``"line"``), ``"count"`` of times seen, and ``"children"`` by
            identifier; with ``merge_workers=False`` a dict of these by address of worker. With
            `plot` or `filename`: the tree and the page as text.

        Raises
        ------
        NotImplementedError
            With `server` or `scheduler`: what workers do besides tasks, and all that the scheduler
            does, runs in threads of which Python knows nothing.
        ValueError
            For workers that are not there.

        Examples
        --------
        >>> import time
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.submit(time.sleep, 0.3).result()
        ...     seen = client.profile()
        >>> seen["count"] > 0
        True
        """
        if server or scheduler:
            raise NotImplementedError(
                "only tasks are profiled: what workers do besides (server=True) and the scheduler "
                "(scheduler=True) run in native threads, whose calls Python does not know"
            )
        self._check_running()
        page = filename or ("rask-profile.html" if plot == "save" else None)
        return self._either(
            self._profile, (key, start, stop), workers, merge_workers, bool(plot), page
        )

    def _profile(
        self,
        what: tuple[Any, Any, Any],
        workers: Any,
        merge_workers: bool,
        plot: bool = False,
        filename: str | None = None,
    ) -> Any:
        from rask.distributed._client_diagnostics import _moment
        from rask.distributed._flame import profile_page
        from rask.distributed._profile import merge

        key, start, stop = what
        payload = _core.Payload((_moment(start), _moment(stop), key))
        # Of a worker that leaves meanwhile nothing is told; one that cannot answer says why.
        answers = self._ask_all(self._targets(workers, False), "profile", "", payload, "return")
        trees = {}
        for address, answer in answers.items():
            if isinstance(answer, ConnectionError):
                continue
            if isinstance(answer, BaseException):
                raise answer
            trees[address] = answer
        together = merge(*trees.values())
        found = together if merge_workers else trees
        if not plot and filename is None:
            return found
        page = profile_page(together)
        if filename is not None:
            with open(filename, "w", encoding="utf-8") as file:
                file.write(page)
        return found, page
