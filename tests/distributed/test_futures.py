"""Calls, futures, and what they come to."""

from __future__ import annotations

import pickle
import time
from typing import Any, NamedTuple

import numpy as np
import pytest
from functions import add, fail, fail_until, inc, process, wait_for_file

from rask.distributed import CancelledError, Future, as_completed, fire_and_forget, wait


def test_submit_returns_what_the_function_returns(client):
    future = client.submit(inc, 1)
    assert future.result() == 2
    assert future.done() and future.status == "finished"
    assert future.exception() is None


def test_arguments_may_be_futures_at_any_depth(client):
    one, two = client.submit(inc, 0), client.submit(inc, 1)
    assert client.submit(add, one, two, z=one).result() == 4
    nested = client.submit(
        lambda data: data["a"][0] + data["b"][1][0], {"a": [one], "b": (0, [two])}
    )
    assert nested.result() == 3
    assert client.submit(sum, {one, two}).result() == 3


@pytest.mark.parametrize(
    "value", [None, True, -5, 2**70, 1.5, "text", b"bytes", [1, "a"], {"k": (1,)}]
)
def test_values_come_back_as_they_were(client, value):
    back = client.submit(lambda x: x, value).result()
    assert back == value and type(back) is type(value)


def test_arrays_travel_both_ways(client):
    array = np.arange(100_000.0).reshape(100, 1000)
    back = client.submit(np.transpose, array).result()
    np.testing.assert_array_equal(back, array.T)


def test_map_is_the_builtin_map(client):
    assert client.gather(client.map(add, range(5), [10, 20, 30], z=1)) == [11, 22, 33]
    assert client.map(inc, []) == []


def test_map_over_futures(client):
    first = client.map(inc, range(20))
    second = client.map(add, first, range(20))
    assert client.gather(second) == [2 * i + 1 for i in range(20)]
    assert client.submit(sum, second).result() == 400


def test_map_with_large_arguments(client):
    arrays = [np.full(5000, i) for i in range(6)]
    assert client.gather(client.map(np.sum, arrays)) == [5000 * i for i in range(6)]


def test_keys(client):
    future = client.submit(inc, 1, key="mine")
    assert future.key == "mine"
    assert [f.key for f in client.map(inc, [1, 2], key=["a", "b"])] == ["a", "b"]
    first, second = client.map(inc, range(2))
    assert first.key[0] == second.key[0] and first.key != second.key


def test_pure_calls_share_a_key_and_others_do_not(client):
    assert client.submit(inc, 1).key == client.submit(inc, 1).key
    assert client.submit(inc, 1).key != client.submit(inc, 2).key
    assert client.submit(inc, 1, pure=False).key != client.submit(inc, 1, pure=False).key


def test_gather_keeps_the_nesting(client):
    one = client.submit(inc, 0)
    assert client.gather({"a": [one, (one,)], "b": 5}) == {"a": [1, (1,)], "b": 5}


def test_an_exception_comes_back_with_its_traceback_and_the_users_line(client):
    future = client.submit(fail, 3)
    with pytest.raises(ValueError, match="cannot do 3") as caught:
        future.result()
    notes = "\n".join(caught.value.__notes__)
    assert "in block 0 of fail-" in notes
    assert caught.traceback[-1].name == "fail"
    assert "test_futures.py" in notes.split("raised in the task made at")[1]
    assert future.status == "error"
    assert isinstance(future.exception(), ValueError)


def test_what_needs_a_failed_task_fails_with_the_same_exception(client):
    failed = client.submit(fail, 1)
    with pytest.raises(ValueError, match="cannot do 1"):
        client.submit(inc, client.submit(inc, failed)).result()


class Pair(NamedTuple):
    first: Any
    second: Any


def test_named_tuples_stay_what_they_are(client):
    one, failed = client.submit(inc, 0), client.submit(fail, "no", pure=False)
    assert client.gather([Pair(one, 5)]) == [Pair(1, 5)]
    assert type(client.gather(Pair(one, one))) is Pair
    assert client.submit(lambda pair: pair.first + pair.second, Pair(one, 5)).result() == 6
    scattered = client.scatter(Pair(3, 4))
    assert type(scattered) is Pair
    assert client.gather(scattered) == Pair(3, 4)
    # What is left of one is none any more.
    assert client.gather(Pair(one, failed), errors="skip") == (1,)


def test_gather_may_skip_failures(client):
    futures = [client.submit(inc, 1), client.submit(fail, 1), client.submit(inc, 2)]
    assert client.gather(futures, errors="skip") == [2, 3]
    with pytest.raises(ValueError):
        client.gather(futures)


