"""Workers that leave in order, and clusters that scale with the work."""

from __future__ import annotations

import numpy as np
import pytest
from functions import inc, slow_square, wait_for

from rask.distributed import Adaptive, Client, LocalCluster
from rask.distributed.adaptive import decide_target


def make(x):
    with open(f"{x[0]}", "a") as file:
        file.write("x")
    return np.full(10_000, x[1])


def test_a_retired_worker_leaves_its_data_with_others(own_cluster, tmp_path):
    with Client(own_cluster, set_as_default=False) as client:
        paths = [str(tmp_path / f"{at}") for at in range(20)]
        futures = client.map(make, list(zip(paths, range(20), strict=True)))
        scattered = client.scatter(list(range(5)))
        slow = client.map(slow_square, range(30))
        client.gather(futures)
        retired = client.retire_workers(["0"], timeout=30)
        assert [worker["name"] for worker in retired.values()] == ["0"]
        assert {worker["name"] for worker in client.scheduler_info()["workers"].values()} == {"1"}
        values = client.gather(futures)
        assert [int(value[0]) for value in values] == list(range(20))
        assert client.gather(scattered) == list(range(5))
        assert client.gather(slow) == [x * x for x in range(30)]
        assert all((tmp_path / f"{at}").read_text() == "x" for at in range(20))
        with pytest.raises(ValueError, match="no worker 'nobody'"):
            client.retire_workers(["nobody"])


def test_scaling_down_moves_data_first(tmp_path):
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, processes=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        paths = [str(tmp_path / f"{at}") for at in range(12)]
        futures = client.map(make, list(zip(paths, range(12), strict=True)))
        client.gather(futures)
        cluster.scale(1)
        wait_for(lambda: len(cluster.observed) == 1)
        sums = client.gather([client.submit(np.sum, future) for future in futures])
        assert sums == [10_000 * at for at in range(12)]
        assert all((tmp_path / f"{at}").read_text() == "x" for at in range(12))


def test_a_cluster_adapts_to_its_work():
    with (
        LocalCluster(n_workers=0, threads_per_worker=1, processes=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        adaptive = cluster.adapt(
            minimum=0, maximum=3, interval="20ms", target_duration="100ms", wait_count=2
        )
        assert isinstance(adaptive, Adaptive)
        futures = client.map(slow_square, range(100), seconds=0.05)
        wait_for(lambda: len(cluster.observed) == 3)
        assert client.gather(futures) == [x * x for x in range(100)]
        del futures
        wait_for(lambda: len(cluster.observed) == 0)
        assert client.submit(inc, 1).result(timeout=30) == 2
        assert next(entry["status"] for _, entry in adaptive.log) == "up"
        adaptive.stop()
    with pytest.raises(ValueError, match="minimum=5"):
        Adaptive(cluster, minimum=5, maximum=2)


def worker(processing=0, nbytes=0, nthreads=1, memory_limit=100):
    return {
        "processing": processing,
        "nbytes": nbytes,
        "nthreads": nthreads,
        "memory_limit": memory_limit,
    }


@pytest.mark.parametrize(
    ("work", "workers", "target"),
    [
        ((0, 0, 0.0), [], 0),
        ((0, 0, 0.0), [worker()], 0),
        ((1, 1, 0.001), [], 1),
        ((100, 100, 100.0), [], 20),
        ((100, 3, 100.0), [], 3),
        ((100, 100, 100.0), [worker(1)], 20),
        # Ends sooner than a worker starts.
        ((100, 100, 0.9), [worker(1)], 1),
        # Four threads a worker.
        ((100, 100, 100.0), [worker(1, nthreads=4)], 5),
        # Values need the room of two workers.
        ((0, 0, 0.0), [worker(nbytes=80), worker(nbytes=20), worker(), worker()], 2),
    ],
)
def test_how_many_workers_the_work_needs(work, workers, target):
    assert decide_target(*work, workers, target_duration=5.0, start_seconds=1.0) == target
