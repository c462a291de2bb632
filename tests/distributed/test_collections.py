"""Collections whose blocks the cluster holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import rask.array as da
import rask.dataframe as dd
from rask import delayed
from rask.distributed import Client, futures_of, wait


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        yield client


def test_wait_follows_the_blocks_of_persisted_collections(client):
    held = da.ones(50, chunks=10).persist()
    done, not_done = wait(held)
    assert len(done) == 5 and not not_done
    assert {future.status for future in futures_of(held)} == {"finished"}


def test_futures_of_finds_collections_in_containers_and_below_further_work(client):
    left, right = da.ones(6, chunks=2).persist(), da.zeros(4, chunks=2).persist()
    found = futures_of([left + 1, {"right": right}], client)
    assert len(found) == 5
    np.testing.assert_equal(np.concatenate(client.gather(found[:3])), np.ones(6))


def test_nothing_persisted_has_no_futures(client):
    assert futures_of(da.ones(6, chunks=2)) == []


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
@pytest.mark.parametrize("scheduler", [None, "threads"])
def test_single_futures_of_one_map_make_an_array(client, order, scheduler):
    futures = client.map(np.full, [(3,)] * 4, range(4))
    pieces = [da.from_delayed(delayed(futures[i]), (3,), dtype=int) for i in order]
    found = da.concatenate(pieces).compute(scheduler=scheduler)
    np.testing.assert_equal(found, np.repeat(order, 3))


def overwrite(part):
    part["a"] += 1
    part.loc[part["b"] > 10, "b"] = -1.0
    return part


@pytest.mark.parametrize("rows", [100, 600_000], ids=["small", "in shared memory"])
def test_functions_that_write_to_partitions_leave_held_values_as_they_are(client, rows):
    frame = pd.DataFrame({"a": np.arange(rows), "b": np.arange(rows, dtype=float)})
    whole = dd.from_pandas(frame, npartitions=2).persist(scheduler=client)
    held = whole.shuffle("a", npartitions=2).persist(scheduler=client)
    written = [table.map_partitions(overwrite) for table in (whole, held)]
    for result in client.compute(written, sync=True):
        assert_frame_equal(result.sort_values("a"), overwrite(frame.copy()))
    for table in (whole, held):
        assert_frame_equal(client.compute(table, sync=True).sort_values("a"), frame)
