"""Bad input gets a clear error that names the user's line, before any work where it can be known."""

from __future__ import annotations

import linecache
import traceback

import numpy as np
import pandas as pd
import pytest

import rask
import rask.array as da
import rask.dataframe as dd

THIS_FILE = __file__


def text_of(error: BaseException) -> str:
    """The error as a user sees it, notes included."""
    return "".join(traceback.format_exception(error))


def line_number_of(marker: str) -> int:
    """The number of the line of this file that carries the marker."""
    lines = linecache.getlines(THIS_FILE)
    (number,) = [i for i, line in enumerate(lines, 1) if line.rstrip().endswith(f"# {marker}")]
    return number


def test_missing_file_is_known_before_any_work(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing-\*\.csv"):
        dd.read_csv(str(tmp_path / "nothing-*.csv"))
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        dd.read_parquet(str(tmp_path / "absent.parquet"))


def test_ragged_csv_names_file_and_line(tmp_path):
    path = tmp_path / "ragged.csv"
    path.write_text("a,b\n1,2\n3,4\n5,6,7\n8,9\n")
    with pytest.raises(Exception, match=r"ragged\.csv") as caught:
        dd.read_csv(str(path)).compute()
    assert "line 4" in text_of(caught.value)


def test_dtype_clash_between_files_names_column_and_remedy(tmp_path):
    (tmp_path / "part-0.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "part-1.csv").write_text("a,b\n1,2\n" + "3,4\n" * 200_000 + "x,5\n")
    with pytest.raises((ValueError, TypeError)) as caught:
        dd.read_csv(str(tmp_path / "part-*.csv"), sample=64).compute()
    text = text_of(caught.value)
    assert "'a'" in text
    assert "part-1.csv" in text
    assert "dtype=" in text


def test_shapes_that_do_not_broadcast():
    x = da.ones((4, 3), chunks=2)
    y = da.ones((5,), chunks=2)
    with pytest.raises(ValueError, match=r"\(4,3\).*\(5,\)"):
        x + y


def test_unknown_column_suggests_near_ones():
    frame = dd.from_pandas(
        pd.DataFrame({"dep_delay": [1, 2], "carrier": ["a", "b"]}), npartitions=1
    )
    with pytest.raises(KeyError, match="dep_delay"):
        frame["dep_dely"]
    with pytest.raises(KeyError):
        frame.groupby("carier").dep_delay.sum()
    with pytest.raises(KeyError):
        frame.merge(frame, on="carier")


def fail_on_three(x: int) -> int:
    if x == 3:
        raise ZeroDivisionError("three is not allowed")
    return x


def test_raising_delayed_names_the_line_that_made_it():
    values = [rask.delayed(fail_on_three)(i) for i in range(5)]  # makes the delayed
    with pytest.raises(ZeroDivisionError, match="three is not allowed") as caught:
        rask.compute(*values)
    text = text_of(caught.value)
    assert "fail_on_three" in text
    assert f"test_bad_input.py:{line_number_of('makes the delayed')}" in text


def test_raising_block_names_the_line_that_made_it():
    def fail(block):
        raise RuntimeError("this block is bad")

    x = da.ones((4,), chunks=2)
    y = x.map_blocks(fail, dtype="float64")  # makes the blocks
    with pytest.raises(RuntimeError, match="this block is bad") as caught:
        (y + 1).compute()
    assert f"test_bad_input.py:{line_number_of('makes the blocks')}" in text_of(caught.value)


def test_raising_partition_names_the_line_that_made_it():
    def fail(frame):
        raise RuntimeError("this partition is bad")

    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    mapped = frame.map_partitions(fail, meta=frame)  # makes the partitions
    with pytest.raises(RuntimeError, match="this partition is bad") as caught:
        mapped.compute()
    assert f"test_bad_input.py:{line_number_of('makes the partitions')}" in text_of(caught.value)


def test_results_before_a_failure_are_not_lost(tmp_path):
    """Persisted work is still there after a later computation failed."""
    x = (da.arange(10, chunks=5) + 1).persist()
    with pytest.raises(ZeroDivisionError):
        x.map_blocks(lambda block: 1 // 0, dtype="int64").compute()
    np.testing.assert_array_equal(x.compute(), np.arange(10) + 1)
