"""Second copies of tasks that take long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import rask
from rask.distributed import Client, LocalCluster, wait

COUNT = 12


def straggle(number, folder):
    """The first run of the last one goes on until the gate is open."""
    if number == COUNT - 1:
        try:
            open(Path(folder) / "first", "x").close()
        except FileExistsError:
            return number
        while not (Path(folder) / "gate").exists():
            time.sleep(0.01)
    return number


def test_a_copy_of_a_task_that_takes_long_ends_before_it(tmp_path):
    with (
        rask.config.set({"distributed.scheduler.speculation": 2}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        futures = client.map(straggle, range(COUNT), folder=str(tmp_path))
        _, waiting = wait(futures, timeout=30)
        (tmp_path / "gate").touch()
        assert not waiting
        assert client.gather(futures) == list(range(COUNT))
        assert client.submit(sum, [1, 2]).result(timeout=30) == 3


def test_a_factor_that_makes_no_sense_is_refused():
    with (
        rask.config.set({"distributed.scheduler.speculation": 0.5}),
        pytest.raises(ValueError, match="more than 1"),
    ):
        LocalCluster(n_workers=0, processes=False)