def test_retries(client, tmp_path):
    path = str(tmp_path / "count")
    assert client.submit(fail_until, path, 2, retries=2).result() == "done"


def test_retry_runs_a_failed_future_again(client, tmp_path):
    future = client.submit(fail_until, str(tmp_path / "count"), 1)
    assert isinstance(future.exception(), OSError)
    future.retry()
    assert future.result() == "done"


def test_unserialisable_results_and_arguments_are_told(client):
    with pytest.raises(TypeError, match="lock"):
        import threading

        client.submit(id, threading.Lock())
    with pytest.raises(Exception, match="generator"):
        client.submit(lambda: (i for i in range(3))).result()


def test_as_completed_gives_each_future_once(client):
    futures = client.map(inc, range(30))
    assert sorted(f.result() for f in as_completed(futures)) == list(range(1, 31))
    assert sorted(r for _, r in as_completed(futures, with_results=True)) == list(range(1, 31))


def test_as_completed_in_the_order_of_completion(client, tmp_path):
    gate = tmp_path / "gate"
    slow = client.submit(wait_for_file, str(gate), "slow")
    quick = client.submit(inc, 1)
    iterator = as_completed([slow, quick])
    assert next(iterator) is quick
    iterator.add(client.submit(inc, 41))
    assert next(iterator).result() == 42
    gate.touch()
    assert next(iterator).result() == "slow"
    with pytest.raises(StopIteration):
        next(iterator)


def test_as_completed_batches(client):
    futures = client.map(inc, range(10))
    batches = list(as_completed(futures).batches())
    assert sorted(f.result() for batch in batches for f in batch) == list(range(1, 11))


def test_wait(client, tmp_path):
    gate = tmp_path / "gate"
    slow, quick = client.submit(wait_for_file, str(gate)), client.submit(inc, 1)
    done, not_done = wait([slow, quick], return_when="FIRST_COMPLETED")
    assert done == {quick} and not_done == {slow}
    with pytest.raises(TimeoutError):
        wait([slow], timeout=0.05)
    gate.touch()
    assert wait([slow, quick]).not_done == set()


def test_result_with_a_time_limit(client, tmp_path):
    gate = tmp_path / "gate"
    future = client.submit(wait_for_file, str(gate), 7)
    with pytest.raises(TimeoutError):
        future.result(timeout="50 ms")
    gate.touch()
    assert future.result(timeout=10) == 7


def test_cancel(client, tmp_path):
    gate = tmp_path / "gate"
    blockers = [client.submit(wait_for_file, str(gate), i, pure=False) for i in range(2)]
    future = client.submit(inc, client.submit(wait_for_file, str(gate), 100))
    client.cancel(future)
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result()
    gate.touch()
    assert client.gather(blockers) == [0, 1]


def test_callbacks(client):
    import threading

    called, seen = threading.Event(), []
    future = client.submit(inc, 1)
    future.add_done_callback(lambda f: (seen.append(f.result()), called.set()))
    assert called.wait(10) and seen == [2]


def test_futures_hold_values_and_let_go_of_them(client):
    future = client.submit(inc, 10)
    assert future.result() == 11
    assert len(client.who_has([future])[future.key]) == 1
    name = future.key
    del future
    client.submit(inc, 0).result()
    assert all(name != key[0] for key in client.who_has())


def test_fire_and_forget(client, tmp_path):
    path = tmp_path / "written"
    fire_and_forget(client.submit(path.write_text, "here"))
    assert client.submit(wait_for_file, str(path), "seen").result() == "seen"


def test_scatter(client):
    data = np.arange(1000)
    future = client.scatter(data)
    assert isinstance(future, Future)
    np.testing.assert_array_equal(future.result(), data)
    assert client.submit(np.sum, future).result() == data.sum()
    listed = client.scatter([1, 2, 3])
    assert client.gather(listed) == [1, 2, 3]
    named = client.scatter({"x": 5})
    assert client.submit(inc, named["x"]).result() == 6


def test_workers_may_be_chosen(client):
    workers = client.scheduler_info()["workers"]
    for address, worker in workers.items():
        for chosen in (address, worker["name"]):
            pid = client.submit(process, workers=[chosen], pure=False).result()
            assert pid == worker["pid"]


def test_run_calls_on_every_worker(client):
    pids = client.run(process)
    assert set(pids) == set(client.scheduler_info()["workers"])
    assert len(set(pids.values())) == 2


def test_a_pickled_future_belongs_to_the_worker_that_unpickles_it(client):
    future = client.submit(inc, 41)
    pickled = pickle.dumps(future)
    assert client.submit(lambda data: pickle.loads(data).result(), pickled).result() == 42


