from __future__ import annotations

import pickle

from rask import _functions
from rask._functions import Shipped, ship


def make(text: str):
    namespace: dict = {"__name__": "__main__"}
    exec(text, namespace)
    return namespace["f"], namespace


def test_what_is_code_alone_is_pickled_once():
    f, _ = make("def f(x):\n    return [y + 1 for y in range(x)]")
    shipped = ship(f)
    assert isinstance(shipped, Shipped)
    assert ship(f) is shipped
    made = pickle.loads(pickle.dumps(shipped))
    assert made(3) == [1, 2, 3]
    assert pickle.loads(pickle.dumps(shipped)) is made


def test_what_can_change_is_pickled_each_time():
    for text in (
        "def f(x, y=1):\n    return x",
        "def f(x, *, y=1):\n    return x",
        "g = 1\ndef f(x):\n    return x + g",
        "g = 1\ndef f(x):\n    return [g for _ in range(x)]",
        "def f(x):\n    return f",
        "def f(x):\n    return x\nf.note = 1",
    ):
        f, _ = make(text)
        assert ship(f) is f
    captured = 1
    assert ship(lambda: captured).__name__ == "<lambda>"
    assert not isinstance(ship(lambda: captured), Shipped)


def test_a_function_that_was_changed_is_pickled_again():
    f, namespace = make("def f(x):\n    return g(x)")
    assert isinstance(ship(f), Shipped)
    # Now the name means something here.
    namespace["g"] = abs
    assert ship(f) is f
    f, _ = make("def f(x):\n    return 1")
    first = ship(f)
    f.__code__ = make("def f(x):\n    return 2")[0].__code__
    assert pickle.loads(pickle.dumps(ship(f)))(0) == 2
    assert pickle.loads(pickle.dumps(first))(0) == 1


def test_what_others_can_import_goes_by_its_name():
    assert ship(pickle.dumps) is pickle.dumps
    assert ship(_functions.ship) is _functions.ship
    assert ship(int) is int


def test_few_are_kept_where_they_run():
    for number in range(_functions.LOADED_MAX + 10):
        f, _ = make(f"def f(x):\n    return x + {number}")
        assert pickle.loads(pickle.dumps(ship(f)))(1) == number + 1
    assert len(_functions._loaded) == _functions.LOADED_MAX


def test_tasks_are_given_their_functions(client):
    futures = [client.submit(lambda x: x + 1, i, pure=False) for i in range(10)]
    assert client.gather(futures) == list(range(1, 11))
    f, namespace = make("def f(x):\n    return x * 2")
    assert client.submit(f, 4).result() == 8
    g, namespace = make("k = 3\ndef f(x):\n    return x * k")
    assert client.submit(g, 4, pure=False).result() == 12
    namespace["k"] = 5
    assert client.submit(g, 4, pure=False).result() == 20
