"""Operations whose rows depend on rows before them, or behind them: shifts, differences, filled gaps,
running totals.

Each partition is boiled down to the few rows that matter to its neighbours. One task makes of them
what each partition has to know of those before it, and each partition is then done with these rows in
front. So all that one task has of all partitions are a few rows of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rask.dataframe.partitions import map_partitions

if TYPE_CHECKING:
    from rask.dataframe.collection import FrameBase

__all__ = ["cumulate", "fill", "move"]


@dataclass(frozen=True)
class Call:
    """A method of pandas objects with its arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, part: Any) -> Any:
        return getattr(part, self.name)(**self.arguments)


@dataclass(frozen=True)
class Edge:
    """The rows of a partition that matter to those behind it, or before it."""

    rows: int
    backwards: bool = False
    first: Call | None = None
    then: Call | None = None

    def __call__(self, part: Any) -> Any:
        for call in (self.first, self.then):
            part = part if call is None else call(part)
        return part.head(self.rows) if self.backwards else part.tail(self.rows)

    def before_each(self, edges: list) -> list:
        """What each partition has to know of those before it: a list of at most one object."""
        known: list = []
        found = []
        for edge in reversed(edges) if self.backwards else edges:
            found.append(known)
            if len(edge):
                known = [self(together(known, edge, self.backwards))]
        return found[::-1] if self.backwards else found


def together(known: list, part: Any, backwards: bool) -> Any:
    if not known:
        return part
    return pd.concat([part, *known] if backwards else [*known, part])


@dataclass(frozen=True)
class WithNeighbours:
    """Calls a function with a partition and what it has to know of others."""

    call: Call
    backwards: bool

    @property
    def __name__(self) -> str:
        return self.call.name

    def __call__(self, part: Any, known: Any) -> Any:
        if not len(known):
            return self.call(part)
        if not len(part):
            return self.call(known).iloc[:0]
        done = self.call(together([known], part, self.backwards))
        return done.iloc[: len(part)] if self.backwards else done.iloc[len(known) :]


def run(frame: FrameBase, call: Call, edge: Edge) -> Any:
    """A method of pandas objects called as if all partitions were one."""
    from rask.dataframe.io import from_delayed
    from rask.delayed import delayed

    meta = call(two_rows(frame._meta)).iloc[:0]
    if frame.npartitions == 1:
        return frame.map_partitions(call, meta=meta)
    edges = frame.map_partitions(edge, meta=frame._meta).to_delayed()
    known = delayed(edge.before_each)(edges)
    parts = [delayed(pick)(known, number, frame._meta) for number in range(len(edges))]
    known = from_delayed(parts, meta=frame._meta)
    return map_partitions(WithNeighbours(call, edge.backwards), frame, known, meta=meta)


def pick(known: list, number: int, meta: Any) -> Any:
    return known[number][0] if known[number] else meta


def two_rows(meta: Any) -> Any:
    """Two rows of the dtypes: without any, pandas does not say what becomes of integers."""
    columns = meta.to_frame() if isinstance(meta, pd.Series) else meta
    if not all(isinstance(dtype, np.dtype) and dtype.kind in "iufbMm" for dtype in columns.dtypes):
        return meta
    made = {at: np.zeros(2, dtype) for at, dtype in enumerate(columns.dtypes)}
    rows = pd.DataFrame(made).set_axis(columns.columns, axis=1)
    return rows.iloc[:, 0].rename(meta.name) if isinstance(meta, pd.Series) else rows


def move(frame: FrameBase, name: str, periods: int) -> Any:
    """``shift`` or ``diff``."""
    edge = Edge(abs(periods), backwards=periods < 0)
    return run(frame, Call(name, {"periods": periods}), edge)


def fill(frame: FrameBase, name: str, limit: int | None) -> Any:
    """``ffill`` or ``bfill``."""
    call = Call(name, {"limit": limit})
    backwards = name == "bfill"
    if limit is None:
        return run(frame, call, Edge(1, backwards, first=call))
    return run(frame, call, Edge(limit, backwards))


def cumulate(frame: FrameBase, name: str, skipna: bool, axis: Any) -> Any:
    """``cumsum``, ``cumprod``, ``cummax`` or ``cummin``."""
    if axis in (1, "columns"):
        return frame.map_partitions(Call(name, {"skipna": skipna, "axis": 1}))
    call = Call(name, {"skipna": skipna})
    return run(frame, call, Edge(1, first=call, then=Call("ffill") if skipna else None))
