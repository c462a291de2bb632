"""Groups in several partitions, by the hash of their keys, against pandas and stock Dask."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rask.dataframe as dd


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    random = np.random.default_rng(3)
    keys = random.integers(0, 300, 3000).astype("f8")
    keys[random.random(3000) < 0.05] = np.nan
    return pd.DataFrame(
        {
            "k": keys,
            "s": random.choice(["a", "b", None], 3000),
            "x": random.random(3000),
            "n": random.integers(0, 9, 3000),
        }
    )


@pytest.mark.parametrize(
    "aggregate",
    [
        lambda g, **kw: g.x.sum(**kw),
        lambda g, **kw: g[["x", "n"]].mean(**kw),
        lambda g, **kw: g.x.median(**kw),
        lambda g, **kw: g.n.nunique(**kw),
        lambda g, **kw: g.agg({"x": ["min", "std"], "n": "count"}, **kw),
        lambda g, **kw: g.x.agg(["sum", "count"], **kw),
        lambda g, **kw: g.size(**kw),
    ],
    ids=["sum", "mean", "median", "nunique", "agg", "series-agg", "size"],
)
@pytest.mark.parametrize("by", ["k", ["k", "s"]], ids=["one", "two"])
@pytest.mark.parametrize("dropna", [True, False])
def test_groups_of_many_partitions(rows, aggregate, by, dropna):
    lazy = dd.from_pandas(rows, npartitions=5)
    result = aggregate(lazy.groupby(by, dropna=dropna), split_out=3)
    assert result.npartitions == 3
    expected = aggregate(rows.groupby(by, dropna=dropna))
    found = result.compute()
    assert len(found) == len(expected)
    compare = pd.testing.assert_frame_equal
    if isinstance(expected, pd.Series):
        compare = pd.testing.assert_series_equal
    compare(found.sort_index(), expected.sort_index(), check_dtype=False)


def test_each_partition_has_some_groups_in_order(rows):
    lazy = dd.from_pandas(rows, npartitions=5)
    result = lazy.groupby("k").x.sum(split_out=3)
    parts = [result.partitions[i].compute() for i in range(3)]
    assert all(len(part) > 50 and part.index.is_monotonic_increasing for part in parts)
    assert sum(map(len, parts)) == rows.k.nunique()


@pytest.mark.parametrize(("sort", "split_out"), [(None, 3), (None, True), (True, 3), (False, 3)])
def test_partitions_are_as_many_as_with_dask(rows, sort, split_out):
    dask = pytest.importorskip("dask.dataframe")
    ours, theirs = (
        frames.from_pandas(rows, npartitions=4).groupby("k", sort=sort).x.sum(split_out=split_out)
        for frames in (dd, dask)
    )
    assert ours.npartitions == theirs.npartitions
    pd.testing.assert_series_equal(ours.compute().sort_index(), theirs.compute().sort_index())


def test_a_number_of_partitions_is_at_least_one(rows):
    groups = dd.from_pandas(rows, npartitions=2).groupby("k")
    with pytest.raises(ValueError, match="split_out"):
        groups.x.sum(split_out=0)


def test_distinct_values_of_many_partitions(rows):
    lazy = dd.from_pandas(rows, npartitions=5)
    distinct = lazy.s.unique(split_out=2)
    assert distinct.npartitions == 2
    assert set(distinct.compute().dropna()) == {"a", "b"}
    counts = lazy.n.value_counts(split_out=3)
    assert counts.npartitions == 3
    found, expected = counts.compute(), rows.n.value_counts()
    assert found.is_monotonic_decreasing
    pd.testing.assert_series_equal(
        found.sort_index(), expected.sort_index(), check_dtype=False, check_index_type=False
    )
    with pytest.raises(ValueError, match="split_out"):
        lazy.n.value_counts(split_out=0)


def test_applied_functions_keep_the_partitions(rows):
    lazy = dd.from_pandas(rows, npartitions=4)
    result = lazy.groupby("n").apply(lambda part: part.x.max(), meta=("x", "f8"))
    assert result.npartitions == 4
    expected = rows.groupby("n")[["x"]].apply(lambda part: part.x.max())
    pd.testing.assert_series_equal(
        result.compute().sort_index(), expected, check_names=False, check_index_type=False
    )
