"""What a submission says of how its tasks run, beyond what every task has: executors, limits of
time, actors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask.distributed._utils import parse_seconds

__all__ = ["complete", "prepare", "refuse_actors", "take_timeout", "with_purity", "with_timeout"]


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


def take_timeout(
    function: Callable[..., Any] | None = None, kwargs: dict[str, Any] | None = None
) -> float | None:
    """Seconds that a task may run: ``task_timeout`` of a call, taken out of `kwargs` unless the
    function has a parameter of this name, or of the annotations."""
    given = None
    if kwargs and "task_timeout" in kwargs:
        from rask.distributed._calls import takes_argument

        if function is None or not takes_argument(function, "task_timeout"):
            given = kwargs.pop("task_timeout")
    from rask.base import get_annotations

    annotations = get_annotations()
    if function is None and annotations.get("executor", "default") != "default":
        raise NotImplementedError(
            "executor=… is for client.submit and client.map: tasks of collections run on the "
            "workers' own threads"
        )
    return parse_seconds(annotations.get("task_timeout") if given is None else given)


def with_timeout(options: dict[str, Any] | None, seconds: float | None) -> dict[str, Any] | None:
    """Options of a submission, with a limit of time if there is one."""
    return options if seconds is None else {**(options or {}), "task_timeout": seconds}


def with_purity(options: dict[str, Any] | None, pure: bool) -> dict[str, Any] | None:
    """Options of a submission, with a word about tasks that may not run twice without need."""
    return options if pure else {**(options or {}), "impure": True}


def complete(
    options: dict[str, Any] | None, function: Callable[..., Any], seconds: float | None
) -> dict[str, Any] | None:
    """Options of calls, with their limit of time, and that what they make are actors."""
    from rask.distributed.actor import MakeActor

    options = with_timeout(options, seconds)
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
