"""Collections that clients compute and persist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core
from rask.distributed._submission import is_collection, options_of
from rask.distributed._task_options import refuse_actors
from rask.distributed._timing import take_timing, with_timing
from rask.distributed.progressbar import watched

__all__ = ["CollectionMethods"]


class CollectionMethods:
    """Part of `Client`."""

    _core: Any
    _check_running: Callable[[], None]
    _as_submitter: Callable[[dict[str, Any] | None], dict[str, Any] | None]
    submit: Any
    gather: Any

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
        options = self._as_submitter(with_timing(options, take_timing(None, kwargs)))
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
        common = {name: value for name, value in (options or {}).items() if name != "submitted_by"}
        return self.submit(finish, list(blocks), pure=False, **common)

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
        options = self._as_submitter(with_timing(options, take_timing(None, kwargs)))
        persisted = []
        for item in items:
            plan, _ = type(item)._rask_lower([item], optimize_graph)
            persisted.append(item._rask_rebuild(self._core.persist_plan(plan, options)))
        return persisted[0] if single else persisted

    def normalize_collection(self, collection: Any) -> Any:
        """The collection itself.

        Layers have names that follow from what they compute, and the scheduler finds results that
        are there by these names: nothing need be put in by the client.
        """
        return collection

    def _rask_compute(self, plan: Any, **kwargs: Any) -> list[Any]:
        self._check_running()
        futures = self._core.submit_plan(self, plan, self._plan_options(kwargs))
        with watched(futures):
            return self._core.gather(futures, False)[1]

    def _rask_persist(self, plan: Any, **kwargs: Any) -> Any:
        self._check_running()
        return self._core.persist_plan(plan, self._plan_options(kwargs))

    def _plan_options(self, kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """Options of a submission from the arguments of ``compute`` or ``persist``."""
        options = options_of(
            kwargs.get("priority", 0),
            kwargs.get("retries"),
            kwargs.get("workers"),
            kwargs.get("allow_other_workers", False),
            kwargs.get("resources"),
        )
        return self._as_submitter(with_timing(options, take_timing(None, dict(kwargs))))

    def get(self, dsk: Any, keys: Any, **kwargs: Any) -> Any:
        """Compute keys of a plain task graph; parameters as `rask.threaded.get`."""
        plan = _core.compile_graph(dict(dsk), keys)
        return _core.nest_values(keys, list(self._rask_compute(plan, **kwargs)))
