"""Futures as parts of collections: plans of values that a cluster holds."""

from __future__ import annotations

from typing import Any

from rask import _core

__all__ = ["plans_of_futures"]


def plans_of_futures(futures: list[Any]) -> list[_core.Plan]:
    """For each future a plan of its value, which keeps it in the cluster.

    Plans of one layer share what keeps its blocks, so that they can be merged.
    """
    by_client: dict[int, list[int]] = {}
    for at, future in enumerate(futures):
        by_client.setdefault(id(future.client._core), []).append(at)
    plans: dict[int, _core.Plan] = {}
    for places in by_client.values():
        chosen = [futures[at] for at in places]
        names = list(dict.fromkeys(future._layer[0] for future in chosen))
        numbers = {name: number for number, name in enumerate(names)}
        grids: list[list[int]] = [[] for _ in names]
        blocks: list[tuple[int, int]] = []
        for name, block, numbered in (future._layer for future in chosen):
            number = numbers[name]
            if numbered:
                grids[number] = [max([block + 1, *grids[number]])]
            blocks.append((number, block))
        layers = list(zip(names, grids, strict=True))
        plan = chosen[0].client._core.plan_of_futures(layers, blocks, chosen)
        plans.update((at, plan.slice(n, n + 1)) for n, at in enumerate(places))
    return [plans[at] for at in range(len(futures))]
