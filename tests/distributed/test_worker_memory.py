"""Workers that are short of memory, and what they say of it."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from functions import noise, process, take_for_a_while, total, wait_for, wait_for_file

from rask.distributed import Client, KilledWorker, LocalCluster

MIB = 1 << 20


def own_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return sum(int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem"))


def fill_up_to(total: int, path: str) -> int:
    """Let the process have so many bytes until the file is there."""
    taken = bytearray(b"x") * max(0, total - own_bytes())
    wait_for_file(path)
    return len(taken)


@pytest.fixture(scope="module")
def small_cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="400 MiB") as cluster:
        yield cluster


@pytest.fixture
def small(small_cluster):
    with Client(small_cluster, set_as_default=False) as client:
        yield client


def metrics(client: Client, address: str) -> dict:
    return client.scheduler_info()["workers"][address]["metrics"]


def test_a_worker_short_of_memory_pauses_and_others_do_its_work(small, tmp_path):
    gate = str(tmp_path / "gate")
    address, other = sorted(small.scheduler_info()["workers"])
    pid = small.run(process)[address]
    full = small.submit(fill_up_to, 345 * MIB, gate, workers=[address], pure=False)
    wait_for(lambda: metrics(small, address)["executing"] == 1)
    # Tasks that may run anywhere, some of which are handed to the worker before it pauses, and two
    # that may run nowhere else.
    anywhere = small.map(process, range(40), pure=False)
    only_here = [small.submit(process, workers=[address], pure=False) for _ in range(2)]
    wait_for(lambda: metrics(small, address)["paused"])
    assert pid not in small.gather(anywhere[-20:])
    later = small.map(process, range(20), pure=False)
    assert pid not in small.gather(later)
    worker = small.scheduler_info()["workers"][address]
    assert worker["status"] == "paused"
    assert worker["metrics"]["memory"] > 320 * MIB
    assert worker["metrics"]["unmanaged_bytes"] > 300 * MIB
    assert not metrics(small, other)["paused"]
    assert [future.status for future in only_here] == ["pending", "pending"]
    Path(gate).touch()
    assert full.result(timeout=30) > 200 * MIB
    assert small.gather(only_here) == [pid, pid]
    wait_for(lambda: not metrics(small, address)["paused"])
    events = [event for _, event in small.get_events(address)]
    changes = [event for event in events if event["action"] == "worker-status-change"]
    assert [change["status"] for change in changes] == ["paused", "running"]
    lines = [line for _, line in small.get_worker_logs()[address]]
    assert any("% of its memory and pauses" in line for line in lines)


def test_the_only_worker_goes_on_when_it_has_memory_again(small, tmp_path):
    gate = str(tmp_path / "gate")
    addresses = sorted(small.scheduler_info()["workers"])
    full = [
        small.submit(fill_up_to, 345 * MIB, gate, workers=[address], pure=False)
        for address in addresses
    ]
    wait_for(lambda: all(metrics(small, address)["paused"] for address in addresses))
    waiting = small.map(process, range(20), pure=False)
    Path(gate).touch()
    assert len(small.gather(waiting)) == 20
    assert all(future.result() > 200 * MIB for future in full)
    wait_for(lambda: not any(metrics(small, address)["paused"] for address in addresses))


def test_memory_is_measured_by_task(small):
    small.submit(take_for_a_while, 100 * MIB, pure=False).result(timeout=30)
    small.gather(small.map(process, range(50), pure=False))
    stream = small.get_task_stream(count=60)
    (taken,) = [task for task in stream if task["name"] == "take_for_a_while"]
    assert 95 * MIB < taken["working_bytes"] < 150 * MIB
    # What takes no time is not looked at, but for the first of its kind.
    others = [task["working_bytes"] for task in stream if task["name"] == "process"]
    assert len(others) >= 50 and sum(nbytes > 0 for nbytes in others) < 5


def take_more_and_more(first: int, then: int) -> None:
    taken = [bytearray(b"x") * first]
    time.sleep(1.5)
    taken.append(bytearray(b"x") * then)
    time.sleep(3600)


def test_a_death_tells_what_the_task_took(strict_client):
    greedy = strict_client.submit(take_more_and_more, 200 * MIB, 300 * MIB)
    with pytest.raises(KilledWorker, match=r"the process had grown by (19|2\d|3\d)\d MiB"):
        greedy.result(timeout=60)


def limit_files(nbytes: int) -> None:
    """No file of this process may be larger."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, hard))


def test_a_full_disk_loses_no_value():
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, memory_limit="400 MiB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        (address,) = client.scheduler_info()["workers"]
        pid = client.run(process)[address]
        client.run(limit_files, 32 * MIB)
        arrays = client.map(noise, range(16), nbytes=40 * MIB)
        wait_for(lambda: metrics(client, address)["spill_error"])
        assert "too large" in metrics(client, address)["spill_error"].lower()
        # More than the memory is not begun: the worker pauses, and lives.
        wait_for(lambda: metrics(client, address)["paused"])
        done = [future for future in arrays if future.status == "finished"]
        assert 0 < len(done) < 8
        assert all(future.status in ("finished", "pending") for future in arrays)
        client.run(limit_files, resource.RLIM_INFINITY)
        sums = client.map(total, arrays)
        expected = [total(noise(seed, 40 * MIB)) for seed in range(16)]
        assert client.gather(sums) == expected
        assert not metrics(client, address)["spill_error"]
        assert client.run(process) == {address: pid}
        assert metrics(client, address)["spilled_bytes"]["disk"] > 300 * MIB
        actions = [event["action"] for _, event in client.get_events(address)]
        assert "spill-failed" in actions and "spill-resumed" in actions
        lines = [line for _, line in client.get_worker_logs()[address]]
        assert any("values cannot be written to disk" in line for line in lines)


def test_views_of_an_array_count_as_it_does(small):
    import numpy as np

    address = min(small.scheduler_info()["workers"])

    def counts(least: float, most: float) -> bool:
        return least < metrics(small, address)["managed_bytes"] / 16e6 < most

    whole = small.submit(np.ones, 2_000_000, workers=[address], pure=False)
    views = [
        small.submit(lambda array, i=i: array[i:], whole, workers=[address], pure=False)
        for i in range(4)
    ]
    small.gather(small.map(len, views))
    wait_for(lambda: counts(0.9, 1.2))
    # What they look into stays as long as one of them.
    del whole, views[1:]
    wait_for(lambda: counts(0.9, 1.2))
    views.clear()
    wait_for(lambda: counts(-0.1, 0.2))
