"""Groupby, joins, sorts and reductions against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rask.dataframe as dd

REDUCTIONS = (
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "var",
    "count",
    "prod",
    "sem",
    "median",
    "skew",
    "kurt",
)


@pytest.mark.parametrize("function", REDUCTIONS)
def test_reductions(function, people):
    lazy = dd.from_pandas(people, npartitions=4)
    numbers = ["key", "small", "value"]
    result = getattr(lazy[numbers], function)().compute()
    pd.testing.assert_series_equal(
        result, getattr(people[numbers], function)(), check_dtype=False, rtol=1e-6
    )
    single = getattr(lazy.value, function)().compute()
    assert single == pytest.approx(getattr(people.value, function)())


def test_more_reductions(people):
    lazy = dd.from_pandas(people, npartitions=4)
    assert lazy.name.nunique().compute() == people.name.nunique()
    assert lazy.flag.any().compute() and not lazy.flag.all().compute()
    assert lazy.value.quantile(0.3).compute() == pytest.approx(people.value.quantile(0.3))
    assert lazy.value.idxmax().compute() == people.value.idxmax()
    assert lazy.when.max().compute() == people.when.max()
    assert lazy.name.min().compute() == people.name.dropna().min()
    assert np.isnan(lazy.value.sum(skipna=False).compute())
    assert len(lazy) == len(people)


FUNCTIONS = (
    "sum", "mean", "min", "max", "std", "var", "count", "first", "last", "median", "nunique", "prod",
    "sem",
)  # fmt: skip


@pytest.mark.parametrize("keys", [["key"], ["name"], ["key", "flag"], ["kind"], ["when", "key"]])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_groupby(function, keys, people):
    lazy = dd.from_pandas(people, npartitions=5)
    result = getattr(lazy.groupby(keys)[["value", "small"]], function)().compute()
    expected = getattr(people.groupby(keys, observed=True)[["value", "small"]], function)()
    pd.testing.assert_frame_equal(
        result, expected, check_dtype=False, check_index_type=False, check_categorical=False
    )


def test_groupby_forms(people):
    people = people.assign(day=people.small.astype("int64"))
    lazy = dd.from_pandas(people, npartitions=3)
    for make in (
        lambda f: f.groupby("key").agg({"value": ["mean", "max"], "day": "sum"}),
        lambda f: f.groupby("key").agg({"value": "mean", "day": "sum"}),
        lambda f: f.groupby("key")[["value", "small"]].agg(["min", "max"]),
        lambda f: f.groupby("key").agg(late=("value", "max"), many=("small", "count")),
        lambda f: f.groupby("name", dropna=False)[["day"]].sum(),
        lambda f: f.groupby("name", sort=False)[["day"]].sum(),
    ):
        pd.testing.assert_frame_equal(make(lazy).compute(), make(people), check_index_type=False)
    for make in (
        lambda f: f.groupby("key").size(),
        lambda f: f.groupby("key").value.mean(),
        lambda f: f.groupby(f.key % 2).value.sum(),
        lambda f: f.value.groupby(f.key).max(),
        lambda f: f.groupby("key").name.first(),
        lambda f: f.groupby("key")["when"].max(),
    ):
        pd.testing.assert_series_equal(make(lazy).compute(), make(people), check_index_type=False)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("partitions", [(1, 1), (4, 1), (1, 3), (3, 4)])
def test_merge(how, partitions, people):
    left = people[["key", "name", "value"]]
    right = pd.DataFrame(
        {"key": [1, 3, 3, 9, 6], "value": [10, 20, 30, 40, 50], "x": list("abcde")}
    )
    lazy = dd.from_pandas(left, npartitions=partitions[0]).merge(
        dd.from_pandas(right, npartitions=partitions[1]), on="key", how=how
    )
    result, expected = lazy.compute(), left.merge(right, on="key", how=how)
    if partitions != (1, 1):
        order = list(expected.columns)
        result = result.sort_values(order).reset_index(drop=True)
        expected = expected.sort_values(order).reset_index(drop=True)
    pd.testing.assert_frame_equal(result, expected)


def test_merge_forms(people):
    left = people[["key", "name", "value"]].iloc[:50]
    right = pd.DataFrame({"k": [1, 3, 5], "x": list("abc")})
    indexed = right.set_index("k")

    def lazy(frame):
        return dd.from_pandas(frame, npartitions=1)

    for how in ("inner", "left"):
        for keys in (
            {"left_on": "key", "right_on": "k"},
            {"left_on": "key", "right_index": True},
        ):
            other = indexed if "right_index" in keys else right
            pd.testing.assert_frame_equal(
                lazy(left).merge(lazy(other), how=how, **keys).compute(),
                left.merge(other, how=how, **keys),
            )
    marked = lazy(left).merge(lazy(right), left_on="key", right_on="k", how="outer", indicator=True)
    expected = left.merge(right, left_on="key", right_on="k", how="outer", indicator=True)
    pd.testing.assert_frame_equal(marked.compute(), expected, check_categorical=False)
    pd.testing.assert_frame_equal(lazy(left).join(lazy(indexed)).compute(), left.join(indexed))
    with pytest.raises(ValueError, match="merge on"):
        lazy(left).merge(lazy(right), left_on="name", right_on="k")


@pytest.mark.parametrize("ascending", [True, False, [True, False]])
@pytest.mark.parametrize("na_position", ["first", "last"])
@pytest.mark.parametrize("partitions", [1, 5])
def test_sort(ascending, na_position, partitions, people):
    by = ["name", "value"]
    lazy = dd.from_pandas(people, npartitions=partitions)
    result = lazy.sort_values(by, ascending=ascending, na_position=na_position).compute()
    expected = people.sort_values(by, ascending=ascending, na_position=na_position, kind="stable")
    pd.testing.assert_frame_equal(result, expected)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3) | st.none(), st.floats(width=32)), max_size=40),
    st.integers(1, 4),
    st.booleans(),
)
def test_any_sort(rows, partitions, ascending):
    frame = pd.DataFrame(rows, columns=["a", "b"]).astype("float64")
    lazy = dd.from_pandas(frame, npartitions=partitions).sort_values(
        ["a", "b"], ascending=ascending
    )
    expected = frame.sort_values(["a", "b"], ascending=ascending, kind="stable")
    pd.testing.assert_frame_equal(lazy.compute(), expected)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "bb", None, "a long key"]), st.floats(-100, 100)),
        max_size=40,
    ),
    st.integers(1, 4),
)
def test_any_groupby(rows, partitions):
    frame = pd.DataFrame(
        {
            "a": pd.Series([row[0] for row in rows], dtype="str"),
            "b": pd.Series([row[1] for row in rows], dtype="float64"),
        }
    )
    lazy = dd.from_pandas(frame, npartitions=partitions)
    result = lazy.groupby("a").agg({"b": ["sum", "min", "count"]}).compute()
    expected = frame.groupby("a").agg({"b": ["sum", "min", "count"]})
    pd.testing.assert_frame_equal(result, expected, check_index_type=False, atol=1e-9)


def test_distinct(people):
    lazy = dd.from_pandas(people, npartitions=4)
    pd.testing.assert_frame_equal(
        lazy.drop_duplicates(subset=["key", "name"]).compute(),
        people.drop_duplicates(subset=["key", "name"]),
    )
    pd.testing.assert_frame_equal(
        lazy[["key", "flag"]].drop_duplicates(keep="last").compute(),
        people[["key", "flag"]].drop_duplicates(keep="last"),
    )
    counts = lazy.name.value_counts().compute()
    pd.testing.assert_series_equal(
        counts.sort_index(), people.name.value_counts().sort_index(), check_index_type=False
    )
    assert list(lazy.key.unique().compute()) == list(people.key.unique())


def test_order_and_index(people):
    lazy = dd.from_pandas(people, npartitions=4)
    pd.testing.assert_frame_equal(lazy.nlargest(5, "value").compute(), people.nlargest(5, "value"))
    indexed = lazy.set_index("value").compute()
    pd.testing.assert_frame_equal(
        indexed, people.sort_values("value", kind="stable").set_index("value")
    )
    pd.testing.assert_frame_equal(lazy.head(3), people.head(3))
    pd.testing.assert_frame_equal(lazy.tail(3), people.tail(3))
    for count in (1, 2, 8, 3):
        again = lazy.repartition(npartitions=count)
        assert again.npartitions == count
        pd.testing.assert_frame_equal(again.compute(), people)
    both = dd.concat([lazy, lazy])
    pd.testing.assert_frame_equal(both.compute(), pd.concat([people, people]))


def test_map_partitions(people):
    lazy = dd.from_pandas(people, npartitions=4)
    mapped = lazy.map_partitions(lambda part, n: part[["key"]] + n, 10)
    pd.testing.assert_frame_equal(mapped.compute(), people[["key"]] + 10)
    assert mapped.key.sum().compute() == (people.key + 10).sum()
    assert lazy.map_partitions(len).compute().tolist() == [50] * 4
    rows = lazy.apply(lambda row: row["key"] + 1, axis=1, meta=("key", "int64"))
    assert rows.compute().tolist() == (people.key + 1).tolist()


def test_persist(people):
    lazy = dd.from_pandas(people, npartitions=4)
    kept = lazy[lazy.value > 0].persist()
    pd.testing.assert_frame_equal(kept.compute(), people[people.value > 0])
    assert kept.key.max().compute() == people[people.value > 0].key.max()


def test_functions_of_all_rows(people):
    lazy = dd.from_pandas(people, npartitions=3)
    for name in ("cumsum", "cummax", "shift", "diff", "ffill"):
        pd.testing.assert_series_equal(
            getattr(lazy.value, name)().compute(), getattr(people.value, name)()
        )
    pd.testing.assert_frame_equal(
        lazy[["key", "value"]].describe().compute(), people[["key", "value"]].describe()
    )
    spread = lazy.groupby("key").value.apply(lambda s: s.max() - s.min(), meta=("value", "float64"))
    expected = people.groupby("key").value.apply(lambda s: s.max() - s.min())
    assert spread.npartitions == 3
    pd.testing.assert_series_equal(spread.compute().sort_index(), expected)
    ordered = lazy.groupby("key", sort=True).value
    spread = ordered.apply(lambda s: s.max() - s.min(), meta=("value", "float64"))
    pd.testing.assert_series_equal(spread.compute(), expected)
