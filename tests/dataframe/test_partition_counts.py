"""How many partitions joins and sorts make, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rask.dataframe as dd


def table(rows: int, seed: int) -> pd.DataFrame:
    made = np.random.default_rng(seed)
    return pd.DataFrame({"key": made.integers(0, 50, rows), f"v{seed}": made.random(rows)})


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_join_makes_as_many_partitions_as_asked_for(count):
    left, right = table(300, 1), table(200, 2)
    lazy = dd.from_pandas(left, npartitions=4).merge(
        dd.from_pandas(right, npartitions=3), on="key", npartitions=count
    )
    assert lazy.npartitions == count
    order = ["key", "v1", "v2"]
    found = lazy.compute().sort_values(order).reset_index(drop=True)
    expected = left.merge(right, on="key").sort_values(order).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)
    default = dd.merge(dd.from_pandas(left, npartitions=4), dd.from_pandas(right, npartitions=3))
    assert default.npartitions == 4


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("count", [1, 3, 9])
@pytest.mark.parametrize("ascending", [True, False])
def test_a_sort_makes_as_many_partitions_as_asked_for(parts, count, ascending):
    whole = table(300, 1)
    lazy = dd.from_pandas(whole, npartitions=parts)
    found = lazy.sort_values("v1", ascending=ascending, npartitions=count)
    assert found.npartitions == count
    expected = whole.sort_values("v1", ascending=ascending)
    pd.testing.assert_frame_equal(found.compute(), expected)
    lengths = found.map_partitions(len).compute()
    assert lengths.max() < 2 * 300 / count
    indexed = lazy.set_index("v1", npartitions=count)
    assert indexed.npartitions == count
    pd.testing.assert_frame_equal(indexed.compute(), whole.set_index("v1").sort_index())


def test_wrong_numbers_of_partitions_are_refused():
    lazy = dd.from_pandas(table(10, 1), npartitions=2)
    for count in (0, -1, "many"):
        with pytest.raises(ValueError, match="npartitions"):
            lazy.sort_values("key", npartitions=count)
        with pytest.raises(ValueError, match="npartitions"):
            lazy.merge(lazy, on="key", npartitions=count)
