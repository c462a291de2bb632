"""One case of one library in a process of its own; prints a line of JSON.

Usage: python -m benchmarks.case CASE LIBRARY [--scale S]

A case is a function ``case_<name>(library, scale)`` of a module in ``benchmarks/cases`` and
returns the seconds of its measured part, or a dictionary with ``seconds`` and further facts.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import sys

MODULES = ("tasks", "cluster", "shuffles", "transfer", "arrays", "tables", "imports")


def find_case(name: str):
    """The function of a case, from whichever module has it."""
    for module in MODULES:
        cases = importlib.import_module(f"benchmarks.cases.{module}")
        if hasattr(cases, f"case_{name}"):
            return getattr(cases, f"case_{name}")
    raise SystemExit(f"no case is named {name!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("library")
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    result = find_case(arguments.case)(arguments.library, arguments.scale)
    if not isinstance(result, dict):
        result = {"seconds": result}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**result, "peak_rss_mib": round(peak / 1024)}), file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
