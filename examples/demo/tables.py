"""Job 1: tables. A year of flights from CSV files, to the airlines that are late."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

import rask.dataframe as dd
from examples.demo import data


def run(directory: Path) -> pd.DataFrame:
    """Delays by origin and airline, through CSV, filter, groupby, merge, sort and Parquet."""
    flights = dd.read_csv(str(data.DIRECTORY / "flights" / "flights-*.csv"))
    airlines = dd.read_csv(data.airlines_file())

    flown = flights[flights.dep_delay.notnull() & (flights.distance > 100)]
    delays = (
        flown.groupby(["origin", "carrier"])
        .agg({"dep_delay": ["mean", "max"], "distance": "sum", "flight": "count"})
        .reset_index()
    )
    delays.columns = ["origin", "carrier", "mean_delay", "max_delay", "miles", "flights"]
    named = delays.merge(airlines, on="carrier", how="left")
    ranked = named.sort_values(["origin", "mean_delay"], ascending=[True, False])

    target = directory / "delays.parquet"
    shutil.rmtree(target, ignore_errors=True)
    ranked.to_parquet(str(target))
    return dd.read_parquet(str(target)).compute().reset_index(drop=True)


def reference() -> pd.DataFrame:
    """The same by pandas."""
    flights = pd.concat([pd.read_csv(file) for file in data.write_flights()])
    airlines = pd.read_csv(data.airlines_file())
    flown = flights[flights.dep_delay.notnull() & (flights.distance > 100)]
    delays = (
        flown.groupby(["origin", "carrier"])
        .agg({"dep_delay": ["mean", "max"], "distance": "sum", "flight": "count"})
        .reset_index()
    )
    delays.columns = ["origin", "carrier", "mean_delay", "max_delay", "miles", "flights"]
    named = delays.merge(airlines, on="carrier", how="left")
    ranked = named.sort_values(["origin", "mean_delay"], ascending=[True, False])
    return ranked.reset_index(drop=True)


def check(answer: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(answer, expected, check_dtype=False)


def describe(answer: pd.DataFrame) -> str:
    worst = answer.loc[answer.mean_delay.idxmax()]
    return (
        f"{int(answer.flights.sum()):,} flights of {answer.carrier.nunique()} airlines; the latest "
        f"on average: {worst['name']} from {worst.origin}, {worst.mean_delay:.1f} minutes"
    )
