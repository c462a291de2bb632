"""What a scheduler does of its own accord, from the configuration."""

from __future__ import annotations

from typing import Any

from rask.distributed._utils import parse_seconds

__all__ = ["configured_policies"]


def configured_policies() -> dict[str, Any]:
    """What the scheduler does of its own accord, as configured."""
    from rask import config

    manager = "distributed.scheduler.active-memory-manager"
    _refuse_policies(config.get(f"{manager}.policies", None))
    return {
        "speculation": _speculation_of(config.get("distributed.scheduler.speculation", False)),
        "drops_replicas": bool(config.get(f"{manager}.start", False)),
        "replica_interval": parse_seconds(config.get(f"{manager}.interval", "2s")),
    }


def _refuse_policies(given: Any) -> None:
    """The scheduler runs no classes of users.

    Raises
    ------
    NotImplementedError
        If other policies are asked for than the one that drops copies.
    """
    for policy in given or []:
        name = policy.get("class", "") if isinstance(policy, dict) else str(policy)
        if name.rpartition(".")[2] != "ReduceReplicas":
            raise NotImplementedError(
                "distributed.scheduler.active-memory-manager.policies: the scheduler runs no code of "
                f"users, and so not {name!r}"
            )


def _speculation_of(value: Any) -> float:
    """How many times as long as usual a task takes of which a second copy is begun; 0 is never.

    Raises
    ------
    ValueError
        If it is neither a boolean nor a number above 1.
    """
    if isinstance(value, bool) or value is None:
        return 3.0 if value else 0.0
    times = float(value)
    if times != 0 and not times > 1:
        raise ValueError(
            "distributed.scheduler.speculation must be false, true, or how many times as long as "
            f"usual a task has to take, more than 1: {value!r}"
        )
    return times
