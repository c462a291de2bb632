"""Delayed calls."""

from __future__ import annotations

import operator
import pickle

import pytest

import rask
from rask import delayed
from rask.delayed import Delayed


@delayed
def add(x, y=0):
    return x + y


def test_calls_and_containers():
    one = add(1, y=0)
    assert delayed(sum)([one, add(one, 1), 3]).compute() == 6
    assert delayed({"a": one, "b": [one, (one, 2)]}).compute() == {"a": 1, "b": [1, (1, 2)]}
    assert rask.compute(one, [add(one, 1)], 5) == (1, [2], 5)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (operator.add, 9),
        (operator.sub, 5),
        (operator.mul, 14),
        (operator.truediv, 3.5),
        (operator.mod, 1),
        (operator.pow, 49),
        (operator.lt, False),
        (operator.eq, False),
    ],
)
def test_operators(function, expected):
    assert function(add(7), 2).compute() == expected
    assert function(add(7), add(2)).compute() == expected


def test_attributes_methods_and_items():
    text = delayed("a,b")
    assert text.split(",").compute() == ["a", "b"]
    assert text.split(",")[1].upper().compute() == "B"
    assert add(3 + 4j).imag.compute() == 4.0
    with pytest.raises(AttributeError):
        add(1).missing.compute()
    with pytest.raises(AttributeError):
        add(1)._private  # noqa: B018


def test_nout():
    first, second = delayed(divmod, nout=2)(7, 3)
    assert rask.compute(first, second) == (2, 1)
    with pytest.raises(TypeError, match="nout"):
        list(add(1))
    with pytest.raises(ValueError, match="nout"):
        delayed(add, nout=-1)


def test_shared_work_is_done_once():
    calls = []

    def record(x):
        calls.append(x)
        return x

    value = delayed(record)(1)
    assert delayed(sum)([value, value, add(value, 1)]).compute(scheduler="sync") == 4
    assert calls == [1]


def test_arguments_as_they_were():
    """A list that changes after the call is not seen."""
    items = [1, 2]
    total = delayed(sum)(items)
    items.append(100)
    assert total.compute() == 3


def test_keys():
    assert delayed(sum, pure=True)([1]).key == delayed(sum, pure=True)([1]).key
    assert add(1).key != add(1).key
    assert add(1, dask_key_name="mine").key == "mine"


def test_immutable_and_without_truth():
    with pytest.raises(TypeError):
        bool(add(1))
    with pytest.raises(TypeError):
        add(1).attribute = 1
    with pytest.raises(TypeError):
        add(1)[0] = 1


def test_persist_and_pickle():
    value = add(add(1), 1)
    assert (value.persist() + 1).compute() == 3
    copy = pickle.loads(pickle.dumps(delayed(operator.add)(1, 2)))
    assert isinstance(copy, Delayed)
    assert copy.compute() == 3


def test_collections_as_arguments():
    import rask.bag as db

    bag = db.range(10, npartitions=3)
    assert delayed(len)(bag).compute() == 10
    assert delayed(sum)([bag.sum(), 5]).compute() == 50


def test_exception_is_the_users():
    class MineError(Exception):
        pass

    def fail():
        raise MineError("here")

    with pytest.raises(MineError, match="here") as caught:
        delayed(fail)().compute()
    assert any("test_delayed.py" in note for note in caught.value.__notes__)


def test_large_flat_and_deep_graphs():
    assert sum(rask.compute(*[add(i, 1) for i in range(20_000)])) == 200_010_000
    value = add(0)
    for _ in range(5_000):
        value = add(value, 1)
    assert value.compute() == 5_000


def test_tables_are_arguments_and_become_delayed_partitions():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("rask.dataframe")
    frame = pd.DataFrame({"a": range(6), "b": list("uvwxyz")})
    table = dd.from_pandas(frame, npartitions=3)
    assert delayed(len)(table).compute() == 6
    assert delayed(lambda column, total: (list(column), int(total)))(
        table["a"], table["a"].sum()
    ).compute() == (list(range(6)), 15)
    parts = [part.compute() for part in table.to_delayed()]
    pd.testing.assert_frame_equal(pd.concat(parts), frame)
    column = [part.compute() for part in table["a"].to_delayed()]
    assert all(isinstance(part, pd.Series) for part in column)
    assert pd.concat(column).tolist() == list(range(6))
