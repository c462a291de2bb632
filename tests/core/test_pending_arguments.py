"""Functions of blocks and partitions with arguments that are still to be computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rask
import rask.array as da
import rask.dataframe as dd
from rask.delayed import delayed


@delayed
def settings():
    return {"factor": 2}


def scale(block, settings):
    return block * settings["factor"]


def test_map_blocks():
    x = da.arange(6, chunks=3)
    expected = np.arange(6) * 2
    for result in (
        x.map_blocks(scale, settings(), dtype=x.dtype),
        x.map_blocks(scale, settings=settings(), dtype=x.dtype),
        da.blockwise(scale, "i", x, "i", settings(), None, dtype=x.dtype),
        da.blockwise(scale, "i", x, "i", settings=settings(), dtype=x.dtype),
    ):
        assert result.chunks == x.chunks
        np.testing.assert_array_equal(result.compute(), expected)


def test_places_of_blocks_and_values_to_come():
    def place(block, settings, offset=0, block_id=None):
        return block + settings["factor"] * block_id[0] + offset

    x = da.zeros(4, chunks=2)
    result = x.map_blocks(place, settings(), offset=delayed(10), dtype=float)
    np.testing.assert_array_equal(result.compute(), [10, 10, 12, 12])


def test_collections_among_keyword_arguments_are_whole():
    x = da.ones(4, chunks=2)
    result = x.map_blocks(lambda block, w=None: block * w.sum(), w=da.arange(4), dtype=float)
    np.testing.assert_array_equal(result.compute(), [6.0] * 4)


def test_the_value_is_computed_once(tmp_path):
    def count():
        with open(tmp_path / "calls", "a") as file:
            file.write("x")
        return {"factor": 3}

    x = da.ones(10, chunks=1).map_blocks(scale, delayed(count)(), dtype=float)
    assert x.sum().compute() == 30
    assert (tmp_path / "calls").read_text() == "x"


def test_map_partitions():
    table = pd.DataFrame({"a": [1, 2, 3]})
    frame = dd.from_pandas(table, npartitions=2)
    for result in (
        frame.map_partitions(scale, settings(), meta=table),
        frame.map_partitions(scale, settings=settings(), meta=table),
        frame.a.map_partitions(scale, settings(), meta=table.a).to_frame(),
    ):
        pd.testing.assert_frame_equal(result.compute(), table * 2)


def test_types_cannot_be_found_without_the_values():
    with pytest.raises(ValueError, match="scale cannot be tried out"):
        da.ones(4, chunks=2).map_blocks(scale, settings())
    with pytest.raises(ValueError, match="scale cannot be tried out"):
        da.blockwise(scale, "i", da.ones(4, chunks=2), "i", settings(), None)
    with pytest.raises(ValueError, match="'scale' cannot be tried out"):
        dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1).map_partitions(scale, settings())
    with pytest.raises(NotImplementedError, match="delayed values alone"):
        da.map_blocks(len, rask.delayed([1]), chunks=((1,),), dtype=int)
