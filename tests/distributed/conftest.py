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
