"""Tables shuffled, sorted and joined, and arrays rechunked, on a cluster of two processes."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.cases.cluster import session
from benchmarks.cases.libraries import local_cluster, module_of

ROW_BYTES = 24
# Of a worker of a quarter of a gibibyte about 64 MiB are left to values.
MEMORY_LIMIT = 256 << 20
WORKERS_LIMIT = 2 * MEMORY_LIMIT
# Of a partition of a table that does not fit into the workers' memory.
PARTITION_BYTES = 8 << 20


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


def peak_bytes() -> tuple[int, int]:
    """Most memory that this process has had, and its number."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, os.getpid()


def measure_within_memory(library: str, nbytes: int, work: Callable[[], None]) -> dict:
    """Seconds and peak memory of work on two workers of `MEMORY_LIMIT` bytes each.

    ``workers_replaced`` are those that did not live to the end.
    """
    client, cluster = local_cluster(library, MEMORY_LIMIT)
    try:
        before = {process for _, process in client.run(peak_bytes).values()}
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        peaks = list(client.run(peak_bytes).values())
    finally:
        client.close()
        cluster.close()
    return {
        "seconds": seconds,
        "mebibytes_a_second": round(nbytes / seconds / 2**20),
        "worker_peak_rss_mib": max(peak for peak, _ in peaks) >> 20,
        "workers_replaced": len(before - {process for _, process in peaks}),
    }


def case_rechunk_memory(library: str, scale: float) -> dict:
    """An array of four times the workers' memory: rows to tiles and back to rows."""
    side = int((4 * WORKERS_LIMIT * scale / 8) ** 0.5) // 64 * 64
    arrays = module_of(library, "array")

    def work() -> None:
        rows = arrays.random.random((side, side), chunks=(side // 64, side))
        tiles = rows.rechunk((side // 8, side // 8)) + 1
        mean = float((tiles.rechunk((side // 64, side)) * 2).mean().compute())
        assert abs(mean - 3) < 0.01

    return measure_within_memory(library, side * side * 8, work)


def case_join_memory(library: str, scale: float) -> dict:
    """Two tables of four times the workers' memory together, joined by random keys."""
    frames = module_of(library, "dataframe")
    root = module_of(library)
    parts = max(1, int(2 * WORKERS_LIMIT * scale) // PARTITION_BYTES)
    rows = PARTITION_BYTES // ROW_BYTES

    def work() -> None:
        def table(first: int) -> Any:
            made = [root.delayed(make_keyed_part)(first + i, rows, parts) for i in range(parts)]
            return frames.from_delayed(made, meta=make_keyed_part(0, 0, 1))

        left, right = table(0), table(parts)
        joined = left.merge(right, on="key")
        count = sum(joined.map_partitions(len).compute())
        # Every row of the left meets one of the right on average.
        assert abs(count / (rows * parts) - 1) < 0.02

    return measure_within_memory(library, 2 * rows * parts * ROW_BYTES, work)


def measure_disk(nbytes: int, *, through_cache: bool) -> float:
    """Seconds that writing a file of so many bytes and reading it takes, where values are spilled.

    Through its cache, the system may keep in memory what it is given, as it may what is spilled;
    otherwise the time is the disk's own.
    """
    block = os.urandom(PARTITION_BYTES)
    buffer = bytearray(PARTITION_BYTES)
    start = time.perf_counter()
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(nbytes // PARTITION_BYTES):
            file.write(block)
        if not through_cache:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        while file.readinto(buffer):
            pass
        return time.perf_counter() - start


def case_sort_memory(library: str, scale: float) -> dict:
    """A table of three times the workers' memory, sorted; its values go to disk and come back.

    ``share_of_disk`` is how much of the speed of writing and reading a file of that size remains, and
    ``share_of_cache`` how much of that speed where the system keeps the file in memory.
    """
    nbytes = int(3 * WORKERS_LIMIT * scale)
    disk_seconds = measure_disk(nbytes, through_cache=False)
    cache_seconds = measure_disk(nbytes, through_cache=True)
    result = measure_sort(library, nbytes)
    return {
        **result,
        "disk_seconds": disk_seconds,
        "share_of_disk": round(disk_seconds / result["seconds"], 3),
        "share_of_cache": round(cache_seconds / result["seconds"], 3),
    }


def case_sort_fourfold(library: str, scale: float) -> dict:
    """A table of four times the workers' memory, sorted."""
    return measure_sort(library, int(4 * WORKERS_LIMIT * scale))


def measure_sort(library: str, nbytes: int) -> dict:
    """A sort of a table that does not fit into the workers' memory."""
    frames = module_of(library, "dataframe")
    root = module_of(library)
    rows, parts = PARTITION_BYTES // ROW_BYTES, nbytes // PARTITION_BYTES

    def work() -> None:
        made = [root.delayed(make_part)(number, rows) for number in range(parts)]
        table = frames.from_delayed(made, meta=make_part(0, 0)).sort_values("key")
        checks = table.map_partitions(find_ends, meta=find_ends(make_part(0, 0))).compute()
        assert checks["count"].sum() == rows * parts
        ends = checks[checks["count"] > 0][["first", "last"]].to_numpy().ravel()
        assert (ends[1:] >= ends[:-1]).all()

    return measure_within_memory(library, nbytes, work)


def find_ends(part: Any) -> Any:
    """Rows of a sorted partition, its first and its last key."""
    import pandas as pd

    assert part["key"].is_monotonic_increasing
    first, last = (part["key"].iloc[0], part["key"].iloc[-1]) if len(part) else (0, 0)
    return pd.DataFrame({"count": [len(part)], "first": [first], "last": [last]})


def make_keyed_part(number: int, rows: int, parts: int) -> Any:
    """A partition whose keys are as many as a table of this many partitions has rows."""
    import numpy as np
    import pandas as pd

    made = np.random.default_rng(number)
    keys = made.integers(0, max(1, rows * parts), rows)
    return pd.DataFrame({"key": keys, "x": made.random(rows), "y": np.arange(rows)})
