"""Where tasks spend their time, by looking again and again at the stacks of the threads that run
them."""

from __future__ import annotations

import linecache
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from rask import _core, config
from rask.distributed._utils import parse_seconds

__all__ = ["Profiler", "create", "merge"]

#: Frames of a stack that are looked at, the innermost ones.
_DEPTH_MAX = 100
#: Calls remembered, over all cycles; the oldest cycles go first.
_CALLS_MAX = 100_000
_NATIVE = "<native>"
#: Of the time of one thread, this much is spent on looking at most: where it costs more, one looks
#: less often.
_SHARE_MAX = 0.01

Tree = dict[str, Any]


def create() -> Tree:
    """A tree of calls without any."""
    return {
        "identifier": "root",
        "description": {"filename": "", "name": "", "line_number": 0, "line": ""},
        "count": 0,
        "children": {},
    }


def merge(*trees: Tree) -> Tree:
    """The sum of trees.

    Raises
    ------
    ValueError
        For trees of different calls.
    """
    if not trees:
        return create()
    names = {tree["identifier"] for tree in trees}
    if len(names) > 1:
        raise ValueError(f"trees of different calls cannot be added: {sorted(names)}")
    children: dict[str, list[Tree]] = {}
    for tree in trees:
        for identifier, child in tree["children"].items():
            children.setdefault(identifier, []).append(child)
    return {
        "identifier": trees[0]["identifier"],
        "description": trees[0]["description"],
        "count": sum(tree["count"] for tree in trees),
        "children": {identifier: merge(*same) for identifier, same in children.items()},
    }


class _Call:
    """A call within a tree that grows."""

    __slots__ = ("children", "code", "count", "line")

    def __init__(self, code: CodeType | None, line: int) -> None:
        self.code = code
        self.line = line
        self.count = 0
        #: By the identity of the code, which is kept with the call.
        self.children: dict[int, _Call] = {}


class _Cycle:
    """What was seen in some time, by operation."""

    def __init__(self) -> None:
        self.began = time.time()
        self.stacks: dict[str, _Call] = {}
        self.native: dict[str, int] = {}
        self.calls = 0

    def add(self, operation: str, frame: FrameType | None) -> None:
        """A thread that runs this operation is here; nowhere in Python if it runs a built-in function
        alone."""
        if frame is None:
            self.native[operation] = self.native.get(operation, 0) + 1
            return
        stack: list[FrameType] = []
        while frame is not None and len(stack) < _DEPTH_MAX:
            stack.append(frame)
            frame = frame.f_back
        call = self.stacks.get(operation)
        if call is None:
            call = self.stacks[operation] = _Call(None, 0)
        call.count += 1
        for frame in reversed(stack):
            code = frame.f_code
            inner = call.children.get(id(code))
            if inner is None:
                inner = call.children[id(code)] = _Call(code, frame.f_lineno or 0)
                self.calls += 1
            inner.count += 1
            call = inner

    def finish(self, native: dict[str, int]) -> None:
        """Nothing more comes."""
        for operation, count in native.items():
            self.native[operation] = self.native.get(operation, 0) + count
        self.calls += len(self.native)

    def trees(self, operation: str | None) -> Iterable[Tree]:
        for name, call in list(self.stacks.items()):
            if operation is None or name == operation:
                yield _describe(call)
        for name, count in self.native.items():
            if operation is None or name == operation:
                yield _describe_native(name, count)


def _describe(call: _Call) -> Tree:
    tree = create()
    if call.code is not None:
        code = call.code
        line = linecache.getline(code.co_filename, call.line).strip()
        tree["identifier"] = f"{code.co_name};{code.co_filename};{code.co_firstlineno}"
        tree["description"] = {
            "filename": code.co_filename,
            "name": code.co_name,
            "line_number": call.line,
            "line": line,
        }
    tree["count"] = call.count
    children: dict[str, Tree] = {}
    for inner in list(call.children.values()):
        child = _describe(inner)
        known = children.get(child["identifier"])
        children[child["identifier"]] = child if known is None else merge(known, child)
    tree["children"] = children
    return tree


def _describe_native(name: str, count: int) -> Tree:
    leaf = create()
    leaf["identifier"] = f"{name};{_NATIVE};0"
    leaf["description"] = {"filename": _NATIVE, "name": name, "line_number": 0, "line": ""}
    leaf["count"] = count
    tree = create()
    tree["count"] = count
    tree["children"] = {leaf["identifier"]: leaf}
    return tree


class Profiler:
    """Looks at a worker's threads, on a thread of its own, while the worker runs tasks.

    Parameters
    ----------
    core : _core.WorkerService
        Of the worker.
    """

    def __init__(self, core: Any) -> None:
        settings = "distributed.worker.profile."
        interval = parse_seconds(config.get(f"{settings}interval", "10ms")) or 0.01
        self._cycle_seconds = parse_seconds(config.get(f"{settings}cycle", "1s")) or 1.0
        self._enabled = bool(config.get(f"{settings}enabled", True))
        self._sampler = _core.ThreadSampler(core, interval)
        self._lock = threading.Lock()
        self._current = _Cycle()
        #: When each ended.
        self._cycles: deque[tuple[float, _Cycle]] = deque()
        self._calls = 0

    def begin(self) -> None:
        """Start to look, unless the configuration says not to."""
        if self._enabled:
            threading.Thread(target=self._run, name="rask-profile", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._sampler.stop()

    def _run(self) -> None:
        # What runs in no interpreter is counted there; only others come here.
        cost = 0.0
        began = time.thread_time()
        while (found := self._sampler.next(self._cycle_seconds, cost / _SHARE_MAX)) is not None:
            if found:
                with self._lock:
                    self._look()
            self._turn()
            ended = time.thread_time()
            if found:
                cost += ((ended - began) - cost) / 8
            began = ended

    def _look(self) -> None:
        seen = self._sampler.now()
        frames = sys._current_frames()
        try:
            for thread, operation in seen:
                self._current.add(operation, frames.get(thread))
        finally:
            # This call is among them: what all calls hold would stay until the next collection.
            frames.clear()

    def _turn(self, now: bool = False) -> None:
        """Begin another cycle, if the current one has lasted."""
        with self._lock:
            current = self._current
            ends = time.time()
            if not now and 0 <= ends - current.began < self._cycle_seconds:
                return
            current.finish(self._sampler.take_native())
            self._current = _Cycle()
            if not current.calls:
                return
            self._cycles.append((ends, current))
            self._calls += current.calls
            while self._calls > _CALLS_MAX and len(self._cycles) > 1:
                self._calls -= self._cycles.popleft()[1].calls

    def read(self, start: float | None, stop: float | None, operation: str | None) -> Tree:
        """The calls seen between two times, of all operations or one.

        Parameters
        ----------
        start, stop : float, optional
            Seconds since the epoch; cycles that lie partly between them count whole.
        operation : str, optional
        """
        if not self._enabled:
            raise RuntimeError(
                "this worker does not look at its tasks: distributed.worker.profile.enabled is "
                "false in its configuration"
            )
        self._turn(now=True)
        with self._lock:
            chosen = [
                cycle
                for ended, cycle in self._cycles
                if (start is None or ended >= start) and (stop is None or cycle.began <= stop)
            ]
            return merge(*(tree for cycle in chosen for tree in cycle.trees(operation)))
