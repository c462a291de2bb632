"""Futures and collections of one client in the hands of another."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from functions import inc

import rask.array as da
import rask.bag as db
from rask.distributed import Client, Future, as_completed, get_client, wait


@pytest.fixture
def other(cluster):
    with Client(
        cluster.scheduler_address, security=cluster.security, set_as_default=False
    ) as client:
        yield client


def length(text):
    return len(text)


def test_pickled_futures_belong_to_the_client_that_is_current(client, other):
    future = client.submit(inc, 1)
    with other.as_current():
        copy = pickle.loads(pickle.dumps(future))
    assert copy.client is other and copy == future
    assert copy.result() == 2
    assert other.submit(inc, copy).result() == 3


def test_a_future_outlives_the_client_that_made_it(cluster, other):
    with Client(cluster, set_as_default=False) as first:
        future = first.submit(inc, 41, pure=False)
        with other.as_current():
            copy = pickle.loads(pickle.dumps(future))
        wait(copy)
    assert copy.result() == 42
    with pytest.raises(ValueError, match="connection ended"):
        other.submit(inc, future)


def test_futures_of_two_clients_in_one_call(client, other):
    mine, theirs = client.submit(inc, 1), other.submit(inc, 2)
    assert client.gather([theirs, mine, theirs]) == [3, 2, 3]
    assert wait([mine, theirs]).done == {mine, theirs}
    assert client.submit(sum, [mine, theirs]).result() == 5
    assert {future.result() for future in as_completed([mine, theirs])} == {2, 3}
    assert client.who_has([theirs])[theirs.key]


def test_futures_by_key(client, other):
    one, many = client.submit(inc, 1), client.map(inc, range(3), pure=False)
    assert Future(one.key, other).result() == 2
    assert Future(many[2].key, client=other).result() == 3
    with pytest.raises(TypeError, match="a key is"):
        Future(3, other)


def result_of_holder(holder):
    assert holder["future"].client is get_client()
    return holder["future"].result()


def test_pickled_futures_inside_of_tasks(client):
    class Box:
        def __init__(self, future):
            self.future = future

        def __getitem__(self, name):
            return getattr(self, name)

    with client.as_current():
        future = client.submit(inc, 1)
        assert client.submit(result_of_holder, Box(future), pure=False).result() == 2


def test_collections_are_pickled(client, other):
    lazy = (da.arange(12, chunks=4) + 1)[::2]
    assert pickle.loads(pickle.dumps(lazy)).name == lazy.name
    with client.as_current():
        held = lazy.persist()
        bag = db.from_sequence(range(6), npartitions=2).map(inc).persist()
    with other.as_current():
        array, numbers = pickle.loads(pickle.dumps((held, bag)))
        assert array.compute().tolist() == [1, 3, 5, 7, 9, 11]
        assert numbers.sum().compute() == 21


def test_frames_are_pickled(client, other):
    pd = pytest.importorskip("pandas")
    import rask.dataframe as dd

    table = pd.DataFrame({"a": np.arange(10), "b": list("xyxyxyxyxy")})
    with client.as_current():
        held = dd.from_pandas(table, npartitions=3).persist()
    with other.as_current():
        copy = pickle.loads(pickle.dumps(held))
        assert copy.a.sum().compute() == 45
        pd.testing.assert_frame_equal(copy.compute(), table)


def test_names_of_futures(client):
    future = client.submit(inc, 1)
    assert future.result() == 2
    assert future.type is int
    assert future.executor is client
    assert future.substitute({}) is future
    future.bind_client(client)
    with pytest.raises(RuntimeError, match="closed"):
        future.bind_client(_closed(client))


def _closed(client):
    made = Client(client.scheduler_address, security=client.security, set_as_default=False)
    made.close()
    return made


def test_current_clients(client):
    with client.as_current():
        assert Client.current(allow_global=False) is client
        assert get_client() is client
    with pytest.raises(ValueError, match="as_current"):
        Client.current(allow_global=False)


def test_where_things_are(client):
    text = client.submit(str, "abc", pure=False)
    assert client.submit(length, text).result() == 3
    (holder,) = client.who_has(text)[text.key]
    assert text.key in client.has_what()[holder]
    assert list(client.has_what(holder)) == [holder]
    assert client.nbytes(summary=False)[text.key] > 0
    assert "str" in client.nbytes()
    assert set(client.processing()) == set(client.nthreads())
    assert client.ncores(holder) == {holder: 1}


def test_where_the_values_of_another_clients_futures_are(client, other):
    mine = [client.submit(str, at, pure=False) for at in range(3)]
    theirs = other.submit(str, "xyz", pure=False)
    assert other.submit(length, theirs).result() == 3
    ((key, holders),) = client.who_has([theirs]).items()
    assert key == theirs.key and len(holders) == 1
    client.publish_dataset([*mine, theirs], name="both")
    assert client.gather(other.get_dataset("both")) == ["0", "1", "2", "xyz"]
    client.unpublish_dataset("both")
    client.replicate([theirs, *mine])
    assert all(len(holders) == 2 for holders in client.who_has([theirs, *mine]).values())


def test_scheduler_files(client, tmp_path):
    path = str(tmp_path / "scheduler.json")
    client.write_scheduler_file(path)
    with pytest.raises(ValueError, match="already set"):
        client.write_scheduler_file(path)
    with Client(scheduler_file=path, security=client.security, set_as_default=False) as second:
        assert second.submit(inc, 1).result() == 2
