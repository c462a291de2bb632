"""The ``rask`` program: ``rask scheduler``, ``rask worker``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the program with these arguments; its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name. Default: those of this process.
    """
    from rask import _core

    given = sys.argv[1:] if arguments is None else arguments
    return _core.run_cli(["rask", *given], sys.executable)


if __name__ == "__main__":
    raise SystemExit(main())
