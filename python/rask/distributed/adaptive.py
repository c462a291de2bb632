"""As many workers as there is work for."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import time
from typing import Any

from rask import _core
from rask.distributed._utils import parse_seconds

__all__ = ["Adaptive"]

logger = logging.getLogger("rask.distributed.adaptive")

#: Share of the workers' memory that values may take before there should be more workers.
_MEMORY_SHARE_MAX = 0.6
#: How long a worker is thought to take to start, before one has.
_START_SECONDS = 1.0


class Adaptive:
    """Scales a cluster by what there is to do.

    It adds workers while the queued work would keep the present ones busy for longer than
    ``target_duration`` (and longer than a worker takes to start, as measured), and while values
    need more memory than there is. It lets those go that have had nothing to do for some time; what
    only they hold is moved to others first.

    Parameters
    ----------
    cluster : Cluster
    interval : float or str
        Between looks.
    minimum, maximum : int
        Workers.
    wait_count : int
        How many looks in a row must find a worker superfluous before it is let go.
    target_duration : float or str
        How long the work that there is should take.
    worker_key : callable, optional
        Of what is known of a worker: workers of one group are let go together, or not at all.

    Examples
    --------
    >>> from rask.distributed import Client, LocalCluster
    >>> with LocalCluster(n_workers=0, processes=False) as cluster, Client(cluster) as client:
    ...     _ = cluster.adapt(minimum=0, maximum=2, interval="50ms")
    ...     client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        cluster: Any = None,
        interval: Any = "1s",
        minimum: int = 0,
        maximum: float = math.inf,
        wait_count: int = 3,
        target_duration: Any = "5s",
        worker_key: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise TypeError(f"Adaptive has no arguments named {', '.join(sorted(kwargs))}")
        if minimum > maximum:
            raise ValueError(f"minimum={minimum} is more than maximum={maximum}")
        self.cluster = cluster
        self.interval = parse_seconds(interval) or 1.0
        self.minimum = minimum
        self.maximum = maximum
        self.wait_count = wait_count
        self.target_duration = parse_seconds(target_duration) or 5.0
        self.worker_key = worker_key
        self.close_counts: dict[Any, int] = {}
        self.log: list[tuple[float, dict[str, Any]]] = []
        self._start_seconds = _START_SECONDS
        self._asked: dict[Any, float] = {}
        self._task: Any = None
        self._stopped = False
        self.loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if not self._stopped:
            self._task = self.loop.create_task(self._run())

    async def _run(self) -> None:
        while not self._stopped:
            try:
                await self.adapt()
            except (OSError, TimeoutError) as error:
                logger.warning("the cluster could not be adapted: %s", error)
            except Exception:
                logger.exception("the cluster could not be adapted")
            await asyncio.sleep(self.interval)

    def stop(self) -> None:
        """Leave the cluster as it is from now on."""
        self._stopped = True
        task = self._task
        if task is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(task.cancel)

    # --------------------------------------------------------------- cluster

    @property
    def loop(self) -> Any:
        """The cluster's event loop."""
        return self.cluster.loop

    @property
    def scheduler(self) -> Any:
        """The cluster's scheduler."""
        return self.cluster.scheduler

    @property
    def plan(self) -> set[Any]:
        """Names of the workers that there should be."""
        return self.cluster.plan

    @property
    def requested(self) -> set[Any]:
        """Names of the workers that have been asked for."""
        return self.cluster.requested

    @property
    def observed(self) -> set[Any]:
        """Names of the workers that are there."""
        return self.cluster.observed

    def _workers(self) -> list[dict[str, Any]]:
        return list(self.cluster.scheduler_info["workers"].values())

    # -------------------------------------------------------------- decisions

    async def target(self) -> int:
        """How many workers there should be, limits aside. Subclasses may decide otherwise."""
        pending, ready, seconds = _core.Runtime(self.cluster._ask()).load()
        workers = self._workers()
        return decide_target(
            pending, ready, seconds, workers, self.target_duration, self._start_seconds
        )

    async def safe_target(self) -> int:
        """`target` between `minimum` and `maximum`."""
        wanted = self.target()
        count = await wanted if inspect.isawaitable(wanted) else wanted
        return int(min(self.maximum, max(self.minimum, count)))

    async def workers_to_close(self, target: int) -> list[Any]:
        """Names of the workers that may be let go so that `target` are left: those without tasks,
        the emptiest first."""
        excess = len(self.plan) - target
        names = {str(name): name for name in self.plan}
        idle = [worker for worker in self._workers() if worker["processing"] == 0]
        idle.sort(key=lambda worker: worker["nbytes"])
        if self.worker_key is None:
            return [names.get(str(worker["name"]), worker["name"]) for worker in idle[:excess]]
        groups: dict[Any, list[Any]] = {}
        for worker in self._workers():
            groups.setdefault(self.worker_key(worker), []).append(worker)
        chosen: list[Any] = []
        for members in groups.values():
            is_idle = all(worker["processing"] == 0 for worker in members)
            if is_idle and len(chosen) + len(members) <= excess:
                chosen += [names.get(str(worker["name"]), worker["name"]) for worker in members]
        return chosen

    async def recommendations(self, target: int) -> dict[str, Any]:
        """What to do for `target` workers: ``{"status": "same"}``, ``{"status": "up", "n": …}`` or
        ``{"status": "down", "workers": […]}``."""
        plan, requested, observed = self.plan, self.requested, self.observed
        if target == len(plan):
            self.close_counts.clear()
            return {"status": "same"}
        if target > len(plan):
            self.close_counts.clear()
            return {"status": "up", "n": target}
        absent = sorted(map(str, (requested | plan) - observed))
        names = {str(name): name for name in plan}
        closing = [names[name] for name in absent if name in names][: len(plan) - target]
        if target < len(plan) - len(closing):
            closing += await self.workers_to_close(target + len(closing))
        counts = {name: self.close_counts.get(name, 0) + 1 for name in closing}
        ripe = [name for name, count in counts.items() if count >= self.wait_count]
        self.close_counts = {name: count for name, count in counts.items() if name not in ripe}
        return {"status": "down", "workers": ripe} if ripe else {"status": "same"}

    async def adapt(self) -> None:
        """Look once, and do what follows."""
        if self.cluster.status != "running":
            return
        self._learn_start()
        target = await self.safe_target()
        advice = await self.recommendations(target)
        status = advice.pop("status")
        if status == "same":
            return
        self.log.append((time.time(), {"status": status, **advice}))
        del self.log[:-100]
        if status == "up":
            await self.scale_up(**advice)
        else:
            await self.scale_down(**advice)

    def _learn_start(self) -> None:
        """How long the workers took to come that were asked for."""
        now = time.monotonic()
        for name in self.observed & set(self._asked):
            took = now - self._asked.pop(name)
            self._start_seconds += (took - self._start_seconds) / 4
        for name in self.plan - self.observed:
            self._asked.setdefault(name, now)

    async def scale_up(self, n: int) -> None:
        """Have `n` workers."""
        await _finish(self.cluster.scale(n))
        self._learn_start()

    async def scale_down(self, workers: list[Any]) -> None:
        """Let workers go, by name."""
        await _finish(self.cluster.scale_down(workers))


