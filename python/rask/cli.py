"""The ``rask`` program: ``rask scheduler``, ``rask worker``, ``rask sim``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the program with these arguments; its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name. Default: those of this process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["worker"]:
        # Nannies are Python's: they take plugins.
        from rask.distributed._worker_cli import main as run_workers

        return run_workers(given[1:])
    from rask import _core

    if given[:1] == ["scheduler"]:
        given = list(_with_hosts(given))
    return _core.run_cli(["rask", *given], sys.executable)


def _with_hosts(arguments: list[str]) -> Iterator[str]:
    """``--interface eth0`` as the host that it is."""
    from rask.distributed._node import host_of_interface

    left = iter(arguments)
    for argument in left:
        name, equals, value = argument.partition("=")
        if name == "--interface":
            yield f"--host={host_of_interface(value if equals else next(left, ''))}"
        else:
            yield argument


if __name__ == "__main__":
    raise SystemExit(main())
