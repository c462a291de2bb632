"""Partitions as the pandas frames that functions are given, and that are the user's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import rask.dataframe as rd
from rask.dataframe import _convert

INDEXES = {
    "range": pd.RangeIndex(10, 110, 5),
    "falling": pd.RangeIndex(100, 60, -2, name="falls"),
    "labels": pd.Index(np.arange(20)[::-1] * 3, name="label"),
    "floats": pd.Index(np.linspace(0, 1, 20)),
}


def numbers(index: pd.Index | None = None) -> pd.DataFrame:
    rows = 20
    columns = {
        "a": np.arange(rows),
        "b": np.where(np.arange(rows) % 3 == 0, np.nan, np.arange(rows) / 7),
        "c": np.arange(rows, dtype="uint8"),
        "d": np.arange(rows, dtype="float32"),
        "e": -np.arange(rows),
    }
    return pd.DataFrame(columns, index=index)


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES.keys())
def test_a_frame_of_numbers_is_what_it_was(index):
    # Partitions are sorted by their labels.
    frame = numbers(index).sort_index()
    # As made by nobody else, and as it lies in memory that others have too.
    for table in (rd.from_pandas(frame, npartitions=1), rd.from_pandas(frame, npartitions=3)):
        kept = table.map_partitions(lambda part: part.copy())
        assert_frame_equal(kept.compute(), frame, check_column_type=True)
        doubled = (table * 2).map_partitions(lambda part: part)
        assert_frame_equal(doubled.compute(), frame * 2, check_column_type=True)


def test_numbers_do_not_pass_through_arrow(monkeypatch):
    def refuse(*_):
        raise AssertionError("this is for other columns")

    frame = numbers()
    table = rd.from_pandas(frame, npartitions=2)
    with monkeypatch.context() as patch:
        patch.setattr(_convert, "to_pandas", refuse)
        assert_frame_equal((table + 1).compute(), frame + 1)
    texts = rd.from_pandas(frame.assign(t="x"), npartitions=2)
    assert_frame_equal(texts.compute(), frame.assign(t="x"))


def overwrite(part: pd.DataFrame) -> pd.DataFrame:
    part.loc[part["a"] % 2 == 0, "b"] = -1.0
    part["a"] += 1
    part.iloc[:1, 2] = 99
    return part


@pytest.mark.parametrize("columns", [["a", "b", "c"], ["a", "b", "c", "d", "e"]])
def test_functions_may_write_to_their_partition_and_nobody_sees_it(columns):
    frame = numbers()[columns]
    table = rd.from_pandas(frame, npartitions=1).persist()
    sources = {"kept": (table, frame), "made": (table * 2, frame * 2)}
    for source, (lazy, expected) in sources.items():
        found = lazy.map_partitions(overwrite).compute()
        assert_frame_equal(found, overwrite(expected.copy()), obj=source)
        assert_frame_equal(lazy.compute(), expected, obj=source)
    assert_frame_equal(table.compute(), frame)
    # What is computed is the user's.
    result = table.compute()
    overwrite(result)
    assert_frame_equal(table.compute(), frame)
