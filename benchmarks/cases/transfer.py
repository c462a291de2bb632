"""What it takes to bring large values from one worker to others of the same host."""

from __future__ import annotations

import statistics
import time

import numpy as np

from benchmarks.cases.cluster import session
from benchmarks.cases.libraries import module_of


def make(nbytes: int, seed: int):
    return np.full(nbytes // 8, seed, dtype=np.int64)


def touch(array) -> float:
    return float(array[0])


def read(array) -> int:
    return int(array.sum())


def transfers(library: str, scale: float, use) -> dict:
    """Seconds of a task beside its input, of one that brings it over, and of a gather after that."""
    distributed = module_of(library, "distributed")
    nbytes = int(128e6 * scale) // 8 * 8
    seconds: dict[str, list[float]] = {"first": [], "beside": [], "gather": []}
    with session(library) as client:
        here, there = list(client.scheduler_info()["workers"])

        def timed(kind: str, value, worker: str) -> None:
            start = time.perf_counter()
            task = client.submit(use, value, workers=[worker], pure=False)
            task.result()
            seconds[kind].append(time.perf_counter() - start)

        for seed in range(8):
            value = client.submit(make, nbytes, seed, workers=[here], pure=False)
            distributed.wait(value)
            timed("beside", value, here)
            timed("first", value, there)
            start = time.perf_counter()
            result = value.result()
            assert result[-1] == seed
            seconds["gather"].append(time.perf_counter() - start)
            del result
    medians = {kind: statistics.median(times[1:]) for kind, times in seconds.items()}
    return {"seconds": medians["first"], **{k: round(v, 6) for k, v in medians.items()}}


def case_transfer_usable(library: str, scale: float) -> dict:
    """A 128 MB array made on one worker, until the other has used one element of it."""
    return transfers(library, scale, touch)


def case_transfer_summed(library: str, scale: float) -> dict:
    """A 128 MB array made on one worker, until the other has read all of it."""
    return transfers(library, scale, read)


def case_broadcast(library: str, scale: float) -> dict:
    """A 200 MB array replicated to four workers: seconds, and the workers' memory together."""
    distributed = module_of(library, "distributed")
    nbytes = int(200e6 * scale) // 8 * 8
    with (
        distributed.LocalCluster(
            n_workers=4, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(4)
        before = shared_memory(client)
        value = client.submit(make, nbytes, 1)
        distributed.wait(value)
        start = time.perf_counter()
        client.replicate([value])
        while len(client.who_has([value]).popitem()[1]) < 4:
            time.sleep(0.001)
        seconds = time.perf_counter() - start
        workers = list(client.scheduler_info()["workers"])
        reads = [client.submit(read, value, workers=[w], pure=False) for w in workers]
        assert client.gather(reads) == [nbytes // 8] * 4
        grown = shared_memory(client) - before
    return {"seconds": seconds, "pss_mb_grown": round(grown / 1e6), "nbytes_mb": nbytes // 10**6}


def shared_memory(client) -> int:
    """The workers' memory, what several share counted once."""
    return sum(client.run(pss_bytes).values())


def pss_bytes() -> int:
    with open("/proc/self/smaps_rollup") as file:
        line = next(line for line in file if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024
