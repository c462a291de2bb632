"""What the configuration says of a worker's memory."""

from __future__ import annotations

from rask import config

__all__ = ["memory_shares"]


def memory_shares() -> tuple[float, float, float]:
    """Shares of the memory limit that values and process may take, and that pauses; 0 is never."""
    shares = {"target": 0.6, "spill": 0.7, "pause": 0.8}
    for name, default in shares.items():
        given = config.get(f"distributed.worker.memory.{name}", default)
        share = float(given or 0)
        if not 0 <= share <= 1:
            raise ValueError(
                f"distributed.worker.memory.{name} of the configuration is {given!r}; it must be "
                "between 0 and 1, or False"
            )
        shares[name] = share
    return shares["target"], shares["spill"], shares["pause"]
