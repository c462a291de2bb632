"""CSV and Parquet files against pandas."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rask.dataframe as dd

CSV = {
    "types": ("a,b,c,d,e\n1,2.5,x,True,2013-01-01\n-3,,y,False,2014-05-06\n", {}),
    "missing": ("a,b,c\n1,,x\n,NA,\n3,nan,null\n", {}),
    "quotes": ('a,b\n"x,1","say ""hi"""\n"two\nlines",z\n', {}),
    "blank lines": ("a,b\n\n1,2\n\n\n3,4\n", {}),
    "carriage returns": ("a,b\r\n1,x\r\n2,y\r\n", {}),
    "no last newline": ("a,b\n1,2\n3,4", {}),
    "separator": ("a;b\n1;2,5\n3;4,5\n", {"sep": ";", "decimal": ","}),
    "thousands": ("a;b\n1,000;2\n3,400;4\n", {"sep": ";", "thousands": ","}),
    "white space": ("a  b\n1   2\n3 4\n", {"sep": r"\s+"}),
    "comment": ("a,b\n1,2 # no\n# nothing\n3,4\n", {"comment": "#"}),
    "names": ("1,2\n3,4\n", {"names": ["x", "y"], "header": None}),
    "skipped": ("junk\nmore\na,b\n1,2\n", {"skiprows": 2}),
    "columns": ("a,b,c\n1,2,3\n4,5,6\n", {"usecols": ["a", "c"]}),
    "dtype": ("a,b,c\n1,2,3\n4,5,6\n", {"dtype": {"a": "float64", "b": "str", "c": "int8"}}),
    "dates": ("a,b\n2013-01-01 05:15:00,1\n2014-02-03 00:00:01,2\n", {"parse_dates": ["a"]}),
    "repeated names": ("a,a,b\n1,2,3\n", {}),
    "empty table": ("a,b\n", {"dtype": {"a": "int64", "b": "float64"}}),
    "rows": ("a\n1\n2\n3\n", {"nrows": 2}),
    "large numbers": ("a,b\n9223372036854775807,1e300\n-9223372036854775808,-1.5e-300\n", {}),
    "short rows": ("a,b\n1\n2,3\n", {}),
    "na_values": ("a,b\n-,2\n3,-\n", {"na_values": "-"}),
}


@pytest.mark.parametrize("name", CSV)
def test_read_csv(name, tmp_path):
    text, options = CSV[name]
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode())
    result = dd.read_csv(str(path), **options).compute()
    expected = pd.read_csv(io.BytesIO(text.encode()), **options)
    pd.testing.assert_frame_equal(result, expected, check_index_type=False)


cells = st.text(alphabet='ab,"\n\r1 é', max_size=6).filter(lambda text: text.strip() == text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), cells), min_size=1, max_size=60))
def test_any_text(rows):
    import tempfile
    from pathlib import Path

    frame = pd.DataFrame(rows, columns=["number", "text"]).astype({"text": "str"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        frame.to_csv(path, index=False, quoting=2)
        lazy = dd.read_csv(str(path), dtype={"text": "str"}, keep_default_na=False)
        pd.testing.assert_frame_equal(lazy.compute(), frame)


def test_small_blocks(tmp_path):
    frame = pd.DataFrame({"a": np.arange(5000), "b": [f"text {i * 7}" for i in range(5000)]})
    path = tmp_path / "file.csv"
    frame.to_csv(path, index=False)
    for blocksize in (1000, 4097, 30_000):
        lazy = dd.read_csv(str(path), blocksize=blocksize)
        assert lazy.npartitions > 1
        pd.testing.assert_frame_equal(lazy.compute().reset_index(drop=True), frame)
        assert lazy.a.sum().compute() == frame.a.sum()


def test_quoted_newlines_across_blocks(tmp_path):
    frame = pd.DataFrame(
        {"a": np.arange(3000), "b": [f"line\nbreak, and {i}" for i in range(3000)], "c": 1.5}
    )
    path = tmp_path / "file.csv"
    frame.to_csv(path, index=False)
    lazy = dd.read_csv(str(path), blocksize=5000)
    assert lazy.npartitions > 3
    pd.testing.assert_frame_equal(lazy.compute().reset_index(drop=True), frame)


def test_csv_round_trip(tmp_path, people):
    frame = people.drop(columns=["single"])
    lazy = dd.from_pandas(frame, npartitions=3)
    files = lazy.to_csv(str(tmp_path / "part-*.csv"), index=False)
    assert len(files) == 3
    pieces = [frame.iloc[start:stop] for start, stop in ((0, 67), (67, 134), (134, 200))]
    for file, piece in zip(files, pieces, strict=True):
        expected = io.StringIO()
        piece.to_csv(expected, index=False)
        with open(file) as written:
            assert written.read() == expected.getvalue()


@pytest.mark.parametrize("compression", ["snappy", "zstd", "lz4", None])
def test_parquet_round_trip(compression, tmp_path, people):
    lazy = dd.from_pandas(people, npartitions=3)
    lazy.to_parquet(str(tmp_path / "out"), compression=compression)
    result = dd.read_parquet(str(tmp_path / "out"))
    assert result.npartitions == 3
    pd.testing.assert_frame_equal(result.compute(), people, check_categorical=False)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out" / "part.1.parquet"),
        people.iloc[67:134],
        check_categorical=False,
    )


def test_parquet_of_pandas(tmp_path, people):
    people.to_parquet(tmp_path / "a.parquet", row_group_size=50)
    lazy = dd.read_parquet(str(tmp_path / "a.parquet"), split_row_groups=True)
    assert lazy.npartitions == 4
    pd.testing.assert_frame_equal(lazy.compute(), people, check_categorical=False)
    pd.testing.assert_frame_equal(
        lazy[lazy.key > 3][["value"]].compute(), people[people.key > 3][["value"]]
    )
    indexed = people.set_index("name")
    indexed.to_parquet(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(
        dd.read_parquet(str(tmp_path / "b.parquet"), columns=["key"]).compute(), indexed[["key"]]
    )
    filtered = dd.read_parquet(
        str(tmp_path / "a.parquet"), filters=[("key", ">", 3)], columns="key"
    )
    assert filtered.compute().tolist() == people[people.key > 3].key.tolist()


def test_from_delayed(people):
    import rask

    parts = [rask.delayed(lambda i: people.iloc[i * 50 : (i + 1) * 50])(i) for i in range(4)]
    lazy = dd.from_delayed(parts, meta=people.iloc[:0])
    pd.testing.assert_frame_equal(lazy.compute(), people)
    assert lazy.key.sum().compute() == people.key.sum()
