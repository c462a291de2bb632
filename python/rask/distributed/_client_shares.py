"""Whom work is counted for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core

__all__ = ["ShareMethods"]


class ShareMethods:
    """Part of `Client`."""

    _core: Any
    _either: Any
    _check_running: Callable[[], None]

    def shares(self) -> Any:
        """How the shares stand that clients of this scheduler are counted for.

        Clients made with the same ``share=`` are counted together, others each for itself. Of those
        that have something to run, the one is served next that was given least work for its weight.

        Returns
        -------
        dict of dict
            By name of the share: its ``weight``; whether it is this client's (``own``); how many
            ``clients`` it has; ``tasks`` known for it, of these ``ready`` to run and ``processing``;
            ``nbytes`` of values held for it, every copy counted; its quotas ``tasks_max`` and
            ``nbytes_max`` (None: no limit); tasks that have ``ended`` and the ``seconds`` they ran;
            and which quota it is ``held_back_by`` now (``"tasks"``, ``"memory"`` or None).

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1, share="team-a") as client:
        ...     client.submit(sum, [1, 2, 3]).result()
        ...     share = client.shares()["team-a"]
        ...     share["own"], share["weight"], share["ended"]
        6
        (True, 1.0, 1)
        """
        self._check_running()

        def ask() -> dict[str, dict[str, Any]]:
            found = _core.share_figures(self._core)
            return {share.pop("name"): share for share in found}

        return self._either(ask)
