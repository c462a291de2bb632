"""What lazy lists and lazy single values have in common, and the single value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core
from rask.bag import layers, partitions
from rask.base import compute, lower, persist, visualize

__all__ = ["Collection", "Item"]


class Collection:
    """What bags and items have in common: a plan, and ways to compute it."""

    _rask_family = "bag"

    def __init__(self, plan: _core.Plan) -> None:
        self._plan = plan

    @classmethod
    def _rask_lower(cls, collections: list[Any], optimize: bool) -> tuple[_core.Plan, list[int]]:
        plans = [collection._plan for collection in collections]
        return _core.Plan.merge(plans), [plan.wanted_count for plan in plans]

    def __reduce__(self) -> tuple:
        from rask.distributed._sharing import reduce_collection

        return reduce_collection(self)

    def _rask_rebuild(self, plan: _core.Plan) -> Any:
        return type(self)(plan)

    def __rask_tokenize__(self) -> Any:
        return self._plan.wanted

    @property
    def name(self) -> str:
        """Name of the layer that makes the value."""
        return self._plan.wanted[0][0]

    @property
    def dask(self) -> dict:
        """The plain task graph of the collection."""
        from rask.base import plan_to_graph

        return plan_to_graph(self._plan)[0]

    def compute(self, **kwargs: Any) -> Any:
        """The value itself; parameters as `rask.compute`."""
        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs: Any) -> Any:
        """Compute and keep the partitions; parameters as `rask.persist`."""
        return persist(self, traverse=False, **kwargs)[0]

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the layers; parameters as `rask.visualize`."""
        return visualize(self, **kwargs)


class Item(Collection):
    """A lazy single value: the result of a reduction of a bag.

    Examples
    --------
    >>> import rask.bag as db
    >>> db.range(10, npartitions=2).sum().apply(lambda total: total + 1).compute()
    46
    """

    def _rask_finish(self, values: list) -> Any:
        return values[0]

    def _rask_finisher(self) -> Callable[[list], Any]:
        return partitions.only_fold

    @property
    def key(self) -> tuple[str, int]:
        """The layer's name and the block's number."""
        return self._plan.wanted[0]

    @staticmethod
    def from_delayed(value: Any) -> Item:
        """A delayed value as an item."""
        return Item(lower([value])[0])

    def apply(self, func: Callable) -> Item:
        """The function of the value, lazily."""
        name = f"apply-{layers.token_of(func, self)}"
        return Item(layers.partitionwise(name, "apply", func, [self._plan], (_core.INPUT,), {}))

    def to_delayed(self, optimize_graph: bool = True) -> Any:
        """The value as a `Delayed`."""
        from rask.delayed import delayed_from_plan

        return delayed_from_plan(self._plan)[0]

    def __repr__(self) -> str:
        return f"rask.bag.Item<{self.name}>"

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())
