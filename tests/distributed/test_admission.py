"""Work that no worker has memory for."""

from __future__ import annotations

import pytest

import rask.array as da
from rask.distributed import Client, LocalCluster


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="400 MiB") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_what_fits_no_worker_is_refused_with_figures_and_the_line(client):
    large = da.ones((1000, 80_000), chunks=(1000, 80_000)) + 1  # the line
    with pytest.raises(MemoryError) as caught:
        client.compute(large).result()
    told = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    for part in ("610.4 MiB (640000000 bytes)", "400.0 MiB", "block 0", __file__, "rechunk"):
        assert part in told, told
    small = da.ones((1000, 80_000), chunks=(1000, 8000)) + 1
    assert client.compute(small.sum()).result() == 160_000_000
