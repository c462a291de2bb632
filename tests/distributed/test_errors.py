"""What comes back of a task that raised."""

from __future__ import annotations

import threading
import traceback

import numpy as np
import pytest
from functions import inc


class Picky(Exception):
    """Cannot be rebuilt from its arguments, as many exceptions of libraries."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


def fail_inside(values):
    try:
        raise KeyError("inner")
    except KeyError as inner:
        raise Picky(7, "outer") from inner


def fail(values):
    return fail_inside(values)


def fail_unpicklable(_):
    error = ValueError("holds a lock")
    error.lock = threading.Lock()  # pyright: ignore[reportAttributeAccessIssue]
    raise error


def fail_hugely(_):
    raise ValueError("x" * 5_000_000)


def fail_by_exit(_):
    raise SystemExit(3)


def fail_with_a_lock(_):
    raise ValueError(threading.Lock())


class Explosive(Exception):
    def __reduce__(self):
        raise RuntimeError("not to be pickled")

    def __str__(self):
        raise RuntimeError("not to be shown")


def fail_explosively(_):
    raise Explosive()


def frames(error):
    return [(frame.name, frame.line) for frame in traceback.extract_tb(error.__traceback__)]


def notes(error):
    return "\n".join(getattr(error, "__notes__", []))


def test_the_traceback_is_that_of_the_worker(client):
    error = client.submit(fail, 1, pure=False).exception()
    assert type(error).__name__ == "Picky" and error.code == 7 and str(error) == "7: outer"
    assert frames(error)[-2:] == [
        ("fail", "return fail_inside(values)"),
        ("fail_inside", 'raise Picky(7, "outer") from inner'),
    ]
    assert isinstance(error.__cause__, KeyError)
    assert frames(error.__cause__) == [("fail_inside", 'raise KeyError("inner")')]


def test_notes_name_task_worker_inputs_and_line(client):
    array = client.submit(np.ones, (3, 4), pure=False)
    error = client.submit(fail, array, pure=False).exception()
    assert "numpy.ndarray (3, 4) float64" in notes(error)
    assert "in block 0 of fail-" in notes(error)
    assert any(address in notes(error) for address in client.nthreads())
    assert f"{__file__}:" in notes(error)


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        (fail_unpicklable, ValueError, "holds a lock"),
        (fail_hugely, ValueError, "bytes left out"),
        (fail_by_exit, RuntimeError, "the task raised SystemExit: 3"),
        (fail_with_a_lock, ValueError, "_thread.lock"),
    ],
)
def test_exceptions_that_do_not_travel_are_told_as_text(client, function, kind, text):
    error = client.submit(function, 1, pure=False).exception()
    assert isinstance(error, kind)
    assert text in str(error)
    assert len(str(error)) < 20_000
    assert client.submit(inc, 1).result() == 2


def test_an_exception_that_objects_to_everything(client):
    error = client.submit(fail_explosively, 1, pure=False).exception()
    assert type(error).__name__ == "Explosive"
    assert frames(error)[-1] == ("fail_explosively", "raise Explosive()")


def test_recreating_an_error_runs_the_task_that_failed_here(client):
    array = client.submit(np.ones, (3, 4), pure=False)
    failed = client.submit(fail, array, pure=False)
    dependent = client.submit(inc, failed)
    with pytest.raises(Picky) as raised:
        client.recreate_error_locally(dependent)
    innermost = traceback.walk_tb(raised.value.__traceback__)
    variables = [frame.f_locals for frame, _ in innermost][-1]
    assert variables["values"].shape == (3, 4)


def test_recreating_tasks_of_maps_and_arrays(client):
    import rask.array as da

    squares = client.map(pow, range(5), [2] * 5)
    assert client.recreate_task_locally(squares[3]) == 9
    doubled = da.arange(6, chunks=3).map_blocks(lambda block: block * 2, dtype=int).persist()
    future = client.futures_of(client.persist(doubled))[1]
    assert future.result().tolist() == [6, 8, 10]


def test_recreating_what_has_not_failed_is_refused(client):
    with pytest.raises(ValueError, match="has not failed"):
        client.recreate_error_locally(client.submit(inc, 1))


LOCK = threading.Lock()


def test_what_cannot_be_sent_is_named(client):
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"^argument 1 of use cannot be sent"):
        client.submit(use, 1, [lock])
    with pytest.raises(TypeError, match=r"^argument 'y' of use cannot be sent"):
        client.submit(use, client.submit(inc, 1), y=lock)
    with pytest.raises(TypeError, match=r"^element 2 of iterable 1 of use cannot be sent"):
        client.map(use, range(3), [1, 2, lock])
    with pytest.raises(TypeError, match=r"^argument 'y' of use cannot be sent"):
        client.map(use, range(3), y=lock)
    with pytest.raises(TypeError, match=r"^the function lambda, which uses the variable 'lock',"):
        client.submit(lambda: lock)
    with pytest.raises(TypeError, match=r"^the function lambda, which uses the variable 'LOCK',"):
        client.map(lambda x: LOCK, range(3))
    # Other errors of type are as they were.
    with pytest.raises(TypeError, match="not iterable"):
        client.map(use, 3)


def use(x, y=None):
    return x
