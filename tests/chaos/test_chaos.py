"""Real work on hosts of their own, while processes are killed and stopped and links are cut."""

from __future__ import annotations

import random
import threading
import time

import numpy as np
import pandas as pd
import pytest
from clusters import WORKERS, Cluster, connect, slow_square
from hosts import are_possible

import rask.array as da
import rask.dataframe as dd

pytestmark = pytest.mark.skipif(
    not are_possible(), reason="network namespaces need root and the program ip"
)

LIMIT = 120.0


class Trouble:
    """What goes wrong, one thing after another, in an order that the seed gives."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)
        self.ended = threading.Event()
        self.seen: list[str] = []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        deeds = ["kill", "stop", "cut", "kill scheduler", "cut for long"]
        self.random.shuffle(deeds)
        while not self.ended.wait(0.7):
            deed = deeds[len(self.seen) % len(deeds)]
            name = self.random.choice(WORKERS)
            if deed == "kill":
                self.cluster.kill(name)
            elif deed == "stop":
                self.cluster.stop(name, 1.0)
            elif deed == "cut":
                self.cluster.cut_off(name, 1.0)
            elif deed == "cut for long":
                self.cluster.cut_off(name, 5.0)
            else:
                self.cluster.kill("scheduler")
            self.seen.append(deed)

    def __enter__(self) -> Trouble:
        self.thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ended.set()
        self.thread.join(30)


@pytest.mark.parametrize("seed", [1, 2])
def test_answers_are_right_whatever_fails(cluster, seed):
    frame = pd.DataFrame({"key": np.arange(20_000) % 7, "x": np.arange(20_000.0)})
    numbers = np.arange(250_000.0).reshape(500, 500)
    deadline = time.monotonic() + LIMIT
    rounds = 0
    with connect(cluster) as client, Trouble(cluster, seed) as trouble:
        while len(trouble.seen) < 6:
            assert time.monotonic() < deadline, f"stands still after {trouble.seen}"
            futures = client.map(slow_square, range(300), pure=False)
            matrix = da.from_array(numbers, chunks=(100, 100))
            total = client.compute((matrix @ matrix.T).sum())
            grouped = client.compute(dd.from_pandas(frame, npartitions=8).groupby("key").x.sum())
            values = client.gather(futures, errors="raise")
            assert values == [i * i for i in range(300)]
            np.testing.assert_allclose(total.result(timeout=60), (numbers @ numbers.T).sum())
            expected = frame.groupby("key").x.sum()
            pd.testing.assert_series_equal(grouped.result(timeout=60), expected, check_names=False)
            rounds += 1
    assert rounds > 0
