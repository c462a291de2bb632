"""Values between processes of one host: through shared memory, once, and without leftovers."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from rask.distributed import Client, LocalCluster, wait

MIB = 2**20


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def make(nbytes, value):
    return np.full(nbytes, value, dtype=np.uint8)


def look(array):
    return int(array[0]), int(array[-1]), array.nbytes, array.flags.writeable


def same(array):
    return array


def segments(process):
    """The segments that a process has open, by inode."""
    found = set()
    for entry in os.scandir(f"/proc/{process}/fd"):
        try:
            if os.readlink(entry.path).startswith("/memfd:rask"):
                found.add(os.stat(entry.path).st_ino)
        except FileNotFoundError:
            continue
    return found


def processes(client):
    return {address: pid for address, pid in client.run(os.getpid).items()}


def private_bytes(process):
    """Memory that only this process has."""
    with open(f"/proc/{process}/smaps_rollup") as file:
        fields = dict(line.split(":") for line in file.readlines()[1:])
    names = ("Private_Clean", "Private_Dirty")
    return sum(int(fields[name].split()[0]) * 1024 for name in names)


def test_a_large_value_is_mapped_and_not_copied(client):
    (first, one), (second, other) = processes(client).items()
    made = client.submit(make, 8 * MIB, 7, workers=[first], pure=False)
    seen = client.submit(look, made, workers=[second], pure=False).result()
    assert seen == (7, 7, 8 * MIB, False)
    assert segments(one) == segments(other) != set()
    gathered = made.result()
    assert look(gathered) == seen
    assert segments(os.getpid()) == segments(one)
    del gathered, made
    wait_for(lambda: not (segments(one) | segments(other) | segments(os.getpid())))


def test_small_values_need_no_segment(client):
    (first, one), (second, other) = processes(client).items()
    made = client.submit(make, MIB // 2, 3, workers=[first], pure=False)
    assert client.submit(look, made, workers=[second], pure=False).result()[0] == 3
    assert not segments(one) | segments(other)


def test_what_was_shared_is_handed_on_without_a_copy(client):
    (first, one), (second, other) = processes(client).items()
    made = client.submit(make, 4 * MIB, 5, workers=[first], pure=False)
    again = client.submit(same, made, workers=[second], pure=False)
    back = client.submit(look, again, workers=[first], pure=False)
    assert back.result()[:3] == (5, 5, 4 * MIB)
    assert len(segments(one) | segments(other)) == 1


def test_a_replicated_value_is_in_memory_once(client):
    nbytes = 64 * MIB
    made = client.submit(make, nbytes, 9, pure=False)
    wait(made)
    before = sum(private_bytes(pid) for pid in processes(client).values())
    client.replicate([made], n=2)
    pids = list(processes(client).values())
    wait_for(lambda: all(segments(pid) for pid in pids))
    wait_for(lambda: sum(map(private_bytes, pids)) < before - nbytes // 2)
    assert len(set.union(*map(segments, pids))) == 1


@pytest.mark.parametrize("victim", ["maker", "reader"])
def test_nothing_stays_after_a_kill(own_cluster, victim):
    before = set(os.listdir("/dev/shm"))
    with Client(own_cluster, set_as_default=False) as client:
        (first, one), (second, other) = processes(client).items()
        made = client.submit(make, 8 * MIB, 1, workers=[first], allow_other_workers=True)
        seen = client.submit(same, made, workers=[second], allow_other_workers=True)
        wait(seen)
        os.kill(one if victim == "maker" else other, signal.SIGKILL)
        assert look(seen.result())[:3] == (1, 1, 8 * MIB)
        assert look(made.result())[:3] == (1, 1, 8 * MIB)
        assert set(os.listdir("/dev/shm")) == before
        survivor = other if victim == "maker" else one
        del made, seen
        wait_for(lambda: not segments(survivor))


def test_values_too_many_for_segments_still_travel():
    count = 300
    with (
        LocalCluster(n_workers=1, threads_per_worker=1) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        made = client.map(make, [MIB] * count, [i % 251 for i in range(count)])
        gathered = client.gather(made)
        assert [int(array[0]) for array in gathered] == [i % 251 for i in range(count)]
        (pid,) = processes(client).values()
        assert 0 < len(segments(pid)) <= 256
