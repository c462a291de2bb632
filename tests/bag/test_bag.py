"""Bags against plain lists."""

from __future__ import annotations

import itertools
import operator
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rask.bag as db

ITEMS = st.lists(st.integers(-5, 5), max_size=30)


def bag_of(items, npartitions=4):
    return db.from_sequence(items, npartitions=npartitions)


@settings(max_examples=40, deadline=None)
@given(ITEMS, st.integers(1, 6))
def test_items_and_reductions(items, npartitions):
    bag = bag_of(items, npartitions)
    assert bag.compute() == items
    assert bag.map(lambda x: x * 2).filter(lambda x: x > 0).compute() == [
        x * 2 for x in items if x > 0
    ]
    assert bag.sum().compute() == sum(items)
    assert bag.count().compute() == len(items)
    assert dict(bag.frequencies().compute()) == Counter(items)
    assert bag.topk(3).compute() == sorted(items, reverse=True)[:3]
    assert sorted(bag.distinct().compute()) == sorted(set(items))
    assert bag.any().compute() == any(items)
    assert bag.all().compute() == all(items)
    expected = {k: sorted(v) for k, v in groups(items).items()}
    found = bag.groupby(lambda x: x % 3).compute()
    assert {k: sorted(v) for k, v in found} == expected
    folded = bag.foldby(lambda x: x % 3, operator.add, 0, operator.add, 0).compute()
    assert dict(folded) == {k: sum(v) for k, v in expected.items()}
    assert bag.accumulate(operator.add).compute() == list(itertools.accumulate(items))
    if items:
        assert bag.max().compute() == max(items)
        assert bag.mean().compute() == pytest.approx(sum(items) / len(items))
        assert bag.fold(operator.add).compute() == sum(items)


def groups(items):
    found = {}
    for item in items:
        found.setdefault(item % 3, []).append(item)
    return found


@settings(max_examples=30, deadline=None)
@given(ITEMS, st.integers(1, 5), st.integers(1, 9))
def test_repartition_keeps_items(items, before, after):
    bag = bag_of(items, before)
    again = bag.repartition(npartitions=after)
    assert again.compute() == items
    assert again.npartitions == after


def test_map_of_several():
    a = db.range(6, npartitions=3)
    assert a.map(operator.add, a).compute() == [0, 2, 4, 6, 8, 10]
    assert a.map(lambda x, y, z: x + y + z, 1, z=a.max()).compute() == [6, 7, 8, 9, 10, 11]
    assert a.map(lambda x, y: (x, y), y=a).compute() == [(i, i) for i in range(6)]
    assert db.zip(a, a.map(str)).compute() == [(i, str(i)) for i in range(6)]
    with pytest.raises(ValueError, match="different numbers of partitions"):
        a.map(operator.add, db.range(6, npartitions=2))


def test_structure():
    bag = db.from_sequence([{"a": 1, "b": [1, 2]}, {"b": [3]}], npartitions=2)
    assert bag.pluck("b").flatten().compute() == [1, 2, 3]
    assert bag.pluck("a", default=0).compute() == [1, 0]
    assert bag.pluck(["b", "a"], default=None).compute() == [([1, 2], 1), ([3], None)]
    pairs = db.from_sequence([(1, 2), (3, 4)])
    assert pairs.starmap(operator.add).compute() == [3, 7]
    first, second = pairs.unzip(2)
    assert (first.compute(), second.compute()) == ([1, 3], [2, 4])
    assert bag.remove(lambda item: "a" in item).count().compute() == 1
    assert db.range(3, 1).join([0, 1, 1], lambda x: x).compute() == [(0, 0), (1, 1), (1, 1)]
    assert db.concat([pairs, pairs]).count().compute() == 4


def test_variance_does_not_cancel():
    bag = bag_of([1e9 + x for x in (4, 7, 13, 16)], 3)
    assert bag.var(ddof=1).compute() == pytest.approx(30.0)
    assert bag.std().compute() == pytest.approx(22.5**0.5)


def test_take(recwarn):
    bag = db.range(10, npartitions=5)
    assert bag.take(2) == (0, 1)
    assert bag.take(3, npartitions=2) == (0, 1, 2)
    assert bag.take(3, npartitions=-1, compute=False).compute() == [0, 1, 2]
    with pytest.warns(UserWarning, match="Insufficient elements"):
        assert bag.take(5) == (0, 1)
    with pytest.raises(ValueError, match="only 5 partitions"):
        bag.take(1, npartitions=6)


def test_random_sample_repeats():
    bag = db.range(1000, npartitions=4)
    sample = bag.random_sample(0.3, random_state=1)
    assert sample.compute() == sample.compute() == bag.random_sample(0.3, 1).compute()
    assert 200 < sample.count().compute() < 400
    with pytest.raises(ValueError, match="prob"):
        bag.random_sample(1.5)


def test_texts(tmp_path):
    lines = [f"line {i} ß" for i in range(100)]
    written = db.from_sequence(lines, npartitions=3).to_textfiles(str(tmp_path / "t-*.txt"))
    assert [p.rsplit("/")[-1] for p in written] == ["t-0.txt", "t-1.txt", "t-2.txt"]
    pattern = str(tmp_path / "t-*.txt")
    assert db.read_text(pattern).str.strip().compute() == lines
    for blocksize in (7, 64, 1000):
        small = db.read_text(pattern, blocksize=blocksize)
        assert small.str.rstrip("\n").compute() == lines
    assert db.read_text(pattern, files_per_partition=2).npartitions == 2
    with_path = db.read_text(written[0], include_path=True).take(1)
    assert with_path[0] == ("line 0 ß\n", written[0])
    packed = db.from_sequence(lines, npartitions=1).to_textfiles(str(tmp_path / "z-*.gz"))
    assert db.read_text(packed).str.strip().compute() == lines
    with pytest.raises(FileNotFoundError):
        db.read_text(str(tmp_path / "absent.txt"))


def test_delayed_both_ways():
    import rask

    parts = db.range(6, npartitions=3).to_delayed()
    assert rask.compute(*parts) == ([0, 1], [2, 3], [4, 5])
    again = db.from_delayed([rask.delayed(reversed)(part) for part in parts])
    assert again.compute() == [1, 0, 3, 2, 5, 4]


def test_string_accessor():
    bag = db.from_sequence(["a b", "C"])
    assert bag.str.split().compute() == [["a", "b"], ["C"]]
    assert bag.str.match("a*").compute() == ["a b"]
    assert set(dir(str)) - set(dir(object)) <= {*dir(bag.str), *dir(str)}
