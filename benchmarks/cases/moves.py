"""What moving data between two workers of one host costs: arrays whole, tables in a shuffle."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.cases.cluster import session
from benchmarks.cases.libraries import module_of

ROW_BYTES = 24
ARRAY_BYTES = 128 << 20


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


def make_array(number: int) -> Any:
    """128 MiB that differ from number to number."""
    import numpy as np

    return np.full(ARRAY_BYTES // 8, number, dtype="int64")


def shape_of(array: Any) -> tuple:
    return array.shape


def read_all(array: Any) -> int:
    return int(array.sum())


def measure_transfer(library: str, scale: float, task: Any) -> dict:
    """Median of the seconds that a task takes whose input is at the other worker."""
    distributed = module_of(library, "distributed")
    with session(library) as client:
        first, second = client.scheduler_info()["workers"]
        client.submit(task, client.submit(make_array, -1, workers=[second])).result()
        seconds = []
        for number in range(max(3, int(7 * scale))):
            array = client.submit(make_array, number, workers=[first])
            distributed.wait(array)
            start = time.perf_counter()
            client.submit(task, array, workers=[second], pure=False).result()
            seconds.append(time.perf_counter() - start)
            del array
    return {"seconds": statistics.median(seconds)}


def case_transfer_handle(library: str, scale: float) -> dict:
    """128 MiB from one worker to the other, until a task there has the array."""
    return measure_transfer(library, scale, shape_of)


def case_transfer_read(library: str, scale: float) -> dict:
    """128 MiB from one worker to the other, until a task there has read every byte."""
    return measure_transfer(library, scale, read_all)
