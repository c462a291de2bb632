"""Peaks of memory of graphs that are known to blow it up, on a cluster and in one process.

Usage: python -m benchmarks.memory [--repeats N] [--cases NAME ...]

Each case runs with eight threads of one process, which hold every value once and free it with its last
use, and on four workers of two threads. Figures are the most of what the processes took together beyond
what they had before, in MiB: anonymous and shared memory, shared pages counted once (``Pss``), looked at
every few milliseconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable

MIB = 1 << 20
SIDE = 1024
BLOCK_SHAPE = (SIDE, SIDE)
THREADS, WORKERS = 8, 4
SAMPLING_SECONDS = 0.003


def load(block_id: tuple[int, ...], seconds: float = 0.02, rows: int = SIDE) -> object:
    """A block of 8 MiB that comes from elsewhere."""
    import numpy as np

    time.sleep(seconds)
    return np.full((rows, SIDE * SIDE // rows), float(sum(block_id)))


def reduce_slowly(blocks: list[object]) -> object:
    """Blocks to a row, slowly."""
    import numpy as np

    time.sleep(0.08)
    return np.sum([np.sum(block, axis=0) for block in blocks], axis=0)


def source(rows: int, columns: int, seconds: float = 0.02) -> object:
    import rask.array as da

    chunks = ((SIDE,) * rows, (SIDE,) * columns)
    return da.map_blocks(
        lambda block_id: load(block_id, seconds), chunks=chunks, dtype=float, meta=_meta()
    )


def _meta() -> object:
    import numpy as np

    return np.empty((0, 0))


def slow_reduction() -> object:
    import rask.array as da

    x = source(40, 8)
    return da.blockwise(reduce_slowly, "i", x, "ij", dtype=float, concatenate=False).sum()


def elementwise() -> object:
    return (source(20, 12) + source(20, 12, 0.04)).sum()


def climatology() -> object:
    import rask.array as da

    years, months, days = 12, 12, 360
    chunks = ((days // months,) * (years * months), (SIDE * SIDE // (days // months),))
    x = da.map_blocks(
        lambda block_id: load(block_id, rows=days // months),
        chunks=chunks,
        dtype=float,
        meta=_meta(),
    )
    by_day = [
        x[day * 24 + year * days : (day + 1) * 24 + year * days]
        for day in range(15)
        for year in range(years)
    ]
    groups = [da.stack(by_day[day * years : (day + 1) * years]) for day in range(15)]
    return da.concatenate([group.mean(axis=0) for group in groups]).max()


def rechunk() -> object:
    x = source(48, 1)
    return x.rechunk((48 * SIDE, SIDE // 32)).map_blocks(work, dtype=float).sum()


def work(block: object) -> object:
    time.sleep(0.02)
    return block + 1  # type: ignore[operator]


CASES: dict[str, Callable[[], object]] = {
    "slow_reduction": slow_reduction,
    "elementwise": elementwise,
    "climatology": climatology,
    "rechunk": rechunk,
}


class Sampler:
    """The most that processes take together, beyond what they took at first."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.pids = list(pids)
        self.most = 0
        self.first = self.look()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def look(self) -> int:
        taken = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/smaps_rollup") as lines:
                for line in lines:
                    if line.startswith(("Pss_Anon", "Pss_Shmem")):
                        taken += int(line.split()[1]) * 1024
        return taken

    def run(self) -> None:
        while not self.stopped.wait(SAMPLING_SECONDS):
            self.most = max(self.most, self.look())

    def __enter__(self) -> Sampler:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    @property
    def grown(self) -> int:
        return self.most - self.first


def measure(name: str, where: str) -> tuple[float, float]:
    """Bytes and seconds of one run in this process."""
    import rask

    make = CASES[name]
    if where == "threads":
        rask.config.set(scheduler="threads", num_workers=THREADS)
        source(1, 1).sum().compute()
        with Sampler([os.getpid()]) as sampler:
            began = time.perf_counter()
            make().compute()  # type: ignore[attr-defined]
            return sampler.grown, time.perf_counter() - began
    from rask.distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=WORKERS, threads_per_worker=THREADS // WORKERS, memory_limit="1 GiB"
    )
    with cluster, Client(cluster) as client:
        client.compute(source(4, 4).sum()).result()
        pids = client.run(os.getpid).values()
        with Sampler(pids) as sampler:
            began = time.perf_counter()
            client.compute(make()).result()
            return sampler.grown, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*measure(*options.one))
        return
    print(f"{'case':>16} {'threads':>16} {'cluster':>16} {'ratio':>6}")
    for name in options.cases:
        figures: dict[str, list[tuple[float, float]]] = {"threads": [], "cluster": []}
        for _ in range(options.repeats):
            for where, known in figures.items():
                command = [sys.executable, "-m", "benchmarks.memory", "--one", name, where]
                run = subprocess.run(command, check=True, capture_output=True, text=True)
                grown, seconds = run.stdout.split()[-2:]
                known.append((float(grown), float(seconds)))
        told, medians = [], []
        for known in figures.values():
            grown = statistics.median(entry[0] for entry in known) / MIB
            seconds = statistics.median(entry[1] for entry in known)
            told.append(f"{grown:.0f} MiB {seconds:.2f} s")
            medians.append(grown)
        print(f"{name:>16} {told[0]:>16} {told[1]:>16} {medians[1] / medians[0]:>6.2f}", flush=True)


if __name__ == "__main__":
    main()
