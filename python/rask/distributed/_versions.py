"""What the processes of a cluster run on, and whether it fits together."""

from __future__ import annotations

import os
import pickle
import platform
import re
import struct
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

__all__ = [
    "VersionMismatchWarning",
    "describe_mismatches",
    "error_message",
    "get_versions",
    "registered_versions",
]

#: What values and functions that travel depend on.
RELEVANT = ("python", "rask", "cloudpickle", "numpy", "pandas")
#: What the scheduler, which never unpickles anything, has in common with the others.
SCHEDULER_RELEVANT = ("rask",)
_HOST = "host/"
_PROTOCOL = "pickle-protocol"


class VersionMismatchWarning(Warning):
    """Processes of a cluster run on different versions."""


@cache
def _version_of(package: str) -> str | None:
    """The version of a package that is installed; None if it is not."""
    from importlib import metadata

    if package == "rask":
        from rask import _core

        return _core.__version__
    loaded = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def get_versions(packages: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """This process's host, and the versions of what it runs on.

    Parameters
    ----------
    packages : iterable of str, optional
        Further packages.

    Returns
    -------
    dict
        ``"host"`` and ``"packages"``: a version by package, None for one that is not there.
    """
    uname = platform.uname()
    versions: dict[str, Any] = {"python": "{}.{}.{}.{}.{}".format(*sys.version_info)}
    for package in (*RELEVANT[1:], *(packages or ())):
        versions[package] = _version_of(package)
    versions[_PROTOCOL] = str(pickle.HIGHEST_PROTOCOL)
    return {
        "host": {
            "python": versions["python"],
            "python-bits": struct.calcsize("P") * 8,
            "OS": uname.system,
            "OS-release": uname.release,
            "machine": uname.machine,
            "processor": uname.processor,
            "byteorder": sys.byteorder,
            "LC_ALL": os.environ.get("LC_ALL", "None"),
            "LANG": os.environ.get("LANG", "None"),
        },
        "packages": versions,
    }


def registered_versions() -> list[tuple[str, str]]:
    """What a worker or scheduler says of itself when it starts."""
    found = get_versions()
    host = [(_HOST + name, str(value)) for name, value in found["host"].items()]
    packages = found["packages"].items()
    return [*((name, value) for name, value in packages if value is not None), *host]


def unpack_versions(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """What `registered_versions` gave, in the form of `get_versions`."""
    found: dict[str, dict[str, Any]] = {"host": {}, "packages": {}}
    for name, value in pairs:
        if name.startswith(_HOST):
            found["host"][name.removeprefix(_HOST)] = value
        else:
            found["packages"][name] = value
    return found


def error_message(
    scheduler: Mapping[str, Any],
    workers: Mapping[str, Mapping[str, Any]],
    client: Mapping[str, Any],
) -> str:
    """A table of the packages whose versions differ; empty if none do.

    Parameters
    ----------
    scheduler, client : dict
        As `get_versions` gives them.
    workers : dict
        The same by address.
    """
    own, theirs = client["packages"], scheduler["packages"]
    packages = dict.fromkeys((*own, *theirs))
    packages.update(dict.fromkeys(name for one in workers.values() for name in one["packages"]))
    rows = []
    for package in sorted(packages):
        there = {str(one["packages"].get(package, "MISSING")) for one in workers.values()}
        mine = str(own.get(package, "MISSING"))
        schedulers = str(theirs.get(package, "MISSING"))
        compared = {mine, *there}
        if package in SCHEDULER_RELEVANT:
            compared.add(schedulers)
        if len(compared) > 1:
            rows.append((package, mine, schedulers, " | ".join(sorted(there)) or "None"))
    if not rows:
        return ""
    return f"Mismatched versions found\n\n{_table(('Package', 'Client', 'Scheduler', 'Workers'), rows)}"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in (columns, *rows)) for at in range(len(columns))]
    bar = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(row: tuple[str, ...]) -> str:
        cells = (f" {cell:<{width}} " for cell, width in zip(row, widths, strict=True))
        return "|" + "|".join(cells) + "|"

    return "\n".join([bar, line(columns), bar, *map(line, rows), bar])


Group = tuple[list[tuple[str, str]], int, list[str]]


def describe_mismatches(scheduler: list[tuple[str, str]], groups: list[Group]) -> str:
    """What a client that connects has to know of versions that differ from its own: where they do,
    and what to upgrade. Empty if nothing does.

    Parameters
    ----------
    scheduler : list of pairs
        Versions of the scheduler, by package.
    groups : list of tuple
        Versions of workers, how many these are, and the addresses of some.
    """
    own = get_versions()["packages"]
    lines = _lines_about("the scheduler", dict(scheduler), own, SCHEDULER_RELEVANT)
    for versions, count, addresses in groups:
        if not versions:
            continue
        where = ", ".join(addresses) + (", …" if count > len(addresses) else "")
        who = f"{count} worker{'s' if count > 1 else ''} ({where})"
        lines += _lines_about(who, dict(versions), own, (*RELEVANT, _PROTOCOL))
    if not lines:
        return ""
    return (
        "the cluster does not run on the same versions as this client, so values and functions may "
        "not be understood at the other end:\n" + "\n".join(lines)
    )


#: The topic under which the scheduler says what workers run on that nobody ran on before.
TOPIC = "worker-versions"
_FIELD = "version/"


def group_of_event(message: Any) -> Group | None:
    """What an event of the topic `TOPIC` says; None for one that somebody logged by hand."""
    if not isinstance(message, dict) or message.get("action") != "new-versions":
        return None
    found = [(name, value) for name, value in message.items() if name.startswith(_FIELD)]
    return [(name.removeprefix(_FIELD), value) for name, value in found], 1, [message["worker"]]


def _lines_about(
    who: str, theirs: dict[str, str], own: dict[str, Any], packages: tuple[str, ...]
) -> list[str]:
    lines = []
    for package in packages:
        there, here = theirs.get(package), own.get(package)
        if package == "python":
            # Pickles and functions are the same within a minor version.
            there, here = _minor(there), _minor(here)
        if there == here or (theirs == {} or (there is None and here is None)):
            continue
        lines.append(
            f"  {who}: {package} {there or 'missing'}, here {here or 'missing'}; "
            + _advice(package, there, here)
        )
    return lines


def _minor(version: str | None) -> str | None:
    return None if version is None else ".".join(version.split(".")[:2])


def _advice(package: str, there: str | None, here: str | None) -> str:
    if there is None:
        return f"install {package} there"
    if here is None:
        return f"install {package} here"
    side = "there" if _numbers(there) < _numbers(here) else "here"
    if package == _PROTOCOL:
        return f"upgrade Python {side}"
    return f"upgrade {package.capitalize() if package in ('python', 'rask') else package} {side}"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
