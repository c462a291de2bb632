"""How long an import takes, what it stands on (NumPy, pandas) aside."""

from __future__ import annotations

import importlib
import time


def timed_import(module: str, *before: str) -> float:
    for name in before:
        importlib.import_module(name)
    start = time.perf_counter()
    importlib.import_module(module)
    return time.perf_counter() - start


def case_import_array(library: str, scale: float) -> float:
    return timed_import(f"{library}.array", "numpy")


def case_import_dataframe(library: str, scale: float) -> float:
    return timed_import(f"{library}.dataframe", "numpy", "pandas")
