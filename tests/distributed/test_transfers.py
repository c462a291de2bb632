"""Values between processes of one host: through shared memory, once, and without leftovers."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import signal

import numpy as np
import pytest
from functions import wait_for

import rask
from rask.distributed import Client, LocalCluster, wait

MIB = 2**20


def make(nbytes, value):
    return np.full(nbytes, value, dtype=np.uint8)


def look(array):
    return int(array[0]), int(array[-1]), array.nbytes, array.flags.writeable


def same(array):
    return array


def hold_interpreter(path):
    """Let no other thread of the process run Python until something is written to a pipe."""
    pipe = os.open(path, os.O_RDONLY)
    ctypes.PyDLL(None).read(pipe, ctypes.create_string_buffer(1), 1)
    os.close(pipe)


def segments(process):
    """The segments that a process has open and that were lent, by inode."""
    found = set()
    for entry in os.scandir(f"/proc/{process}/fd"):
        try:
            if os.readlink(entry.path).startswith("/memfd:rask") and is_sealed(entry.path):
                found.add(os.stat(entry.path).st_ino)
        except FileNotFoundError:
            continue
    return found


def is_sealed(path):
    with open(path, "rb") as file:
        return bool(fcntl.fcntl(file, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE)


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
    assert look(gathered) == (7, 7, 8 * MIB, True)
    assert segments(os.getpid()) == segments(one)
    del gathered, made
    wait_for(lambda: not (segments(one) | segments(other) | segments(os.getpid())))


@pytest.mark.parametrize("nbytes", [4096, 8 * MIB])
def test_arrays_leave_a_worker_whose_interpreter_is_busy(client, tmp_path, nbytes):
    first, second = processes(client)
    made = client.submit(make, nbytes, 7, workers=[first], pure=False)
    wait(made)
    os.mkfifo(tmp_path / "pipe")
    holder = client.submit(hold_interpreter, str(tmp_path / "pipe"), workers=[first], pure=False)
    with open(tmp_path / "pipe", "wb"):
        seen = client.submit(look, made, workers=[second], pure=False)
        assert seen.result(timeout=30)[:3] == (7, 7, nbytes)
        assert look(made.result(timeout=30))[:3] == (7, 7, nbytes)
        assert not holder.done()
    holder.result(timeout=30)


def test_arrays_come_over_as_they_were(client):
    first, second = processes(client)
    plain = np.arange(10_000.0).reshape(100, 100)
    structured = np.zeros(1000, dtype=[("a", "i4"), ("b", "f8")])
    described = plain.astype(np.dtype("f8", metadata={"unit": "m"}))
    times = np.arange("2000-01", "2100-01", dtype="M8[D]")
    arrays = [plain, plain.T, plain[::2], plain.astype(">f4"), structured, described, times]
    for array in arrays:
        made = client.submit(same, array, workers=[first], pure=False)
        for workers in [first], [second]:
            got = client.submit(same, made, workers=workers, pure=False).result()
            np.testing.assert_array_equal(got, array)
            assert got.dtype == array.dtype
            assert got.dtype.metadata == array.dtype.metadata
            assert got.flags.f_contiguous == array.flags.f_contiguous


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
    for address in processes(client):
        assert client.submit(np.max, made, workers=[address], pure=False).result() == 9
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


def inode_of(array):
    """The file that an array's memory shows; 0 if it shows none."""
    array = np.asarray(array)
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            places, _, _, _, inode, *_ = line.split()
            start, end = (int(place, 16) for place in places.split("-"))
            if start <= address < end:
                return int(inode)
    return 0


def memory_of(value):
    """The file, and what is in it first and last."""
    array = np.asarray(value)
    return inode_of(array), float(array.flat[0]), float(array.flat[-1])


def has_huge_pages(client):
    """Whether workers of this machine make large arrays in segments."""
    return client.submit(lambda: inode_of(np.ones(4 * MIB)), pure=False).result() != 0


def make_frame(count):
    import pandas as pd

    return pd.DataFrame({"x": np.full(count, 3.0)})


@pytest.mark.parametrize(
    "make_value",
    [
        lambda: np.full(8 * MIB, 3.0),
        lambda: np.zeros(8 * MIB) + 3,
        lambda: np.concatenate([np.full(MIB, 3.0)] * 8).reshape(8, MIB),
        lambda: make_frame(8 * MIB),
    ],
    ids=["full", "sum", "concatenated", "frame"],
)
def test_what_is_made_in_a_segment_is_lent_as_it_is(client, make_value):
    if not has_huge_pages(client):
        pytest.skip("no huge pages in shared memory here")
    first, second = client.scheduler_info()["workers"]
    made = client.submit(make_value, workers=[first], pure=False)
    here = client.submit(memory_of, made, workers=[first], pure=False).result()
    there = client.submit(memory_of, made, workers=[second], pure=False).result()
    assert here == there
    assert here[0] != 0 and here[1:] == (3.0, 3.0)


def test_blocks_of_arrays_are_lent_as_they_are(client):
    if not has_huge_pages(client):
        pytest.skip("no huge pages in shared memory here")
    import rask.array as da

    first, second = client.scheduler_info()["workers"]
    array = client.persist(da.ones((4 * MIB,), chunks=4 * MIB) * 3, workers=[first])
    (block,) = array.to_delayed().ravel()
    block = client.compute(block, workers=[first])
    here = client.submit(memory_of, block, workers=[first], pure=False).result()
    there = client.submit(memory_of, block, workers=[second], pure=False).result()
    assert here == there
    assert here[0] != 0 and here[1:] == (3.0, 3.0)


