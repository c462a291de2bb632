"""What a scheduler does of its own accord, from the configuration."""

from __future__ import annotations

from typing import Any

from rask.distributed._utils import parse_seconds

__all__ = ["configured_policies", "policies_of_users"]


def configured_policies() -> dict[str, Any]:
    """What the scheduler does of its own accord, as configured."""
    from rask import config

    manager = "distributed.scheduler.active-memory-manager"
    return {
        "speculation": _speculation_of(config.get("distributed.scheduler.speculation", False)),
        "drops_replicas": bool(config.get(f"{manager}.start", False)),
        "replica_interval": parse_seconds(config.get(f"{manager}.interval", "2s")),
    }


def policies_of_users() -> Any:
    """The plugin that runs the policies which the configuration names beside the scheduler, if there
    are any. The one that drops superfluous copies is the scheduler's own.

    Raises
    ------
    ValueError
        If a policy is not a dict with a ``class``, or the measure is not known.
    """
    from rask import config

    manager = "distributed.scheduler.active-memory-manager"
    settings = []
    for given in config.get(f"{manager}.policies", None) or []:
        if not isinstance(given, dict) or not isinstance(given.get("class"), str):
            raise ValueError(
                f'{manager}.policies must be a list of {{"class": "module.Class", **arguments}}: '
                f"{given!r}"
            )
        if given["class"].rpartition(".")[2] != "ReduceReplicas":
            settings.append(given)
    if not settings:
        return None
    from rask.distributed.active_memory_manager import ConfiguredPolicies

    measure = config.get(f"{manager}.measure", "optimistic")
    return ConfiguredPolicies(settings, measure)


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
