"""Spans: names for parts of one's work, and what became of it on a cluster."""

from __future__ import annotations

import json
import linecache
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from rask import _core
from rask.base import _annotations, annotate, get_annotations

__all__ = ["SourceCode", "Span", "TaskGroup", "span"]

_STATES: tuple[str, ...] = (
    "released",
    "waiting",
    "queued",
    "processing",
    "memory",
    "erred",
    "forgotten",
)
_PENDING = ("waiting", "queued", "processing")
_DEPTH_MAX = 64
_NAME_BYTES_MAX = 1024
_MERGED = "(merged)"
#: Lines of a user's file shown around the one that made something.
_LINES_AROUND = 3


@contextmanager
def span(*tags: str) -> Iterator[str]:
    """Give a name to the work that is made or submitted within the block.

    Spans inside of spans belong to them. The same tag used again gives another span. What belongs to
    no span of the user's goes to a span named ``"default"``, which ends when the cluster has nothing
    more to do.

    Parameters
    ----------
    *tags : str
        One name a level: ``span("load", "parse")`` is a span in a span.

    Yields
    ------
    str
        The identifier of the innermost span, for `Client.get_span`.

    Raises
    ------
    ValueError
        Without a tag, or with one that is too long, or too deep inside of others.
    TypeError
        If a tag is no string.

    Notes
    -----
    Collections belong to the span in which they are made; what is made in no span belongs to the
    one in which it is submitted. Tasks that submit others pass on their span. The span in force is
    ``rask.get_annotations()["span"]``, in tasks too.

    Examples
    --------
    >>> from rask.distributed import Client, span
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     with span("my workflow") as span_id:
    ...         client.submit(sum, [1, 2]).result()
    ...     client.get_span(span_id).name
    3
    ('my workflow',)
    """
    if not tags:
        raise ValueError("Must specify at least one span tag")
    around = get_annotations().get("span") or {"name": (), "ids": ()}
    names = (*around["name"], *(_checked(tag) for tag in tags))
    if len(names) > _DEPTH_MAX:
        raise ValueError(f"spans are {len(names)} deep; at most {_DEPTH_MAX} are allowed")
    ids = (*around["ids"], *(str(uuid.uuid4()) for _ in tags))
    _core.use_spans()
    with annotate(span={"name": names, "ids": ids}):
        yield ids[-1]


def _checked(tag: str) -> str:
    if not isinstance(tag, str):
        raise TypeError(f"a tag of a span must be a string, not {tag!r}")
    if not 0 < len(tag.encode()) <= _NAME_BYTES_MAX:
        raise ValueError(f"a tag of a span has 1 to {_NAME_BYTES_MAX} bytes: {tag[:50]!r}")
    return tag


def enter_path(names: Iterable[str], ids: Iterable[str]) -> None:
    """In the current context, be in the span of this path."""
    _core.use_spans()
    path = {"name": tuple(names), "ids": tuple(ids)}
    _annotations.set({**_annotations.get(), "span": path})


class SourceCode(NamedTuple):
    """Code around a line that made tasks."""

    code: str
    lineno_frame: int
    lineno_relative: int
    filename: str


@dataclass(frozen=True, eq=False)
class TaskGroup:
    """Tasks of one layer, or all calls of one function: what became of them within a span.

    Attributes
    ----------
    name : str
        The layer's, or the function's.
    prefix : str
        The operation that the tasks run.
    states : dict
        How many tasks are in each state now.
    nbytes_total : int
        Bytes of all results.
    start, stop : float
        When the first task that ended began, and the last one ended, in seconds since the epoch; 0
        if none has ended.
    all_durations : dict
        Seconds by what was done.
    """

    name: str
    prefix: str
    states: dict[str, int]
    nbytes_total: int
    start: float
    stop: float
    all_durations: dict[str, float]

    @property
    def done(self) -> bool:
        """Whether no task is to be run."""
        return not any(self.states[state] for state in _PENDING)

    @property
    def duration(self) -> float:
        """Seconds that its tasks took together."""
        return sum(self.all_durations.values())

    def __len__(self) -> int:
        return sum(self.states.values())

    def __repr__(self) -> str:
        states = " ".join(f"{name}: {count}" for name, count in self.states.items() if count)
        return f"<{self.name}: {states}>"


