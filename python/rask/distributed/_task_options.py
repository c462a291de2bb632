"""What a submission says of how its tasks run, beyond what every task has: executors, actors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask.distributed._timing import with_timing

__all__ = ["complete", "prepare", "refuse_actors", "with_purity"]


def prepare(
    function: Callable[..., Any], kwargs: dict[str, Any], actor: bool
) -> Callable[..., Any]:
    """The function that a task calls: one that makes an actor, or runs in an executor.

    ``executor`` is taken out of `kwargs`, unless the function has a parameter of this name.
    """
    if actor:
        from rask.distributed.actor import MakeActor

        return MakeActor(function)
    name = None
    if "executor" in kwargs:
        from rask.distributed._calls import takes_argument

        if not takes_argument(function, "executor"):
            name = kwargs.pop("executor")
    if name is None:
        from rask.base import get_annotations

        name = get_annotations().get("executor")
    if name is None or name == "default":
        return function
    if not isinstance(name, str):
        raise TypeError(f"executor must be the name of a worker's executor, not {name!r}")
    from rask.distributed._executors import InExecutor

    return InExecutor(function, name)


def with_purity(options: dict[str, Any] | None, pure: bool) -> dict[str, Any] | None:
    """Options of a submission, with a word about tasks that may not run twice without need."""
    return options if pure else {**(options or {}), "impure": True}


def complete(
    options: dict[str, Any] | None, function: Callable[..., Any], timing: dict[str, float]
) -> dict[str, Any] | None:
    """Options of calls, with their times, and that what they make are actors."""
    from rask.distributed.actor import MakeActor

    options = with_timing(options, timing)
    return {**(options or {}), "actor": True} if isinstance(function, MakeActor) else options


def refuse_actors(actors: Any) -> None:
    """Collections have no actors.

    Raises
    ------
    NotImplementedError
        If some are asked for.
    """
    if actors:
        raise NotImplementedError(
            "actors=… is for client.submit and client.map: submit the class with actor=True, and "
            "give its future to the collection's functions"
        )
