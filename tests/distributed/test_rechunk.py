"""Rechunking on a cluster: what moves, what is held, and what survives."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import numpy as np
import pytest

import rask.array as da
from rask.distributed import Client, LocalCluster, wait

SIDE = 1024
EXPECTED = np.arange(SIDE * SIDE, dtype="f8").reshape(SIDE, SIDE)


@pytest.fixture(scope="module")
def client():
    """Of eight workers, which would each need nearly all blocks if they took them whole."""
    with (
        LocalCluster(n_workers=8, threads_per_worker=1, processes=False) as cluster,
        Client(cluster) as client,
    ):
        yield client


def incoming(client: Client) -> int:
    """Bytes of values that workers have had from each other."""
    return sum(
        client.run(lambda dask_worker: dask_worker.state.transfer_incoming_bytes_total).values()
    )


def lazy(chunks: tuple[int, int], side: int = SIDE) -> da.Array:
    """An array that workers make themselves: each element is its number."""
    return da.arange(side * side, chunks=chunks[0] * side, dtype="f8").reshape(side, side)


def held(client: Client, chunks: tuple[int, int]) -> da.Array:
    array = lazy((chunks[0], SIDE))
    if chunks[1] != SIDE:
        array = array.rechunk(chunks)
    array = array.persist()
    wait(array)
    assert array.chunksize == chunks
    return array


def persisted_in_few_moves(
    client: Client, chunks: tuple[int, int], operation: Callable[[da.Array], da.Array]
) -> da.Array:
    """What an operation makes of an array that workers hold, having moved little of its data."""
    array = held(client, chunks)
    before = incoming(client)
    result = operation(array).persist()
    wait(result)
    assert incoming(client) - before < DATA_MAX
    return result


ROWS, COLUMNS, TILES = (SIDE // 16, SIDE), (SIDE, SIDE // 16), (SIDE // 4, SIDE // 4)


# What may move of the data, where whole blocks would move seven times: all of it, and again what a
# task had fetched when another worker took it.
DATA_MAX = 2.5 * EXPECTED.nbytes


@pytest.mark.parametrize(
    ("old", "operation", "expected"),
    [
        (ROWS, lambda x: x.rechunk(COLUMNS), EXPECTED),
        (ROWS, lambda x: x.rechunk(TILES), EXPECTED),
        (TILES, lambda x: x.rechunk(ROWS), EXPECTED),
        (ROWS, lambda x: x.rechunk((SIDE // 10, SIDE)), EXPECTED),
        (ROWS, lambda x: x.rechunk(COLUMNS).T, EXPECTED.T),
        (ROWS, lambda x: (x.rechunk(COLUMNS) * 2).sum(axis=0), 2 * EXPECTED.sum(axis=0)),
    ],
    ids=["rows-columns", "rows-tiles", "tiles-rows", "other-rows", "turned", "reduced"],
)
def test_each_byte_moves_once_at_most(
    client,
    old: tuple[int, int],
    operation: Callable[[da.Array], da.Array],
    expected: np.ndarray,
):
    result = persisted_in_few_moves(client, old, operation)
    np.testing.assert_allclose(result.compute(), expected)


def test_blocks_taken_whole_are_not_cut(client):
    result = persisted_in_few_moves(client, ROWS, lambda x: x.rechunk((SIDE // 4, SIDE)))
    np.testing.assert_array_equal(result.compute(), EXPECTED)


def test_a_halo_moves_without_its_block(client):
    # A row of each of two neighbours of 64 rows each, and what was not made at home.
    result = persisted_in_few_moves(
        client, ROWS, lambda x: da.overlap.overlap(x, depth={0: 1}, boundary="none")
    )
    assert result.shape == (SIDE + 2 * 15, SIDE)


def test_rows_in_any_order_move_once(client):
    order = np.random.default_rng(0).permutation(SIDE)
    result = persisted_in_few_moves(client, ROWS, lambda x: x[order])
    np.testing.assert_array_equal(result.compute(), EXPECTED[order])


def test_more_than_the_memory_is_rechunked_within_it():
    side, limit = 8192, 256 << 20
    data = side * side * 8
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=limit) as cluster,
        Client(cluster, set_as_default=True) as client,
    ):
        array = lazy((side // 64, side), side)
        turned = (array.rechunk((side, side // 64)) + 1).rechunk((side // 64, side)).persist()
        wait(turned)
        states = client.run(lambda dask_worker: dask_worker.state).values()
        kept = [state.nbytes for state in states]
        assert max(kept) <= 0.6 * limit
        # Ordered numbers are compressed to a half.
        assert sum(kept) + sum(state.spilled_nbytes for state in states) > 0.4 * data
        assert sum(kept) < 0.5 * data
        wrong = (turned != array + 1).sum().compute()
        assert wrong == 0


def test_a_worker_dies_in_the_middle(own_cluster):
    with Client(own_cluster, set_as_default=True) as client:
        array = lazy(ROWS).map_blocks(np.positive)
        pids = list(client.run(os.getpid).values())
        turned = (array.rechunk(COLUMNS) + 1).rechunk(TILES)
        assert wait([array.rechunk(COLUMNS).persist()], return_when="FIRST_COMPLETED").done
        os.kill(pids[0], signal.SIGKILL)
        np.testing.assert_array_equal(turned.compute(), EXPECTED + 1)
