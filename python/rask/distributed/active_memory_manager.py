"""What makes and drops copies of values: the scheduler's own rule, and policies of users.

The scheduler itself drops superfluous copies, while ``client.amm`` is on, and runs no code of users.
Their policies run in the helper process beside it: they look at its state every now and then and say
which copies they want made or dropped, and the scheduler does what does no harm. It never drops the
last copy of a value, nor one that a task needs where it is.
"""

from __future__ import annotations

import abc
import importlib
import logging
import threading
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rask.distributed._client_memory import ActiveMemoryManager
from rask.distributed.plugins import SchedulerPlugin

if TYPE_CHECKING:
    from rask.distributed._helper import SchedulerView, TaskView, WorkerView
    from rask.distributed._snapshot import Snapshot

__all__ = [
    "ActiveMemoryManager",
    "ActiveMemoryManagerExtension",
    "ActiveMemoryManagerPolicy",
    "ConfiguredPolicies",
    "ReduceReplicas",
    "RetireWorker",
    "Suggestion",
]

logger = logging.getLogger("rask.distributed.active_memory_manager")

#: What `ActiveMemoryManagerExtension` may compare workers by.
MEASURES = {
    "process": lambda worker: worker.memory,
    "managed": lambda worker: worker.managed_bytes,
    "unmanaged": lambda worker: worker.unmanaged_bytes,
    "spilled": lambda worker: worker.spilled_bytes,
    "optimistic": lambda worker: worker.managed_bytes + worker.unmanaged_bytes,
}


class Suggestion(NamedTuple):
    """A copy that is to be made or dropped.

    Attributes
    ----------
    op : {"replicate", "drop"}
    ts : TaskView
        Of the manager's ``scheduler``.
    candidates : set of WorkerView, optional
        Where, of all workers by default.
    """

    op: Literal["replicate", "drop"]
    ts: TaskView
    candidates: set[WorkerView] | None = None


