"""Shuffles of large partitions between workers of a host: these are lent, and no row is sent."""

from __future__ import annotations

import os
import signal

import numpy as np
import pandas as pd
import pytest

import rask
import rask.dataframe as dd
from rask.distributed import Client, wait

PARTS, ROWS = 4, 300_000


def make_part(number: int) -> pd.DataFrame:
    """A partition whose columns are large enough to lie in shared memory."""
    random = np.random.default_rng(number)
    return pd.DataFrame(
        {
            "key": random.integers(0, 1 << 40, ROWS),
            "x": random.random(ROWS),
            "y": np.arange(ROWS) + number * ROWS,
        }
    )


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.concat([make_part(number) for number in range(PARTS)], ignore_index=True)


def lazy():
    return dd.from_delayed(
        [rask.delayed(make_part)(n) for n in range(PARTS)], meta=make_part(0)[:0]
    )


def transferred(client: Client) -> tuple[int, int]:
    """Bytes that workers have had from each other, and that they have sent."""
    states = client.run(lambda dask_worker: dask_worker.state).values()
    return (
        sum(state.transfer_incoming_bytes_total for state in states),
        sum(state.transfer_outgoing_bytes_total for state in states),
    )


def test_rows_are_read_where_they_lie(cluster, table):
    with Client(cluster, set_as_default=True) as client:
        frame = lazy().persist()
        wait(frame)
        incoming, outgoing = transferred(client)
        shuffled = frame.shuffle("key").persist()
        ordered = frame.sort_values("key").persist()
        wait([shuffled, ordered])
        came, went = (
            after - before
            for after, before in zip(transferred(client), (incoming, outgoing), strict=True)
        )
        # Each worker reads half of the other's rows, in each of two shuffles. What is sent are samples,
        # and partitions that are cut elsewhere.
        assert came - went > ROWS * PARTS * 24 / 4
        found = shuffled.compute().sort_values("y", ignore_index=True)
        pd.testing.assert_frame_equal(found, table)
        expected = table.sort_values("key", ignore_index=True)
        pd.testing.assert_frame_equal(ordered.compute().reset_index(drop=True), expected)


def test_what_was_lent_stays_when_its_worker_dies(own_cluster, table):
    with Client(own_cluster, set_as_default=True) as client:
        frame = lazy().persist()
        ordered = frame.sort_values("key").persist()
        wait(ordered)
        pids = list(client.run(os.getpid).values())
        os.kill(pids[0], signal.SIGKILL)
        shuffled = frame.shuffle("key").persist()
        expected = table.sort_values("key", ignore_index=True)
        pd.testing.assert_frame_equal(ordered.compute().reset_index(drop=True), expected)
        found = shuffled.compute().sort_values("y", ignore_index=True)
        pd.testing.assert_frame_equal(found, table)
