"""Work that no worker has memory for."""

from __future__ import annotations

import numpy as np
import pytest

import rask.array as da
from rask.distributed import Client, LocalCluster

ROWS, COLUMNS = 1000, 80_000
BYTES = "610.4 MiB (640000000 bytes)"
LIMIT = "400.0 MiB (419430400 bytes)"


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="400 MiB") as cluster,
        Client(cluster) as client,
    ):
        yield client


def native_block(columns: int):
    """A native array that is made of others, so that nothing of it can be left out."""
    tall = da.ones((ROWS, 10), chunks=(ROWS, 10))
    return tall @ da.ones((10, COLUMNS), chunks=(10, columns))


def make(block_info=None):
    """A block of Python's making."""
    return np.ones((ROWS, COLUMNS))


def python_block():
    return da.map_blocks(make, chunks=((ROWS,), (COLUMNS,)), dtype=float, meta=np.empty((0, 0)))


def refusal(client: Client, array) -> str:
    """All that a user is told who computes it."""
    with pytest.raises(MemoryError) as caught:
        client.compute(array).result()
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


def workers_of(client: Client) -> set[int]:
    return {worker["pid"] for worker in client.run(worker_pid).values()}


def worker_pid() -> dict[str, int]:
    import os

    return {"pid": os.getpid()}


def test_what_fits_no_worker_is_refused_with_figures_and_the_line(client):
    large = da.ones((ROWS, COLUMNS), chunks=(ROWS, COLUMNS)) + 1  # the line
    told = refusal(client, large)
    for part in (BYTES, LIMIT, "block 0", __file__, "rechunk"):
        assert part in told, told
    small = da.ones((ROWS, COLUMNS), chunks=(ROWS, COLUMNS // 10)) + 1
    assert client.compute(small.sum()).result() == 160_000_000


def test_a_block_to_be_cut_is_refused(client):
    before = workers_of(client)
    told = refusal(client, native_block(COLUMNS).rechunk((100, COLUMNS // 10)))
    for part in (BYTES, LIMIT, "-cut", __file__):
        assert part in told, told
    cut = native_block(COLUMNS // 10).rechunk((100, COLUMNS // 10))
    assert client.compute(cut.sum()).result() == 800_000_000
    assert workers_of(client) == before


def test_inputs_that_are_too_many_at_once_are_refused(client):
    before = workers_of(client)
    blocks = da.ones((ROWS, COLUMNS), chunks=(ROWS, COLUMNS // 10)).map_blocks(np.negative)
    together = da.blockwise(len, "", blocks, "ij", dtype=int, concatenate=False)
    told = refusal(client, together)
    for part in ("needs 10 values at once", LIMIT, __file__):
        assert part in told, told
    assert workers_of(client) == before


def test_an_array_that_is_sent_whole_is_refused(client):
    before = workers_of(client)
    sent = da.from_array(np.ones((ROWS, COLUMNS)), chunks=(ROWS, COLUMNS))
    told = refusal(client, sent.map_blocks(np.negative).sum())
    assert "610.4 MiB" in told and LIMIT in told, told
    assert workers_of(client) == before


def test_what_python_makes_ends_one_worker_at_most(client):
    before = workers_of(client)
    told = refusal(client, python_block().rechunk((100, COLUMNS // 10)).sum())
    for part in (BYTES, LIMIT, "when that died", __file__):
        assert part in told, told
    client.wait_for_workers(2)
    assert len(before - workers_of(client)) == 1
