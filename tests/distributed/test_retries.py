"""Tasks that raise, and are run again at once or after a while."""

from __future__ import annotations

import itertools
import time

import pytest
from functions import inc

import rask
import rask.array as da


def note_and_raise(path, times, result=None):
    """Writes down when it runs; raises the first times."""
    with open(path, "a") as file:
        file.write(f"{time.time()}\n")
    if len(runs(path)) <= times:
        raise ConnectionError("not yet")
    return result


def runs(path):
    with open(path) as file:
        return [float(line) for line in file]


def test_retries_wait_twice_as_long_each_time(client, tmp_path):
    path = str(tmp_path / "runs")
    future = client.submit(note_and_raise, path, 3, "done", retries=3, retry_delay="100ms")
    assert future.result(timeout=30) == "done"
    begun = runs(path)
    pauses = [after - before for before, after in itertools.pairwise(begun)]
    assert len(pauses) == 3
    for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True):
        assert pause >= least * 0.99, pauses


def test_the_longest_delay_and_what_others_do_meanwhile(client, tmp_path):
    path = str(tmp_path / "runs")
    late = client.submit(note_and_raise, path, 2, retries=2, retry_delay=1000, retry_delay_max=0.2)
    # No thread is taken by what waits.
    assert client.gather(client.map(inc, range(10), pure=False)) == list(range(1, 11))
    assert late.result(timeout=30) is None
    assert len(runs(path)) == 3


def test_without_a_delay_and_when_retries_are_used_up(client, tmp_path):
    path = str(tmp_path / "runs")
    with pytest.raises(ConnectionError):
        client.submit(note_and_raise, path, 9, retries=2).result(timeout=30)
    assert len(runs(path)) == 3


def test_delays_of_maps_collections_and_annotations(client, tmp_path):
    paths = [str(tmp_path / name) for name in ("map", "array", "annotated", "delayed")]
    mapped = client.map(note_and_raise, [paths[0]], [1], retries=1, retry_delay=0.1)
    assert client.gather(mapped) == [None]
    array = da.zeros(1, chunks=1).map_blocks(flaky_block, paths[1], dtype=float)
    assert client.compute(array, retries=1, retry_delay=0.1).result(timeout=30).tolist() == [1]
    with rask.annotate(retries=1, retry_delay=0.1):
        assert client.submit(note_and_raise, paths[2], 1, 5).result(timeout=30) == 5
    with rask.config.set({"distributed.client.retry-delay": "100ms"}):
        lazy = rask.delayed(note_and_raise)(paths[3], 1, 6)
        assert lazy.compute(scheduler=client, retries=1) == 6
    for path in paths:
        first, second = runs(path)
        assert second - first >= 0.099, path


def flaky_block(block, path):
    note_and_raise(path, 1)
    return block + 1


def test_delays_that_make_no_sense_are_refused(client):
    with pytest.raises(ValueError, match="must not be negative"):
        client.submit(inc, 1, retries=1, retry_delay=-1)
    with pytest.raises(ValueError, match="between 0 ms and 49 days"):
        client.submit(inc, 1, retries=1, retry_delay=1e9)
    with pytest.raises(ValueError, match="not a duration"):
        client.submit(inc, 1, retries=1, retry_delay="soon")


def with_own(x, retry_delay=None):
    return x, retry_delay


def test_functions_may_have_parameters_of_these_names(client):
    assert client.submit(with_own, 1, retry_delay=7).result() == (1, 7)
