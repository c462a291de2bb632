"""Shuffles on a cluster: what moves, what is held, and what survives."""

from __future__ import annotations

import os
import signal

import numpy as np
import pandas as pd
import pytest

import rask
import rask.dataframe as dd
from rask.distributed import Client, LocalCluster, wait

ROWS = 200_000


def make_part(number: int, rows: int) -> pd.DataFrame:
    """A partition that workers make themselves."""
    random = np.random.default_rng(number)
    return pd.DataFrame(
        {
            "key": random.integers(0, 1000, rows),
            "x": random.random(rows),
            "y": np.arange(rows) + number * rows,
        }
    )


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def table():
    return pd.concat([make_part(number, ROWS // 16) for number in range(16)], ignore_index=True)


def lazy():
    parts = [rask.delayed(make_part)(number, ROWS // 16) for number in range(16)]
    return dd.from_delayed(parts, meta=make_part(0, 0))


def incoming(client: Client) -> int:
    """Bytes of values that workers have had from each other."""
    return sum(
        client.run(lambda dask_worker: dask_worker.state.transfer_incoming_bytes_total).values()
    )


@pytest.mark.parametrize(
    "operation",
    [
        lambda frame: frame.shuffle("key"),
        lambda frame: frame.sort_values(["key", "y"]),
        lambda frame: frame.merge(frame[["y"]], on="y"),
    ],
    ids=["shuffle", "sort", "merge"],
)
def test_each_row_moves_once_at_most(client, operation):
    frame = lazy().persist()
    wait(frame)
    data = ROWS * 24
    before = incoming(client)
    result = operation(frame).persist()
    wait(result)
    # Of two workers each has half of the rows, and needs half of the other's. Whole partitions
    # would be moved sixteen times.
    assert 0 < incoming(client) - before < 2 * data


def test_answers_are_those_of_pandas(client, table):
    frame = lazy()
    shuffled = frame.shuffle("key", npartitions=5)
    assert shuffled.npartitions == 5
    keys = shuffled.map_partitions(lambda part: part[["key"]].drop_duplicates()).compute()
    assert sorted(keys.key) == sorted(table.key.unique())
    found = shuffled.compute().sort_values("y", ignore_index=True)
    pd.testing.assert_frame_equal(found, table)
    by_index = frame.set_index("key").shuffle(on_index=True).compute()
    assert by_index.y.sum() == table.y.sum()
    one_each = frame.drop_duplicates("key", split_out=4)
    assert one_each.npartitions == 4
    expected = table.drop_duplicates("key")
    pd.testing.assert_frame_equal(
        one_each.compute().sort_values("key", ignore_index=True),
        expected.sort_values("key", ignore_index=True),
    )


def test_a_shuffle_says_what_it_needs(client):
    frame = lazy()
    with pytest.raises(KeyError, match="nothing"):
        frame.shuffle("nothing")
    with pytest.raises(TypeError, match="on_index"):
        frame.shuffle()


def test_more_than_the_memory_is_sorted_within_it():
    rows, parts, limit = 250_000, 64, 256 << 20
    data = rows * parts * 24
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=limit) as cluster,
        Client(cluster, set_as_default=True) as client,
    ):
        made = [rask.delayed(make_part)(number, rows) for number in range(parts)]
        frame = dd.from_delayed(made, meta=make_part(0, 0))
        ordered = frame.sort_values("y", ascending=False).persist()
        wait(ordered)
        states = client.run(lambda dask_worker: dask_worker.state)
        held = [state.nbytes for state in states.values()]
        # Of the limit 70 % are for the process, the interpreter and its modules included.
        assert max(held) <= 0.6 * limit
        assert sum(held) + sum(state.spilled_nbytes for state in states.values()) > 0.8 * data
        assert sum(held) < 0.5 * data
        in_order = ordered.map_partitions(lambda part: part.y.is_monotonic_decreasing)
        edges = ordered.map_partitions(lambda part: part.y.iloc[[0, -1]] if len(part) else part.y)
        in_order, edges = rask.compute(in_order, edges)
        assert np.all(in_order)
        assert edges.is_monotonic_decreasing
        assert ordered.x.sum().compute() == pytest.approx(frame.x.sum().compute())


def test_a_worker_dies_in_the_middle(own_cluster, table):
    with Client(own_cluster, set_as_default=True) as client:
        frame = lazy()
        pids = list(client.run(os.getpid).values())
        result = frame.sort_values("y").persist()
        assert wait([frame.shuffle("key").persist()], return_when="FIRST_COMPLETED").done
        os.kill(pids[0], signal.SIGKILL)
        found = result.compute()
        assert (found.y.to_numpy() == table.y.to_numpy()).all()
        assert found.x.sum() == pytest.approx(table.x.sum())
