"""Descriptions and quantiles, made of summaries of partitions, against pandas'."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rask.dataframe as dd
from rask.dataframe.quantiles import Quantiles

ROWS = 1_000


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(7)
    holes = generator.random(ROWS) < 0.1
    return pd.DataFrame(
        {
            "whole": generator.integers(-1000, 1000, ROWS),
            "real": np.where(holes, np.nan, generator.normal(1e6, 1, ROWS)),
            "small": generator.random(ROWS).astype("f4"),
            "nullable": pd.array(np.where(holes, None, generator.integers(0, 9, ROWS)), "Int64"),
            "flag": generator.random(ROWS) < 0.3,
            "text": np.where(holes, None, generator.choice(["a", "b", "b", "c"], ROWS)),
            "kind": pd.Categorical(generator.choice(["x", "y", "y", "y"], ROWS), ["z", "y", "x"]),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(generator.random(ROWS), "D"),
            "lasted": pd.to_timedelta(generator.integers(0, 10**12, ROWS)),
        }
    )


def split(table, npartitions=7):
    return dd.from_pandas(table, npartitions=npartitions)


def check_equal(found, expected):
    if expected.ndim == 1:
        return pd.testing.assert_series_equal(found, expected)
    times = [name for name in ("when", "lasted") if name in expected]
    for name in times:
        for row, theirs in expected[name].items():
            mine = found[name][row]
            if isinstance(theirs, (pd.Timestamp, pd.Timedelta)):
                # pandas rounds means of times to some nanoseconds.
                assert abs(mine - theirs) <= pd.Timedelta("1us"), (name, row)
            else:
                assert mine == theirs or (pd.isna(mine) and pd.isna(theirs)), (name, row)
    pd.testing.assert_frame_equal(found.drop(columns=times), expected.drop(columns=times))


@pytest.mark.parametrize("npartitions", [1, 7, 40])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"include": "all"},
        {"percentiles": [0.001, 0.999, 0.2]},
        {"percentiles": []},
        {"include": ["number"], "exclude": ["float32"]},
        {"include": ["bool", "category"]},
        {"exclude": ["number", "timedelta"]},
    ],
    ids=str,
)
def test_descriptions_of_tables(table, npartitions, options):
    lazy = split(table, npartitions).describe(**options)
    found = lazy.compute()
    check_equal(found, table.describe(**options))
    assert list(lazy.columns) == list(found.columns)


@pytest.mark.parametrize("name", ["whole", "real", "small", "nullable", "flag", "text", "kind"])
def test_descriptions_of_columns(table, name):
    check_equal(split(table)[name].describe().compute(), table[name].describe())


def test_columns_that_have_nothing(table):
    nothing = table[["whole", "real", "text"]].copy()
    nothing["real"] = np.nan
    nothing["text"] = None
    nothing["text"] = nothing["text"].astype("str")
    check_equal(split(nothing)[["whole", "real"]].describe().compute(), nothing.describe())
    assert split(nothing).text.describe().compute()["count"] == 0


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_times_of_a_zone(table, unit):
    when = table.when.dt.as_unit(unit).dt.tz_localize("Europe/Vienna")
    found = split(when.to_frame()).when.describe().compute()
    for row, theirs in when.describe().items():
        mine = found[row]
        assert mine == theirs if row == "count" else abs(mine - theirs) <= pd.Timedelta("1us")
        assert row == "count" or mine.tz == theirs.tz


def test_what_cannot_be_described(table):
    with pytest.raises(ValueError, match="interval"):
        split(table).describe(percentiles=[50])
    with pytest.raises(ValueError, match="exclude must be None"):
        split(table).describe(include="all", exclude=["number"])
    with pytest.raises(ValueError, match="No columns match"):
        split(table).describe(include=["complex"])


@pytest.mark.parametrize("q", [0, 0.3, 1, [0.5], [0.9, 0.1]])
def test_quantiles(table, q):
    numbers = table[["whole", "real", "small"]]
    for name in numbers:
        found, expected = split(table)[name].quantile(q).compute(), table[name].quantile(q)
        if np.ndim(q):
            pd.testing.assert_series_equal(found, expected)
        else:
            assert found == pytest.approx(expected)
    found, expected = split(numbers).quantile(q).compute(), numbers.quantile(q)
    check = pd.testing.assert_frame_equal if np.ndim(q) else pd.testing.assert_series_equal
    check(found, expected, check_names=False)


def test_quantiles_of_times_and_of_what_has_none(table):
    lazy = split(table)
    assert abs(lazy.when.quantile(0.5).compute() - table.when.quantile(0.5)) < pd.Timedelta("1us")
    assert abs(lazy.lasted.quantile(0.2).compute() - table.lasted.quantile(0.2)) < pd.Timedelta(
        "1us"
    )
    with pytest.raises(TypeError, match="'text' is of dtype"):
        lazy.text.quantile(0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        lazy.real.quantile(50)


SHAPES = {
    "normal": lambda generator, count: generator.normal(size=count),
    "few": lambda generator, count: generator.integers(0, 20, count),
    "one": lambda generator, count: np.full(count, 3.0),
    "long tail": lambda generator, count: generator.pareto(0.5, count),
    "sorted": lambda generator, count: np.sort(generator.random(count)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_of_quantiles_of_many_values(shape):
    values = SHAPES[shape](np.random.default_rng(3), 1_000_000)
    parts = [Quantiles(part) for part in np.array_split(values, 100)]
    while len(parts) > 1:
        parts = [Quantiles.merged(parts[at : at + 16]) for at in range(0, len(parts), 16)]
    ordered = np.sort(values)
    for q in np.linspace(0, 1, 101):
        found, rank = parts[0].at(q), q * (len(values) - 1)
        first, last = np.searchsorted(ordered, found), np.searchsorted(ordered, found, "right")
        assert first - 1 - 0.0002 * len(values) <= rank <= last + 0.0002 * len(values)
    assert (parts[0].at(0), parts[0].at(1)) == (ordered[0], ordered[-1])


def test_summaries_are_bounded():
    import pickle

    parts = [Quantiles(np.random.default_rng(seed).random(200_000)) for seed in range(20)]
    whole = Quantiles.merged(parts)
    assert whole.count == 4_000_000
    assert all(len(pickle.dumps(summary)) < 2**20 + 1000 for summary in [*parts, whole])