def decide_target(
    pending: int,
    ready: int,
    seconds: float,
    workers: list[dict[str, Any]],
    target_duration: float,
    start_seconds: float,
) -> int:
    """How many workers the work needs.

    Parameters
    ----------
    pending, ready : int
        Tasks to be run, and those of them that could run at once.
    seconds : float
        What all of them are thought to take on one thread.
    workers : list of dict
        What is known of the workers that are there.
    target_duration : float
        Seconds that the work should take.
    start_seconds : float
        How long a further worker would take to start.
    """
    count = len(workers)
    threads = sum(worker["nthreads"] for worker in workers)
    limit = sum(worker["memory_limit"] for worker in workers)
    held = sum(worker["nbytes"] for worker in workers)
    needed_for_memory = math.ceil(count * held / (limit * _MEMORY_SHARE_MAX)) if limit else 0
    if pending == 0:
        return needed_for_memory
    if count == 0:
        return max(1, min(ready, math.ceil(seconds / target_duration)))
    each = max(1.0, threads / count)
    cores = min(max(ready, 1), math.ceil(seconds / target_duration))
    target = max(1, math.ceil(cores / each), needed_for_memory)
    busy = sum(1 for worker in workers if worker["processing"] > 0)
    if target > count and seconds / max(1, threads) <= start_seconds:
        # The work ends before another worker could begin.
        return max(count, needed_for_memory)
    return max(target, min(busy, count))


async def _finish(outcome: Any) -> None:
    if inspect.isawaitable(outcome):
        await outcome
