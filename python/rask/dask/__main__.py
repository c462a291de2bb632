"""Usage: python -m rask.dask SCRIPT [ARGUMENT ...]
       python -m rask.dask -m MODULE [ARGUMENT ...]

Runs an unchanged Dask program on Rask.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from rask.dask.modules import install


def main(arguments: list[str]) -> None:
    """Runs the program named by the arguments, with Rask answering for Dask's modules."""
    as_module = arguments[:1] == ["-m"]
    program = arguments[1:] if as_module else arguments
    if not program or program[0] in ("-h", "--help"):
        print(__doc__)
        raise SystemExit(0 if program else 2)
    install()
    sys.argv = program
    if as_module:
        sys.path.insert(0, "")
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(program[0]).resolve().parent))
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