@dataclass(eq=False, slots=True, weakref_slot=True)
class Span:
    """What became of the work of a span, at the time when it was asked for.

    Figures are those of the span and of all spans inside of it. Get spans from `Client.get_spans`.

    Attributes
    ----------
    name : tuple of str
        The tags around it, and its own.
    id : str
    children : list of Span
        Those directly inside of it, by the time of their creation.
    groups : set of TaskGroup
        Its own tasks, without those of spans inside of it. More than 1,000 are told together, as
        ``"(others)"``.
    enqueued : float
        When it first came to the scheduler, in seconds since the epoch.
    """

    name: tuple[str, ...]
    id: str
    enqueued: float
    children: list[Span] = field(default_factory=list)
    groups: set[TaskGroup] = field(default_factory=set)
    _ids: tuple[str, ...] = ()
    _parent: Span | None = None
    _origins: list[tuple[str, int, str]] = field(default_factory=list)
    _notes: list[dict[str, Any]] = field(default_factory=list)
    _activities: dict[tuple[str, ...], float] = field(default_factory=dict)
    #: When the number of threads changed, and to what.
    _threads: list[tuple[float, int]] = field(default_factory=list)
    _asked_at: float = 0.0
    _client: Any = None

    def __repr__(self) -> str:
        return f"Span<name={self.name}, id={self.id}>"

    @property
    def parent(self) -> Span | None:
        """The span around it."""
        return self._parent

    @property
    def annotation(self) -> dict[str, tuple[str, ...]] | None:
        """The annotation that puts work into this span; None for a default one."""
        return None if self.name == ("default",) else {"name": self.name, "ids": self._ids}

    def traverse_spans(self) -> Iterator[Span]:
        """The span and all inside of it, from the top down."""
        yield self
        for child in self.children:
            yield from child.traverse_spans()

    def traverse_groups(self) -> Iterator[TaskGroup]:
        """All groups of the span and of those inside of it."""
        for inner in self.traverse_spans():
            yield from inner.groups

    # ----------------------------------------------------------------- times

    @property
    def start(self) -> float:
        """When the first task that ended began, in seconds since the epoch; 0 if none has ended."""
        started = min((group.start for group in self.traverse_groups() if group.start), default=0.0)
        return max(started, self.enqueued) if started else 0.0

    @property
    def done(self) -> bool:
        """Whether no task is to be run."""
        return all(group.done for group in self.traverse_groups())

    @property
    def stop(self) -> float:
        """When the last task ended; if some are to be run, when the figures were asked for."""
        ends = [group.stop for group in self.traverse_groups()]
        stop = max(ends, default=0.0) if self.done else self._asked_at
        return max(stop, self.enqueued)

    # --------------------------------------------------------------- figures

    @property
    def states(self) -> dict[str, int]:
        """How many tasks are in each state."""
        counts = dict.fromkeys(_STATES, 0)
        for group in self.traverse_groups():
            for state, count in group.states.items():
                counts[state] += count
        return counts

    @property
    def all_durations(self) -> dict[str, float]:
        """Seconds of all tasks, by what was done."""
        return _sum(group.all_durations for group in self.traverse_groups())

    @property
    def duration(self) -> float:
        """Seconds that all tasks took together."""
        return sum(group.duration for group in self.traverse_groups())

    @property
    def nbytes_total(self) -> int:
        """Bytes of all results."""
        return sum(group.nbytes_total for group in self.traverse_groups())

    @property
    def cumulative_worker_metrics(self) -> dict[tuple[str, ...], float]:
        """Seconds by ``("execute", operation, activity, "seconds")``.

        Activities are ``"deserialize"`` (decoding inputs), ``"thread-cpu"`` and ``"thread-noncpu"``
        (running, on a processor and not), ``"wait"`` (for other tasks, while these have the place on
        the worker), and ``"other"``: tasks shorter than 0.1 ms are not measured, nor what runs
        elsewhere than on the workers' own threads. Workers tell of them twice a second.

        What the cluster's threads could have done besides is
        ``("execute", "N/A", "idle or other spans", "seconds")``.
        """
        amounts = _sum(inner._activities for inner in self.traverse_spans())
        unmeasured: dict[str, float] = defaultdict(float)
        for group in self.traverse_groups():
            unmeasured[group.prefix] += group.duration
        for (_, operation, _, unit), amount in amounts.items():
            if unit == "seconds":
                unmeasured[operation] -= amount
        for operation, seconds in unmeasured.items():
            if seconds > 0:
                amounts["execute", operation, "other", "seconds"] = seconds
        known = sum(amount for key, amount in amounts.items() if key[-1] == "seconds")
        idle = max(0.0, self.active_cpu_seconds - known)
        amounts["execute", "N/A", "idle or other spans", "seconds"] = idle
        return amounts

    @property
    def nthreads_intervals(self) -> list[tuple[float, float, int]]:
        """Begin, end and number of the cluster's threads, while the span was going on."""
        active = _joined(self._active())
        marks = sorted({mark for span in active for mark in span} | {at for at, _ in self._threads})
        intervals = []
        for begin, end in pairwise(marks):
            if any(start <= begin and end <= stop for start, stop in active):
                count = next((n for at, n in reversed(self._threads) if at <= begin), 0)
                intervals.append((begin, end, count))
        return intervals

    @property
    def active_cpu_seconds(self) -> float:
        """Seconds that all of the cluster's threads together had while the span was going on."""
        return sum((end - begin) * count for begin, end, count in self.nthreads_intervals)

    def _active(self) -> list[tuple[float, float]]:
        if self.id != _MERGED:
            return [(self.enqueued, self.stop)]
        return [(child.enqueued, child.stop) for child in self.children]

    # ------------------------------------------------------------------ code

    @property
    def code(self) -> list[tuple[SourceCode, ...]]:
        """Code around the lines that made its layers, as far as the files are here."""
        origins = [origin for inner in self.traverse_spans() for origin in inner._origins]
        return [(_source(*origin),) for origin in dict.fromkeys(origins)]

    @property
    def metadata(self) -> dict[str, list[Any]] | None:
        """What `add_metadata` has added; None if nothing."""
        if not self._notes:
            return None
        together: dict[str, list[Any]] = defaultdict(list)
        for note in self._notes:
            for name, items in note.items():
                together[name].extend(items)
        return dict(together)

    def add_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Keep something with the span, at the scheduler.

        Parameters
        ----------
        metadata : dict of lists
            Of what JSON knows, 64 KiB at most; of a span 100 are kept. Lists of the same name are
            joined.

        Raises
        ------
        TypeError
            For what JSON does not know.
        ValueError
            If it is too large, too much, or the span is a merged one.
        """
        note = {name: list(items) for name, items in metadata.items()}
        text = json.dumps(note)
        if len(text) > 64 << 10:
            raise ValueError(f"metadata of {len(text)} bytes: at most 65,536 are kept")
        if len(self._notes) >= 100:
            raise ValueError(f"{self!r} has metadata 100 times, which is what is kept")
        if self._client is None:
            raise ValueError("a merged span is not kept at the scheduler")
        _core.SpanTable(self._client._core).note(self.id, text)
        self._notes.append(note)

    @staticmethod
    def merge(*items: Span) -> Span:
        """A span of all these, which must not be inside of each other."""
        if not items:
            raise ValueError("Nothing to merge")
        return Span(
            name=(_MERGED,),
            id=_MERGED,
            enqueued=min(item.enqueued for item in items),
            children=list(items),
            _threads=items[0]._threads,
            _asked_at=max(item._asked_at for item in items),
        )


def _sum(items: Iterable[Mapping[Any, float]]) -> dict[Any, float]:
    total: dict[Any, float] = defaultdict(float)
    for item in items:
        for key, amount in item.items():
            total[key] += amount
    return dict(total)


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans of time without overlaps."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _source(filename: str, line: int, function: str) -> SourceCode:
    lines = linecache.getlines(filename)
    first = max(0, line - 1 - _LINES_AROUND)
    shown = "".join(lines[first : line + _LINES_AROUND]) or f"# {function}\n"
    return SourceCode(shown, line, line - 1 - first, filename)


def read_spans(client: Any, ids: list[str], names: list[str]) -> dict[str, Span]:
    """Spans by identifier, with all that they are in and all that is in them.

    Parameters
    ----------
    client : Client
    ids, names : list of str
        Of the spans, or of tags in their names; all if both are empty.
    """
    described, threads, now = _core.SpanTable(client._core).read(ids, names)
    spans: dict[str, Span] = {}
    for one in described:
        *around, own = one["ids"]
        parent = spans.get(around[-1]) if around else None
        found = Span(
            name=tuple(one["names"]),
            id=own,
            enqueued=one["enqueued"],
            groups={_read_group(group) for group in one["groups"]},
            _ids=(*around, own),
            _parent=parent,
            _origins=one["origins"],
            _notes=[json.loads(note) for note in one["notes"]],
            _activities={("execute", *key): amount for *key, amount in one["activities"]},
            _threads=threads,
            _asked_at=now,
            _client=client,
        )
        spans[found.id] = found
        if parent is not None:
            parent.children.append(found)
    return spans


def _read_group(
    group: tuple[str, str, list[int], int, float, float, float],
) -> TaskGroup:
    name, operation, states, nbytes, start, stop, seconds = group
    durations = {"compute": seconds} if seconds else {}
    counts = dict(zip(_STATES, states, strict=True))
    return TaskGroup(name, operation, counts, nbytes, start, stop, durations)