class ActiveMemoryManagerPolicy(abc.ABC):
    """Says which copies of values are to be made or dropped: a class to inherit from.

    Named in the configuration's ``distributed.scheduler.active-memory-manager.policies``, as
    ``{"class": "module.Class", **arguments}``, or added by a function or plugin beside the scheduler
    with ``dask_scheduler.extensions["amm"].add_policy(policy)``.

    Attributes
    ----------
    manager : ActiveMemoryManagerExtension
        Set when the policy is added. Its ``scheduler`` is the scheduler's state at this moment, as
        long as `run` runs.
    """

    _manager: ActiveMemoryManagerExtension | None = None

    @property
    def manager(self) -> ActiveMemoryManagerExtension:
        """What runs this policy; RuntimeError before it was added."""
        if self._manager is None:
            raise RuntimeError(f"{self!r} has been added to no manager")
        return self._manager

    @manager.setter
    def manager(self, manager: ActiveMemoryManagerExtension) -> None:
        self._manager = manager

    @abc.abstractmethod
    def run(self) -> Generator[Any, WorkerView | None, None]:
        """Yield suggestions; each yield gives back which worker was chosen, or None.

        A suggestion is a `Suggestion`, or a tuple of its parts: ``("replicate", ts)``,
        ``("drop", ts, candidates)``.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ReduceReplicas(ActiveMemoryManagerPolicy):
    """Drops superfluous copies, so that one is left where no task needs more.

    The scheduler has a rule of its own that does this; in the configuration this class stands for
    that rule.
    """

    def run(self) -> Generator[Any, WorkerView | None, None]:
        """Suggest to drop all copies of each value but one."""
        for task in self.manager.scheduler.replicated_tasks:
            pending = self.manager.pending.get(task, (set(), set()))
            superfluous = len(task.who_has) - 1 - len(pending[1])
            for _ in range(superfluous):
                yield Suggestion("drop", task)


class RetireWorker(ActiveMemoryManagerPolicy):
    """Has what a worker holds copied to others, and dropped there then.

    `Client.retire_workers` does this in the scheduler, and has the worker leave; this is for
    policies that build on it.

    Parameters
    ----------
    address : str
        Of the worker.

    Attributes
    ----------
    no_recipients : bool
        Some value could go nowhere; the policy has been removed.
    """

    no_recipients: bool = False

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def address(self) -> str:
        """Of the worker."""
        return self._address

    def __repr__(self) -> str:
        return f"RetireWorker({self.address!r})"

    def run(self) -> Generator[Any, WorkerView | None, None]:
        """Suggest to drop what others hold too, and to copy the rest."""
        worker = self.manager.scheduler.workers.get(self.address)
        if worker is None:
            self.manager.policies.discard(self)
            return
        stuck = 0
        for task in worker.has_what:
            if len(task.who_has) > 1:
                yield Suggestion("drop", task, {worker})
                continue
            others = self.manager.scheduler.running - {worker}
            stuck += (yield Suggestion("replicate", task, others)) is None
        if stuck:
            self.no_recipients = True
            self.manager.policies.discard(self)
            logger.warning(
                "%d values of %s can go nowhere: no other worker takes any", stuck, self.address
            )
        elif not worker.has_what:
            self.manager.policies.discard(self)

    def done(self) -> bool:
        """Whether no value is there and nowhere else, or the worker is gone.

        Returns
        -------
        bool
        """
        worker = self.manager.look().workers.get(self.address)
        return worker is None or all(len(task.who_has) > 1 for task in worker.has_what)


class ActiveMemoryManagerExtension:
    """Runs policies in the helper process, again and again while it is on.

    Parameters
    ----------
    view : SchedulerView
    link : object with ``suggest(copies, drops)``
        The way to the scheduler.
    policies : iterable of ActiveMemoryManagerPolicy
    measure : {"optimistic", "process", "managed", "unmanaged", "spilled"}
        The bytes by which the emptiest or fullest worker is chosen.
    interval : float
        Seconds between looks.

    Attributes
    ----------
    policies : set of ActiveMemoryManagerPolicy
    scheduler : Snapshot
        The scheduler's state, while policies run.
    pending : dict
        While policies run: for each task the workers that are to hold it as well, and those that
        are to drop it.
    workers_memory : dict
        While policies run: bytes by worker, with what was suggested so far.
    """

    def __init__(
        self,
        view: SchedulerView,
        link: Any,
        policies: Iterable[ActiveMemoryManagerPolicy] = (),
        *,
        measure: str = "optimistic",
        interval: float = 2.0,
    ) -> None:
        self._view = view
        self._link = link
        self.measure = check_measure(measure)
        self.interval = interval
        self.policies: set[ActiveMemoryManagerPolicy] = set()
        self.scheduler: Snapshot
        self.pending: dict[TaskView, tuple[set[WorkerView], set[WorkerView]]] = {}
        self.workers_memory: dict[WorkerView, int] = {}
        self._running = threading.Lock()
        self._stop: threading.Event | None = None
        for policy in policies:
            self.add_policy(policy)

    def add_policy(self, policy: ActiveMemoryManagerPolicy) -> None:
        """Have a policy run with the others from now on."""
        if not isinstance(policy, ActiveMemoryManagerPolicy):
            raise TypeError(f"not an ActiveMemoryManagerPolicy: {policy!r}")
        self.policies.add(policy)
        policy.manager = self

    @property
    def running(self) -> bool:
        """Whether policies run again and again."""
        return self._stop is not None

    def start(self) -> None:
        """Run the policies now and every so many seconds."""
        if self._stop is None:
            self._stop = threading.Event()
            threading.Thread(
                target=self._run_often, args=(self._stop,), name="rask-amm", daemon=True
            ).start()

    def stop(self) -> None:
        """Run them no more."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def look(self) -> Snapshot:
        """The scheduler's state at this moment."""
        from rask.distributed._snapshot import Snapshot

        return Snapshot(*self._view.snapshot())

    def run_once(self) -> None:
        """Run each policy once, and tell the scheduler what they suggest.

        A policy that raises is named in the log; what it has suggested before counts.
        """
        with self._running:
            if not self.policies:
                return
            self.scheduler = self.look()
            measure = MEASURES[self.measure]
            workers = self.scheduler.workers.values()
            self.workers_memory = {worker: measure(worker) for worker in workers}
            self.pending = {}
            for policy in list(self.policies):
                try:
                    self._run_policy(policy)
                except Exception:
                    logger.exception("policy %r raised", policy)
            self._tell()

    def _run_often(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.run_once()
            except ConnectionError:
                return
            stop.wait(self.interval)

    def _run_policy(self, policy: ActiveMemoryManagerPolicy) -> None:
        suggestions = policy.run()
        choice: WorkerView | None = None
        while True:
            try:
                suggestion = Suggestion(*suggestions.send(choice))
            except StopIteration:
                return
            copies, drops = self.pending.setdefault(suggestion.ts, (set(), set()))
            if suggestion.op == "replicate":
                choice = self._find_recipient(suggestion, copies)
                if choice is not None:
                    copies.add(choice)
                    self.workers_memory[choice] += suggestion.ts.nbytes
            elif suggestion.op == "drop":
                choice = self._find_dropper(suggestion, drops)
                if choice is not None:
                    drops.add(choice)
                    self.workers_memory[choice] -= suggestion.ts.nbytes
            else:
                raise ValueError(f'neither "replicate" nor "drop": {suggestion.op!r}')

    def _find_recipient(self, wish: Suggestion, copies: set[WorkerView]) -> WorkerView | None:
        """The emptiest candidate that takes values and has none of this one."""
        if wish.ts.state != "memory":
            return None
        candidates = self.scheduler.running if wish.candidates is None else wish.candidates
        open_ones = (candidates & self.scheduler.running) - wish.ts.who_has - copies
        return min(open_ones, key=self.workers_memory.__getitem__, default=None)

    def _find_dropper(self, wish: Suggestion, drops: set[WorkerView]) -> WorkerView | None:
        """The fullest candidate that holds the value, and rather a paused one, while one is left."""
        holders = wish.ts.who_has
        if len(holders) - len(drops) < 2:
            return None
        candidates = holders if wish.candidates is None else wish.candidates & holders
        return max(
            candidates - drops,
            key=lambda worker: (worker.paused, self.workers_memory[worker]),
            default=None,
        )

    def _tell(self) -> None:
        def pack(task: TaskView, workers: set[WorkerView]) -> list[tuple[str, int, int]]:
            return [(*task.block, worker.number) for worker in workers]

        copies, drops = [], []
        for task, (recipients, droppers) in self.pending.items():
            copies += pack(task, recipients)
            drops += pack(task, droppers)
        if copies or drops:
            self._link.suggest(copies, drops)


class ConfiguredPolicies(SchedulerPlugin):
    """Has the policies that the configuration names run beside the scheduler.

    Parameters
    ----------
    settings : list of dict
        The ``class`` of each, as ``"module.Class"``, and its arguments.
    measure : str
        As of `ActiveMemoryManagerExtension`.

    Raises
    ------
    ValueError
        If the measure is not known.
    """

    name = "rask-memory-policies"
    watches = False

    def __init__(self, settings: list[dict[str, Any]], measure: str) -> None:
        self._settings = settings
        self._measure = check_measure(measure)

    async def start(self, scheduler: Any) -> None:
        """Make the policies; ImportError or AttributeError if there is no such class."""
        manager = scheduler.extensions["amm"]
        manager.measure = self._measure
        for setting in self._settings:
            arguments = dict(setting)
            module, _, name = arguments.pop("class").rpartition(".")
            manager.add_policy(getattr(importlib.import_module(module), name)(**arguments))


def check_measure(measure: str) -> str:
    """The measure, if it is known."""
    if measure not in MEASURES:
        raise ValueError(
            "distributed.scheduler.active-memory-manager.measure must be one of "
            f"{', '.join(sorted(MEASURES))}: {measure!r}"
        )
    return measure
