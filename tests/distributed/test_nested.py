"""Tasks that submit tasks and wait for them, on workers with a single thread."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from functions import inc, wait_for_file

import rask
from rask.distributed import (
    CancelledError,
    Client,
    Future,
    as_completed,
    get_client,
    wait,
    worker_client,
)

_SECONDS = 60


def by_result(x):
    return get_client().submit(inc, x, pure=False).result()


def by_gather(x):
    client = get_client()
    return sum(client.gather(client.map(inc, [x, x], pure=False)))


def by_wait(x):
    futures = get_client().map(inc, [x, x], pure=False)
    done, _ = wait(futures)
    return len(done)


def by_wait_for_any(x):
    futures = get_client().map(inc, [x, x], pure=False)
    done, _ = wait(futures, return_when="FIRST_COMPLETED")
    return len(done) > 0


def by_completion(x):
    futures = get_client().map(inc, [x, x], pure=False)
    return sum(future.result() for future in as_completed(futures))


def by_exception(x):
    return get_client().submit(inc, str(x), pure=False).exception() is not None


def by_worker_client(x):
    with worker_client() as client:
        return client.submit(inc, x, pure=False).result()


def by_compute(x):
    return rask.delayed(inc, pure=False)(x).compute(scheduler=get_client())


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (by_result, 2),
        (by_gather, 4),
        (by_wait, 2),
        (by_wait_for_any, True),
        (by_completion, 4),
        (by_exception, True),
        (by_worker_client, 2),
        (by_compute, 2),
    ],
)
def test_a_task_that_waits_for_others_makes_room_for_them(narrow, function, expected):
    assert narrow.submit(function, 1, pure=False).result(timeout=_SECONDS) == expected
    # Many at once: all of them wait, on one thread.
    futures = narrow.map(function, [1] * 20, pure=False)
    for future in futures:
        assert future.result(timeout=_SECONDS) == expected


def fibonacci(n):
    if n < 2:
        return n
    client = get_client()
    first = client.submit(fibonacci, n - 1, pure=False)
    second = client.submit(fibonacci, n - 2, pure=False)
    return first.result() + second.result()


def test_recursion(narrow):
    assert narrow.submit(fibonacci, 10).result(timeout=_SECONDS) == 55


def count_threads():
    return len(os.listdir("/proc/self/task"))


def wait_often(times):
    client = get_client()
    for number in range(times):
        assert client.submit(inc, number, pure=False).result() == number + 1
    return client.submit(count_threads, pure=False).result()


def test_waiting_often_needs_few_threads(narrow):
    before = narrow.submit(count_threads, pure=False).result()
    assert narrow.submit(wait_often, 200).result(timeout=_SECONDS) < before + 5


def fail_inside(x):
    get_client().submit(lambda: 1 / 0, pure=False).result()


def test_what_the_inner_task_raises_is_raised_outside(narrow):
    with pytest.raises(ZeroDivisionError):
        narrow.submit(fail_inside, 1, pure=False).result(timeout=_SECONDS)
    assert narrow.submit(inc, 1, pure=False).result(timeout=_SECONDS) == 2


def own_share(x):
    client = get_client()
    inner = client.submit(inc, x, pure=False)
    inner.result()
    shares = client.shares()
    return {name: share["ended"] for name, share in shares.items()}


def test_what_a_task_submits_counts_for_its_share(narrow):
    with Client(narrow.cluster, set_as_default=False, share="astronomy") as client:
        ended = client.submit(own_share, 1, pure=False).result(timeout=_SECONDS)
        assert ended["astronomy"] == 1


def begin_and_wait(folder, value):
    """Leave a mark, wait for the gate, and leave another."""
    folder = Path(folder)
    (folder / f"begun-{value}").touch()
    wait_for_file(folder / "gate")
    (folder / f"ended-{value}").touch()
    return value


def test_a_task_that_was_cancelled_leaves_its_place_to_others(narrow, tmp_path):
    first = narrow.submit(begin_and_wait, str(tmp_path), 1, key="cancelled")
    wait_for_file(tmp_path / "begun-1")
    first.cancel()
    first.release()
    assert narrow.submit(inc, 1, pure=False).result(timeout=_SECONDS) == 2
    # The same task anew, while the first run goes on.
    (tmp_path / "begun-1").unlink()
    again = narrow.submit(begin_and_wait, str(tmp_path), 1, key="cancelled")
    wait_for_file(tmp_path / "begun-1")
    (tmp_path / "gate").touch()
    assert again.result(timeout=_SECONDS) == 1


def wait_in_vain(folder):
    """Wait for a task that nobody may run, until that is cancelled."""
    folder = Path(folder)
    inner = get_client().submit(inc, 1, workers=["nobody"], key="in-vain")
    (folder / "begun").touch()
    try:
        inner.result()
    except CancelledError:
        (folder / "ended").touch()


def test_a_waiting_task_that_was_cancelled_takes_no_place(narrow, tmp_path):
    outer = narrow.submit(wait_in_vain, str(tmp_path), pure=False)
    wait_for_file(tmp_path / "begun")
    outer.cancel()
    assert narrow.submit(inc, 1, pure=False).result(timeout=_SECONDS) == 2
    narrow.cancel(Future("in-vain", client=narrow), force=True)
    wait_for_file(tmp_path / "ended")
    running = narrow.map(count_at_a_time, [str(tmp_path)] * 100, range(100), pure=False)
    assert set(narrow.gather(running)) == {1}


def count_at_a_time(folder, number):
    """How many calls run at this moment, this one included."""
    own = Path(folder) / f"runs-{number}"
    own.touch()
    running = len(list(Path(folder).glob("runs-*")))
    own.unlink()
    return running


def test_places_are_as_many_as_before(narrow, tmp_path):
    for number in range(3):
        doomed = narrow.submit(begin_and_wait, str(tmp_path), number, pure=False)
        wait_for_file(tmp_path / f"begun-{number}")
        doomed.cancel()
    (tmp_path / "gate").touch()
    for number in range(3):
        wait_for_file(tmp_path / f"ended-{number}")
    running = narrow.map(count_at_a_time, [str(tmp_path)] * 200, range(200), pure=False)
    assert set(narrow.gather(running)) == {1}
