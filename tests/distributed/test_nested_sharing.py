"""Tasks that wait for locks, events, queues and variables, on a worker with a single thread."""

from __future__ import annotations

from pathlib import Path

import pytest
from functions import inc, wait_for

from rask.distributed import (
    Event,
    Lock,
    Queue,
    Semaphore,
    Variable,
    get_client,
)

_SECONDS = 60
# Tasks of a worker that give up their places while they wait for such things; one more keeps its.
_ABSENT_MAX = 32


def await_event(name):
    return Event(name).wait(timeout=_SECONDS)


def take_from_queue(name):
    return Queue(name).get(timeout=_SECONDS)


def put_twice(name):
    queue = Queue(name, maxsize=1)
    queue.put(1, timeout=_SECONDS)
    queue.put(2, timeout=_SECONDS)
    return True


def take_twice(name):
    return [take_from_queue(name), take_from_queue(name)]


def get_variable(name):
    return Variable(name).get(timeout=_SECONDS)


def do(kind, name, value):
    """What another task waits for."""
    if kind == "event":
        Event(name).set()
    elif kind == "queue":
        Queue(name).put(value)
    elif kind == "variable":
        Variable(name).set(value)


@pytest.mark.parametrize(
    ("kind", "waits", "expected"),
    [("event", await_event, True), ("queue", take_from_queue, 7), ("variable", get_variable, 7)],
)
def test_what_a_task_waits_for_may_be_done_by_a_later_one(narrow, kind, waits, expected):
    waiting = narrow.submit(waits, f"later-{kind}", pure=False)
    done = narrow.submit(do, kind, f"later-{kind}", 7, pure=False)
    assert waiting.result(timeout=_SECONDS) == expected
    done.result(timeout=_SECONDS)


def test_a_full_queue_is_emptied_by_a_later_task(narrow):
    full = narrow.submit(put_twice, "full", pure=False)
    taken = narrow.submit(take_twice, "full", pure=False)
    assert taken.result(timeout=_SECONDS) == [1, 2]
    assert full.result(timeout=_SECONDS)


def submit_under(kind):
    with Lock(kind) if kind == "lock" else Semaphore(1, name=kind):
        return get_client().submit(inc, 1, pure=False).result(timeout=_SECONDS)


@pytest.mark.parametrize("kind", ["lock", "semaphore"])
def test_who_waits_for_a_lock_is_not_in_the_way_of_who_has_it(narrow, kind):
    # The first waits for a task of its own, while the others wait for it.
    futures = narrow.map(submit_under, [kind] * 5, pure=False)
    assert narrow.gather(futures) == [2] * 5


def mark_and_wait(folder, number):
    (Path(folder) / str(number)).touch()
    return await_event("many")


def test_of_very_many_that_wait_some_keep_their_places(narrow, tmp_path):
    futures = narrow.map(mark_and_wait, [str(tmp_path)] * 50, range(50), pure=False)
    wait_for(lambda: len(list(tmp_path.iterdir())) > _ABSENT_MAX)
    with pytest.raises(TimeoutError):
        narrow.submit(inc, 1, pure=False, priority=10).result(timeout=0.3)
    assert len(list(tmp_path.iterdir())) == _ABSENT_MAX + 1
    Event("many", client=narrow).set()
    assert all(narrow.gather(futures))
