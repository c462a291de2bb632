"""Shares of clients: what users and configuration say about them."""

from __future__ import annotations

from typing import Any

from rask.distributed._utils import parse_bytes, parse_seconds

__all__ = ["chosen_share", "describe_shares", "quota_patience_seconds"]

_KEYS = ("weight", "tasks", "memory")


def chosen_share(share: str | None) -> str:
    """The name of the share of a client; empty for one of its own."""
    from rask import config

    if share is None:
        share = config.get("distributed.client.share", None)
    if share is None:
        return ""
    if not isinstance(share, str) or not share:
        raise TypeError(
            f"share must be the name of a share, a str that is not empty, not {share!r}"
        )
    return share


def describe_shares(shares: dict[str, dict[str, Any]] | None) -> list[str]:
    """Shares as the scheduler's command line writes them: ``name:weight=3,tasks=100,memory=…``."""
    from rask import config

    if shares is None:
        shares = config.get("distributed.scheduler.shares", None)
    return [_describe(name, settings or {}) for name, settings in (shares or {}).items()]


def _describe(name: str, settings: dict[str, Any]) -> str:
    unknown = [key for key in settings if key not in _KEYS]
    if unknown:
        raise ValueError(f"share {name!r}: {unknown[0]!r} is none of weight, tasks and memory")
    parts = {key: value for key, value in settings.items() if value is not None}
    if "memory" in parts:
        parts["memory"] = int(parse_bytes(parts["memory"]))
    return f"{name}:" + ",".join(f"{key}={value}" for key, value in parts.items())


def quota_patience_seconds() -> float:
    """How long a share that holds its quota of memory is given to release values."""
    from rask import config

    patience = parse_seconds(config.get("distributed.scheduler.quota-patience", 60.0))
    return 60.0 if patience is None else patience
