"""Hosts whose packets vanish, and processes that stand still: nobody is refused or told, so everybody
has to notice by what does not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from clusters import SILENT_SECONDS, Cluster, connect, make, slow_square, total
from hosts import are_possible

from rask.distributed import Client, wait

pytestmark = pytest.mark.skipif(
    not are_possible(), reason="network namespaces need root and the program ip"
)

# A connection on which nothing is acknowledged for so long is ended by the system.
UNACKNOWLEDGED_SECONDS = 30
# Until what has to be noticed is noticed: of what is looked for twice a second, on a busy machine.
MARGIN_SECONDS = 8
COUNT = 3_000_000


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def worker_count(client: Client) -> int:
    return len(client.scheduler_info()["workers"])


def value_on(client: Client, name: str):
    """The future of a large value that only one host has, and any can make."""
    future = client.submit(make, COUNT, workers=[name], allow_other_workers=True, pure=False)
    wait([future], timeout=30)
    return future


def in_background(action: Callable[[], object]) -> list[object]:
    """What comes of something, when it comes."""
    outcomes: list[object] = []
    threading.Thread(target=lambda: outcomes.append(action()), daemon=True).start()
    return outcomes


def check_carried_on(cluster: Cluster, client: Client, lose: Callable[[], None], name: str) -> None:
    """Work goes on without a worker of which nothing is heard, and with what only it had."""
    held = value_on(client, name)
    lose()
    lost = time.monotonic()
    fetched = in_background(lambda: total(held.result()))
    used = client.submit(total, held, pure=False)
    futures = client.map(slow_square, range(500), pure=False)
    wait_until(lambda: worker_count(client) == 2, SILENT_SECONDS + MARGIN_SECONDS)
    assert client.gather(futures) == [i * i for i in range(500)]
    expected = COUNT * (COUNT - 1) // 2
    assert used.result(timeout=20) == expected
    wait_until(lambda: fetched == [expected], 20)
    # Nobody has waited for the system to end a connection.
    assert time.monotonic() - lost < UNACKNOWLEDGED_SECONDS - 5


def check_is_back(client: Client, name: str) -> None:
    client.wait_for_workers(3, timeout=20)
    assert client.submit(slow_square, 7, workers=[name], pure=False).result(timeout=20) == 49


def test_a_host_that_is_cut_off_is_given_up_and_comes_back(cluster):
    with connect(cluster) as client:
        check_carried_on(cluster, client, lambda: cluster.hosts.swallow("one"), "one")
        # The other side notices too, though nothing tells it.
        ended = "the connection to the scheduler ended"
        wait_until(
            lambda: ended in cluster.log("one").read_text(),
            UNACKNOWLEDGED_SECONDS + MARGIN_SECONDS,
        )
        cluster.hosts.deliver("one")
        check_is_back(client, "one")


def test_a_worker_that_stands_still_is_given_up_and_comes_back(cluster):
    with connect(cluster) as client:
        check_carried_on(cluster, client, lambda: cluster.freeze("two"), "two")
        cluster.thaw("two")
        check_is_back(client, "two")


def test_the_scheduler_is_cut_off_and_everybody_comes_back(cluster):
    with connect(cluster) as client:
        held = value_on(client, "three")
        futures = client.map(slow_square, range(2000), pure=False)
        wait(futures[:10], timeout=30)
        cluster.hosts.swallow("scheduler")
        # It gives all workers up, which work on and do not know it.
        time.sleep(SILENT_SECONDS + 3)
        more = client.map(slow_square, range(100), pure=False)
        cluster.hosts.deliver("scheduler")
        assert client.gather(futures) == [i * i for i in range(2000)]
        assert client.gather(more) == [i * i for i in range(100)]
        for name in ("one", "two", "three"):
            check_is_back(client, name)
        assert client.submit(total, held).result(timeout=20) == COUNT * (COUNT - 1) // 2