def test_what_was_scattered_is_lent_by_its_worker(client):
    first, second = client.scheduler_info()["workers"]
    made = client.scatter(np.full(4 * MIB, 3.0), workers=[first], hash=False)
    here = client.submit(memory_of, made, workers=[first], pure=False).result()
    there = client.submit(memory_of, made, workers=[second], pure=False).result()
    assert here[1:] == there[1:] == (3.0, 3.0)


def make_list(nbytes):
    return [np.zeros(nbytes, dtype=np.uint8)]


def first_of(arrays):
    return int(arrays[0][0]), int(arrays[0].max())


def change(arrays):
    arrays[0][MIB] = 5
    arrays[0][0] += 1
    return arrays


def test_writing_to_what_was_lent_changes_nothing_for_its_readers(client):
    first, second = client.scheduler_info()["workers"]
    made = client.submit(make_list, 8 * MIB, workers=[first], pure=False)
    kept = client.submit(same, made, workers=[second], pure=False)
    assert client.submit(first_of, kept, workers=[second], pure=False).result() == (0, 0)
    changed = client.submit(change, made, workers=[first], pure=False)
    # Another value in the same memory: readers get what is in it now.
    assert client.submit(first_of, changed, workers=[second], pure=False).result() == (1, 5)
    assert client.submit(first_of, kept, workers=[second], pure=False).result() == (0, 0)
    assert first_of(client.gather(changed)) == (1, 5)


def fork_and_write(array):
    mine = np.array(array)
    child = os.fork()
    if child == 0:
        mine[:] = 9
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return status, int(mine.max()), mine


def test_children_of_a_worker_do_not_write_to_its_memory(client):
    first, second = client.scheduler_info()["workers"]
    made = client.submit(make, 8 * MIB, 1, workers=[first], pure=False)
    forked = client.submit(fork_and_write, made, workers=[first], pure=False)
    status, most, array = client.submit(same, forked, workers=[second], pure=False).result()
    assert (status, most) == (0, 1)
    assert look(array)[:3] == (1, 1, 8 * MIB)


def test_values_are_scattered_past_the_scheduler(client):
    first, second = client.scheduler_info()["workers"]
    arrays = [np.full(2 * MIB, number) for number in range(4)]
    futures = client.scatter(arrays, direct=True)
    wait(futures)
    assert {future.key for future in futures} == set(client.who_has(futures))
    assert {workers for (workers,) in client.who_has(futures).values()} == {first, second}
    assert client.gather(client.map(lambda array: int(array[-1]), futures)) == [0, 1, 2, 3]
    by_name = client.scatter({"a": 1}, direct=True, workers=[second])
    assert by_name["a"].result() == 1
    copied = client.scatter(np.arange(10), direct=True, broadcast=True)
    wait_for(lambda: len(client.who_has([copied])[copied.key]) == 2)


def test_a_client_may_always_scatter_directly(cluster):
    async def main():
        async with Client(
            cluster, asynchronous=True, set_as_default=False, direct_to_workers=True
        ) as client:
            (future,) = await client.scatter([41])
            assert await client.submit(lambda x: x + 1, future) == 42

    asyncio.run(main())


def test_what_was_scattered_directly_is_gone_with_its_worker(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        (first, one), *_ = processes(client).items()
        value = client.scatter([1], direct=True, workers=[first])[0]
        assert value.result() == 1
        os.kill(one, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="scattered with direct=True"):
            client.submit(abs, value, pure=False).result(timeout=30)


def managed_bytes(client):
    workers = client.scheduler_info()["workers"]
    return {address: worker["metrics"]["managed_bytes"] for address, worker in workers.items()}


def test_what_workers_have_mapped_counts_where_it_is_from(own_cluster):
    nbytes = 64 * MIB
    with Client(own_cluster, set_as_default=False) as client:
        if not has_huge_pages(client):
            pytest.skip("no huge pages in shared memory here")
        (first, one), (second, _) = processes(client).items()
        made = client.submit(make, nbytes, 1, workers=[first], allow_other_workers=True)
        wait(made)
        client.replicate([made], n=2)
        wait_for(lambda: len(client.who_has([made])[made.key]) == 2)
        marks = [
            client.submit(make, 4 * MIB, 2, workers=[address], pure=False)
            for address in (first, second)
        ]
        wait(marks)
        # What the workers say after that counts the value once.
        wait_for(lambda: managed_bytes(client)[first] >= nbytes + 4 * MIB)
        wait_for(lambda: managed_bytes(client)[second] >= 4 * MIB)
        assert managed_bytes(client)[second] < nbytes
        os.kill(one, signal.SIGKILL)
        wait_for(lambda: managed_bytes(client).get(second, 0) >= nbytes)
        assert look(made.result())[:3] == (1, 1, nbytes)


def test_shared_memory_may_be_switched_off():
    with (
        rask.config.set({"distributed.worker.memory.shared": False}),
        LocalCluster(n_workers=2, threads_per_worker=1) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        (first, one), (second, other) = processes(client).items()
        made = client.submit(make, 8 * MIB, 7, workers=[first], pure=False)
        assert client.submit(look, made, workers=[second]).result()[0] == 7
        assert not segments(one) | segments(other)
