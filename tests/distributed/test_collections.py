"""Collections whose blocks the cluster holds."""

from __future__ import annotations

import numpy as np
import pytest

import rask.array as da
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
