from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rask.distributed import Client, LocalCluster

# Tests and workers import `functions` from here.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def own_cluster():
    """A cluster whose workers a test may kill."""
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def narrow():
    """A client of one worker with one thread."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def strict_client():
    """Of a cluster of one small worker, where a task is given up when its worker dies once."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            memory_limit="400 MiB",
            scheduler_kwargs={"allowed_failures": 0},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
