from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Tests and workers import `clusters` and `hosts` from here.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def cluster(tmp_path):
    from clusters import Cluster

    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()
