"""Operations whose rows depend on those of other partitions, against pandas."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import rask.dataframe as dd


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    made = np.random.default_rng(7)
    holes = np.where(made.random(40) < 0.4, np.nan, made.random(40))
    return pd.DataFrame(
        {
            "n": made.integers(-5, 5, 40),
            "x": holes,
            "b": made.random(40) < 0.5,
            "when": pd.date_range("2013-01-01", periods=40, freq="h"),
        }
    )


def in_parts(table, lengths: list[int]):
    """Partitions of these lengths, some of which have no rows."""
    ends = np.cumsum([0, *lengths])
    assert ends[-1] == len(table)
    parts = [table.iloc[start:end] for start, end in itertools.pairwise(ends)]
    return dd.from_map(lambda part: part, parts, meta=table.iloc[:0])


LENGTHS = ([40], [10, 10, 10, 10], [0, 1, 2, 0, 0, 30, 1, 1, 5, 0])


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("periods", [0, 1, 3, 12, 50, -1, -4, -50])
def test_rows_move_across_partitions(table, lengths, periods):
    lazy = in_parts(table, lengths)
    pd.testing.assert_frame_equal(lazy.shift(periods).compute(), table.shift(periods))
    numbers = ["n", "x"]
    found = lazy[numbers].diff(periods).compute()
    pd.testing.assert_frame_equal(found, table[numbers].diff(periods))
    found = lazy.when.diff(periods)
    assert found.dtype == table.when.diff(periods).dtype
    pd.testing.assert_series_equal(found.compute(), table.when.diff(periods))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("limit", [None, 1, 3])
@pytest.mark.parametrize("name", ["ffill", "bfill"])
def test_gaps_are_filled_across_partitions(table, lengths, name, limit):
    lazy = in_parts(table, lengths)
    found = getattr(lazy, name)(limit=limit).compute()
    pd.testing.assert_frame_equal(found, getattr(table, name)(limit=limit))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("skipna", [True, False])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
def test_totals_run_across_partitions(table, lengths, name, skipna):
    numbers = table[["n", "x"]]
    lazy = in_parts(numbers, lengths)
    found = getattr(lazy, name)(skipna=skipna)
    expected = getattr(numbers, name)(skipna=skipna)
    assert found.npartitions == len(lengths)
    pd.testing.assert_frame_equal(found.compute(), expected)
    pd.testing.assert_series_equal(getattr(lazy.n, name)().compute(), getattr(numbers.n, name)())
    across = getattr(lazy, name)(axis=1).compute()
    pd.testing.assert_frame_equal(across, getattr(numbers, name)(axis=1))
