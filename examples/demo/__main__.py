"""Usage: python -m examples.demo

Runs three real jobs, first on the threads of this process within a memory budget, then the same
lines on a cluster of two worker processes; checks every answer against pandas, NumPy and a plain
loop; and says what was computed, how long it took, and where to look next.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import rask
from examples.demo import arrays, data, tables, words
from rask.diagnostics import ProgressBar
from rask.distributed import Client, LocalCluster

#: For values, on threads.
MEMORY_LIMIT = "256MiB"
#: For each worker process, interpreter and modules included.
WORKER_LIMIT = "512MiB"


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_jobs(where: str, client: Client, expected: dict) -> list[str]:
    """Runs and checks the three jobs; a line of the report for each."""
    lines = []
    jobs = {
        "tables": (tables, lambda directory: tables.run(directory)),
        "arrays": (arrays, lambda directory: arrays.run(directory)),
        "words": (words, lambda directory: words.run(directory, client)),
    }
    for name, (job, run) in jobs.items():
        print(f"\n{name}, {where}")
        with tempfile.TemporaryDirectory() as directory, ProgressBar():
            start = time.perf_counter()
            answer = run(Path(directory))
            seconds = time.perf_counter() - start
        job.check(answer, expected[name])
        lines.append(f"  {name:7s} {where:22s} {seconds:6.2f} s   {job.describe(answer)}")
    return lines


def main() -> None:
    print("Writing the data (once) ...")
    files = data.write_flights()
    data.write_photographs()
    expected = {job.__name__.rpartition(".")[2]: job.reference() for job in (tables, arrays, words)}

    with (
        rask.config.set({"memory-limit": MEMORY_LIMIT, "scheduler": "threads"}),
        Client(LocalCluster(n_workers=1, threads_per_worker=2, processes=False)) as client,
    ):
        report = run_jobs("on threads", client, expected)

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=WORKER_LIMIT) as cluster,
        Client(cluster) as client,
    ):
        report += run_jobs("on a cluster of two", client, expected)

    print(f"\nAll answers equal those of pandas, NumPy and a plain loop ({len(files)} CSV files,")
    print(f"{data.STACK_MIB} MiB of photographs through a budget of {MEMORY_LIMIT}, and through")
    print(
        f"workers of {WORKER_LIMIT}; this process's peak was {peak_mib():.0f} MiB, the interpreter"
    )
    print("and the references included):\n")
    print("\n".join(report))
    print("\nNext: README.md, docs/ for the guides, examples/demo/ for the lines that ran.")


if __name__ == "__main__":
    main()
