"""Results belong to whoever asked for them: they may be written to, and nobody else sees it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from functions import wait_for

import rask
import rask.array as da
import rask.dataframe as dd
from rask.distributed import Client, Event, LocalCluster, get_client

MIB = 2**20
# Beside the key, of a message of their own, and in shared memory.
LENGTHS = [10, 10_000, MIB]


def make_array(length):
    return np.arange(length, dtype=float)


def make_columns_first(length):
    return np.asfortranarray(np.arange(2.0 * length).reshape(2, length))


def make_records(length):
    return np.zeros(length, dtype=[("number", "i4"), ("value", "f8")])


def make_nested(length):
    return {"deep": [np.arange(length), [np.zeros(length)]]}


def make_frame(length):
    return pd.DataFrame({"a": np.arange(length), "b": np.ones(length), "text": "x"})


def make_bytearray(length):
    return bytearray(length)


def set_first(value):
    """Writes into every array of a result."""
    match value:
        case np.ndarray() if value.dtype.names:
            value["value"][0] = 7
        case np.ndarray():
            value.flat[0] = 7
        case pd.DataFrame():
            value.iloc[0, 0] = 7
            value.loc[0, "b"] = 7
        case bytearray():
            value[0] = 7
        case dict() | list():
            for part in value.values() if isinstance(value, dict) else value:
                set_first(part)
    return value


def firsts(value):
    match value:
        case np.ndarray() if value.dtype.names:
            return float(value["value"][0])
        case np.ndarray():
            return float(value.flat[0])
        case pd.DataFrame():
            return int(value.iloc[0, 0]), float(value.loc[0, "b"])
        case bytearray():
            return value[0]
        case _:
            return [firsts(part) for part in (value.values() if isinstance(value, dict) else value)]


MAKERS = [
    make_array,
    make_columns_first,
    make_records,
    make_nested,
    make_frame,
    make_bytearray,
]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_result_is_the_callers_own(client, make, length):
    made = client.submit(make, length, pure=False)
    untouched = firsts(make(length))
    changed = set_first(made.result())
    assert firsts(changed) == firsts(set_first(make(length)))
    assert firsts(made.result()) == untouched
    assert client.submit(firsts, made, pure=False).result() == untouched
    (gathered,) = client.gather([made])
    set_first(gathered)
    assert firsts(made.result()) == untouched


@pytest.fixture
def unshared_client():
    with (
        rask.config.set({"distributed.worker.memory.shared": False}),
        LocalCluster(n_workers=1, threads_per_worker=1) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_what_comes_through_a_connection_may_be_written_to_as_well(unshared_client):
    for make in MAKERS:
        made = unshared_client.submit(make, MIB, pure=False)
        untouched = firsts(make(MIB))
        set_first(made.result())
        assert firsts(made.result()) == untouched


def write_in_task(length):
    made = get_client().submit(make_array, length, pure=False)
    changed = made.result()
    changed[0] = 7
    again = get_client().submit(firsts, changed, pure=False)
    return changed, float(made.result()[0]), again.result()


@pytest.mark.parametrize("length", LENGTHS)
def test_a_client_in_a_task_writes_into_its_results(client, length):
    changed, original, sent = client.submit(write_in_task, length, pure=False).result()
    assert (original, sent) == (0.0, 7.0)
    assert changed[0] == 7 and (changed[1:] == np.arange(1, length)).all()


def test_what_was_changed_is_what_is_sent_on(client):
    result = client.submit(make_array, MIB, pure=False).result()
    assert client.submit(firsts, result, pure=False).result() == 0
    result[0] = 7
    assert client.submit(firsts, result, pure=False).result() == 7
    scattered = client.scatter(result, hash=False)
    result[0] = 8
    assert scattered.result()[0] == 7
    one, many = client.submit(firsts, result, pure=False), client.map(firsts, [result], pure=False)
    result[:] = 9
    assert client.gather([one, *many]) == [8, 8]


def wait_at(gate):
    return Event(gate).wait(timeout=60)


def first_of(value, _):
    return float(value[0])


def test_what_is_changed_while_a_task_waits_is_not_sent_on(client):
    array = np.zeros(MIB)
    gate = Event("gate", client=client)
    before = client.submit(wait_at, "gate", pure=False)
    one = client.submit(first_of, array, before, pure=False)
    many = client.map(first_of, [array] * 2, [before] * 2, pure=False)
    array[:] = 7
    gate.set()
    assert client.gather([one, *many]) == [0, 0, 0]


def views_of_one(length):
    whole = np.arange(length, dtype=float)
    return [whole, whole[: length // 2]]


@pytest.mark.parametrize("length", LENGTHS)
def test_views_of_one_array_come_back_as_arrays_of_their_own(client, length):
    whole, part = client.submit(views_of_one, length, pure=False).result()
    whole[0] = 7
    assert part[0] == 0


def read_only(length):
    array = np.arange(length, dtype=float)
    array.flags.writeable = False
    return array


def first_rows(array):
    return array[:100]


@pytest.mark.parametrize("length", LENGTHS)
def test_what_tasks_may_not_write_to_is_the_callers_own_as_well(client, length):
    first, second = client.scheduler_info()["workers"]
    made = client.submit(read_only, length, pure=False, workers=[first])
    for task in (same, first_rows, make_list_of):
        passed = client.submit(task, made, pure=False, workers=[second])
        set_first(passed.result())
        assert firsts(passed.result()) == firsts(task(read_only(length)))
    set_first(made.result())
    assert made.result()[0] == 0


def same(array):
    return array


def make_list_of(array):
    return [array, {"shape": array.reshape(2, -1)}]


def rss_bytes(field):
    with open("/proc/self/smaps_rollup") as file:
        fields = dict(line.split(":") for line in file.readlines()[1:])
    return int(fields[field].split()[0]) * 1024


def test_only_what_is_written_takes_memory(client):
    length = 8 * MIB
    nbytes = 8 * length
    made = client.submit(make_array, length, pure=False)
    before = rss_bytes("Anonymous")
    result = made.result()
    assert result.sum() == length * (length - 1) / 2
    assert rss_bytes("Anonymous") - before < nbytes // 4
    result[: length // 4] = 1
    assert nbytes // 8 < rss_bytes("Anonymous") - before < nbytes * 3 // 4
    del result
    wait_for(lambda: rss_bytes("Anonymous") - before < nbytes // 8)


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("length", LENGTHS)
def test_arrays_of_one_block(client, where, length):
    source = np.arange(float(length))
    arrays = {
        "made": da.ones(length, chunks=length),
        "computed": da.ones(length, chunks=length) + 1,
        "given": da.from_array(source, chunks=length),
        "objects": da.from_array(source.astype(object), chunks=length),
        "mapped": da.from_array(source, chunks=length).map_blocks(lambda block: block + 1),
        "passed on": da.from_array(source, chunks=length).map_blocks(lambda block: block),
        "persisted": da.ones(length, chunks=length),
    }
    with rask.config.set(scheduler="threads" if where == "here" else client):
        arrays["persisted"] = arrays["persisted"].persist()
        for name, array in arrays.items():
            expected = array.compute()[0]
            first, second = rask.compute(array, array)
            first[0] = 7
            assert array.compute()[0] == expected, name
            assert name == "objects" or first is second or second[0] == expected, name
    assert source[0] == 0


@pytest.mark.parametrize("npartitions", [1, 3])
def test_tables(client, npartitions):
    frame = dd.from_pandas(make_frame(30_000), npartitions=npartitions)
    with rask.config.set(scheduler=client):
        for table in (frame, frame[["b"]], frame[frame.a > 100], frame.b + 1):
            result = table.compute()
            result.iloc[:1] = result.iloc[1:2].to_numpy()
            assert (result.iloc[0] == result.iloc[1]).all()
