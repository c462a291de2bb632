"""Tables shuffled and sorted on a cluster of two processes."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.cases.cluster import session
from benchmarks.cases.libraries import module_of

ROW_BYTES = 24


def make_part(number: int, rows: int) -> Any:
    """A partition of random keys, made where it is needed."""
    import numpy as np
    import pandas as pd

    made = np.random.default_rng(number)
    keys = made.integers(0, 1 << 40, rows)
    return pd.DataFrame({"key": keys, "x": made.random(rows), "y": np.arange(rows)})


def measure_table(library: str, nbytes: int, parts: int, method: str) -> dict:
    """Seconds of a method on a table of random rows that the workers hold."""
    frames = module_of(library, "dataframe")
    root = module_of(library)
    distributed = module_of(library, "distributed")
    rows = nbytes // ROW_BYTES // parts

    def run(rows: int) -> float:
        made = [root.delayed(make_part)(number, rows) for number in range(parts)]
        table = frames.from_delayed(made, meta=make_part(0, 0)).persist()
        distributed.wait(table)
        start = time.perf_counter()
        result = getattr(table, method)("key").persist()
        distributed.wait(result)
        seconds = time.perf_counter() - start
        assert len(result) == rows * parts
        return seconds

    with session(library):
        # The first one imports what later ones have.
        run(10)
        seconds = run(rows)
    return {"seconds": seconds, "mebibytes_a_second": round(nbytes / seconds / 2**20)}


def case_shuffle_small(library: str, scale: float) -> dict:
    """16 MB in 16 partitions, shuffled."""
    return measure_table(library, int(16e6 * scale), 16, "shuffle")


def case_shuffle_large(library: str, scale: float) -> dict:
    """1.6 GB in 64 partitions, shuffled."""
    return measure_table(library, int(1.6e9 * scale), 64, "shuffle")


def case_sort_small(library: str, scale: float) -> dict:
    """16 MB in 16 partitions, sorted."""
    return measure_table(library, int(16e6 * scale), 16, "sort_values")


def case_sort_large(library: str, scale: float) -> dict:
    """1.6 GB in 64 partitions, sorted."""
    return measure_table(library, int(1.6e9 * scale), 64, "sort_values")
