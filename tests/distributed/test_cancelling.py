"""Futures that are cancelled, and their keys submitted again."""

from __future__ import annotations

from pathlib import Path

import pytest
from functions import inc, wait_for, wait_for_file

from rask.distributed import CancelledError, Client, Future

_SECONDS = 20


def begin_and_wait(folder: str, value: int) -> int:
    """Leave a mark, and wait for the gate."""
    (Path(folder) / "begun").touch()
    wait_for_file(Path(folder) / "gate")
    return value


def test_a_cancelled_key_that_is_submitted_again(client, tmp_path):
    first = client.submit(begin_and_wait, str(tmp_path), 1, key="again")
    wait_for_file(tmp_path / "begun")
    first.cancel()
    # Another function under the same key, while the cancelled future lives and its run goes on.
    second = client.submit(inc, 5, key="again")
    assert second.result(timeout=_SECONDS) == 6
    assert first.cancelled() and first == second and hash(first) == hash(second)
    with pytest.raises(CancelledError):
        first.result()
    # It has nothing to do with the one that came later.
    first.cancel()
    first.release()
    (tmp_path / "gate").touch()
    assert second.status == "finished" and client.gather(second) == 6
    assert client.submit(inc, second).result(timeout=_SECONDS) == 7


def test_what_has_finished_is_made_again_when_it_was_cancelled(client):
    first = client.submit(inc, 1, key="finished")
    assert first.result(timeout=_SECONDS) == 2
    first.cancel()
    assert first.status == "cancelled"
    second = client.submit(inc, 2, key="finished")
    assert second.result(timeout=_SECONDS) == 3
    assert first.status == "cancelled"


def test_some_of_many_that_are_cancelled_and_submitted_again(client):
    futures = client.map(inc, range(6), key="some")
    client.cancel(futures[2:4])
    statuses = [future.cancelled() for future in futures]
    assert statuses == [False, False, True, True, False, False]
    again = client.map(inc, range(6), key="some")
    assert client.gather(again) == [1, 2, 3, 4, 5, 6]
    del again
    assert client.gather([*futures[:2], *futures[4:]]) == [1, 2, 5, 6]


def test_what_is_cancelled_goes_on_for_who_else_wants_it(cluster, client, tmp_path):
    with Client(cluster, set_as_default=False) as other:
        mine = client.submit(begin_and_wait, str(tmp_path), 3, key="both")
        wait_for_file(tmp_path / "begun")
        theirs = other.submit(begin_and_wait, str(tmp_path), 3, key="both")
        assert theirs.status == "pending" and theirs.key == "both"
        mine.cancel()
        (tmp_path / "gate").touch()
        assert theirs.result(timeout=_SECONDS) == 3
        assert mine.cancelled()
        again = client.submit(begin_and_wait, str(tmp_path), 3, key="both")
        assert again.result(timeout=_SECONDS) == 3


def test_who_else_wants_what_is_cancelled_for_all_is_told_and_may_want_it_again(cluster, client):
    with Client(cluster, set_as_default=False) as other:
        theirs = other.submit(inc, 1, key="all")
        assert theirs.result(timeout=_SECONDS) == 2
        mine = Future("all", client=client)
        client.cancel(mine, force=True)
        assert wait_for(theirs.cancelled)
        assert other.submit(inc, 2, key="all").result(timeout=_SECONDS) == 3
        assert mine.cancelled() and theirs.cancelled()