def test_tasks_may_submit_tasks(client):
    def outer(n):
        from rask.distributed import worker_client

        with worker_client() as inner:
            return sum(inner.gather(inner.map(inc, range(n))))

    assert client.gather(client.map(outer, [3, 4, 5, 6])) == [6, 10, 15, 21]


def test_equal_layers_are_reused(client, tmp_path):
    path = str(tmp_path / "count")
    first = client.submit(fail_until, path, 0)
    assert first.result() == "done"
    assert client.submit(fail_until, path, 0).result() == "done"
    assert (tmp_path / "count").stat().st_size == 1


def test_missing_names_are_told():
    import rask.distributed

    with pytest.raises(AttributeError, match="HPCCluster"):
        getattr(rask.distributed, "HPCCluster")  # noqa: B009


def test_plain_graphs_and_a_progress_bar(client, capsys):
    from operator import add

    from rask.diagnostics import ProgressBar

    with ProgressBar():
        assert client.get({"x": 1, "y": (add, "x", 10)}, ["y", ["x"]]) == (11, (1,))
    assert "100% Completed" in capsys.readouterr().out


def test_a_released_future_keeps_nothing(client):
    def held():
        return set(client.who_has())

    future = client.submit(inc, 1, key="to-be-released")
    again = client.submit(inc, 1, key="to-be-released")
    assert future.result() == 2
    future.release()
    future.release()
    assert again.result() == 2
    assert "to-be-released" in held()
    again.release()
    deadline = time.monotonic() + 10
    while "to-be-released" in held():
        assert time.monotonic() < deadline
    with pytest.raises(CancelledError):
        again.result()
    assert client.submit(inc, 2, key="to-be-released").result() == 3


USES = {
    "result": lambda client, future: future.result(timeout=10),
    "exception": lambda client, future: future.exception(timeout=10),
    "gather": lambda client, future: client.gather([inc, [future]]),
    "wait": lambda client, future: wait([future], timeout=10),
    "submit": lambda client, future: client.submit(inc, future),
    "map": lambda client, future: client.map(inc, [1, future]),
    "keywords": lambda client, future: client.map(add, [1], y=future),
    "retry": lambda client, future: client.retry([future]),
    "fire_and_forget": lambda client, future: fire_and_forget(future),
    "who_has": lambda client, future: client.who_has([future]),
    "replicate": lambda client, future: client.replicate([future]),
    "publish_dataset": lambda client, future: client.publish_dataset(released=future),
    "pickle": lambda client, future: pickle.dumps(future),
}


@pytest.mark.parametrize("use", USES)
def test_a_released_future_is_refused(client, use):
    future = client.submit(inc, 1, pure=False)
    again = Future(future.key, client)
    assert future.result() == 2
    future.release()
    # Another future of the same task is there.
    assert future.status == "finished" and future.result() == 2
    again.release()
    assert future.status == "cancelled"
    if use == "exception":
        assert "released with Future.release" in str(future.exception())
        return
    with pytest.raises(CancelledError, match=f"{future.key} was released with Future.release"):
        USES[use](client, future)


def test_a_released_future_is_skipped(client):
    futures = client.map(inc, range(3), pure=False)
    client.gather(futures)
    futures[1].release()
    assert client.gather(futures, errors="skip") == [1, 3]
    with pytest.raises(CancelledError):
        client.gather(futures)
    assert [future.status for future in as_completed(futures)].count("cancelled") == 1


def test_annotations_in_force_say_how_calls_and_collections_run(client, tmp_path):
    import rask

    workers = sorted(client.scheduler_info()["workers"])
    with rask.annotate(workers=[workers[1]], retries=3):
        futures = client.map(inc, range(10), pure=False)
        tries = client.submit(fail_until, str(tmp_path / "call"), 3)
        lazy = client.compute(rask.delayed(fail_until)(str(tmp_path / "collection"), 2))
        wait(futures)
    assert {holders for (holders,) in client.who_has(futures).values()} == {workers[1]}
    assert tries.result() == "done"
    assert lazy.result() == "done"
    # What the call itself says counts.
    with rask.annotate(workers=[workers[1]], retries=3):
        elsewhere = client.submit(inc, 1, pure=False, workers=[workers[0]])
        once = client.submit(fail_until, str(tmp_path / "once"), 1, retries=0)
        wait([elsewhere, once])
    assert client.who_has([elsewhere])[elsewhere.key] == (workers[0],)
    assert isinstance(once.exception(), OSError)
    with rask.annotate(priority=len), pytest.raises(NotImplementedError, match="annotation"):
        client.submit(inc, 1)
