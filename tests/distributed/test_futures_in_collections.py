"""Futures as arguments of delayed functions, and as parts of arrays, tables and bags."""

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pytest
from functions import inc

import rask
import rask.array as da
import rask.bag as db
import rask.dataframe as dd
from rask.distributed import Client


@pytest.fixture(autouse=True)
def as_default(client: Client):
    with client.as_current():
        yield


def table(n):
    return pd.DataFrame({"a": [n, n + 1]})


def test_delayed_functions_take_futures(client):
    three = client.submit(inc, 2)
    numbers = client.map(inc, range(4))
    assert rask.delayed(inc)(three).compute() == 4
    assert rask.delayed(inc)(x=three).compute() == 4
    assert rask.delayed(three).compute() == 3
    assert rask.delayed(sum)([three, *numbers[1:], 100]).compute() == 112
    assert (rask.delayed(three) + rask.delayed(numbers[3])).compute() == 7
    pair = rask.compute(rask.delayed(numbers[3]), rask.delayed(numbers[1]))
    assert pair == (4, 2)
    assert client.compute(rask.delayed(inc)(three)).result() == 4


def test_blocks_of_one_layer_are_merged_where_they_are_run_locally(client):
    numbers = client.map(inc, range(4))
    total = rask.delayed(sum)([numbers[3], numbers[0], numbers[2]])
    assert total.compute(scheduler="threads") == 8


def test_what_is_made_of_futures_keeps_their_values(client):
    frame = dd.from_delayed(client.map(table, range(3)), meta=table(0))
    bag = db.from_delayed(client.map(range, [2, 3], pure=False))
    arrays = [
        da.from_delayed(future, (3,), dtype=float)
        for future in client.map(np.ones, [3, 3], pure=False)
    ]
    delayed = rask.delayed(sum)(client.map(inc, range(10, 14), pure=False))
    gc.collect()
    client.submit(inc, 0, pure=False).result()
    assert frame.a.sum().compute() == 9
    assert bag.compute() == [0, 1, 0, 1, 2]
    assert da.concatenate(arrays).sum().compute() == 6
    assert delayed.compute() == 50


def test_from_delayed_finds_out_what_futures_are_like(client):
    frame = dd.from_delayed(client.map(table, range(3)))
    assert list(frame.columns) == ["a"]
    assert frame.a.max().compute() == 3


def test_functions_of_blocks_take_futures(client):
    two = client.submit(inc, 1)
    weights = client.scatter(np.arange(4.0), broadcast=True)
    x = da.ones(4, chunks=2)
    np.testing.assert_array_equal(
        x.map_blocks(lambda b, k: b * k, two, dtype=float).compute(), [2.0] * 4
    )
    np.testing.assert_array_equal(
        x.map_blocks(lambda b, w=None: b * w.sum(), w=weights, dtype=float).compute(), [6.0] * 4
    )
    np.testing.assert_array_equal(
        da.blockwise(lambda b, k: b * k, "i", x, "i", two, None, dtype=float).compute(), [2.0] * 4
    )
    assert db.range(4, npartitions=2).map(lambda a, b: a + b, two).compute() == [2, 3, 4, 5]
    assert db.range(4, npartitions=2).map(lambda a, b=0: a + b, b=two).compute() == [2, 3, 4, 5]
    frame = dd.from_pandas(table(1), npartitions=2)
    doubled = frame.map_partitions(lambda part, k: part * k, two, meta=table(0))
    assert doubled.compute().a.tolist() == [2, 4]
    doubled = frame.map_partitions(lambda part, k=0: part * k, k=two, meta=table(0))
    assert doubled.compute().a.tolist() == [2, 4]


def test_what_cannot_be_tried_out_needs_its_type(client):
    two = client.submit(inc, 1)
    with pytest.raises(ValueError, match="dtype= or meta="):
        da.ones(4, chunks=2).map_blocks(lambda b, k: b * k, two)
    with pytest.raises(ValueError, match="pass meta="):
        dd.from_pandas(table(1), npartitions=2).map_partitions(lambda part, k: part * k, two)


def test_a_future_that_failed_fails_what_is_made_of_it(client):
    failed = client.submit(lambda: 1 / 0, pure=False)
    with pytest.raises(ZeroDivisionError):
        rask.delayed(inc)(failed).compute()
