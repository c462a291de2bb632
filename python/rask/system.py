"""What this machine gives the process."""

from __future__ import annotations

import os

__all__ = ["CPU_COUNT", "cpu_count"]


def _cgroup_cpus() -> float | None:
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def cpu_count() -> int:
    """Cores that this process may use: the machine's, its affinity's, or its control group's."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    quota = _cgroup_cpus()
    return max(1, count if quota is None else min(count, round(quota)))


CPU_COUNT = cpu_count()
