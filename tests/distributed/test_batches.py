"""Short tasks travel, run and are told of many at a time; nothing waits longer for it than it must."""

from __future__ import annotations

import importlib
import sys
import time

from functions import inc

from rask.distributed import wait

DEADLINE = 30


def wait_at(number, blocked, path):
    """A short task, but for one number: this one runs until there is a file."""
    deadline = time.monotonic() + DEADLINE
    while number == blocked and not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return number


def describe(*arguments):
    return "-".join(str(argument) for argument in arguments)


def test_what_was_taken_with_a_long_task_does_not_wait_for_it(client, tmp_path):
    go = tmp_path / "go"
    # The function is known as a short one.
    assert client.gather(client.map(wait_at, range(400), blocked=-1, path=go)) == list(range(400))
    futures = client.map(wait_at, range(400), blocked=50, path=go)
    others = futures[:50] + futures[51:]
    done, _ = wait(others, timeout=DEADLINE)
    assert len(done) == len(others)
    assert not futures[50].done()
    go.touch()
    assert client.gather(futures) == list(range(400))


def test_calls_that_nobody_waits_for_run_all_the_same(client, tmp_path):
    paths = [tmp_path / str(number) for number in range(20)]
    futures = [client.submit(path.touch) for path in paths]
    deadline = time.monotonic() + DEADLINE
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    wait(futures)
    assert {future.status for future in futures} == {"finished"}


def test_a_chain_of_calls_is_cut_where_one_of_them_fails(client):
    futures = [client.submit(inc, 0, pure=False)]
    for _ in range(300):
        futures.append(client.submit(inc, futures[-1], pure=False))
    assert futures[-1].result() == 301
    broken = client.submit(inc, "text", pure=False)
    for _ in range(50):
        broken = client.submit(inc, broken, pure=False)
    assert isinstance(broken.exception(), TypeError)


def test_a_call_takes_plain_arguments_and_futures_in_their_order(client):
    one, two = client.submit(inc, 0), client.submit(inc, 1)
    mixed = client.submit(describe, one, "text", two, None, 3.5, one)
    assert mixed.result() == "1-text-2-None-3.5-1"
    nested = client.submit(describe, [one, 5], {"two": two})
    assert nested.result() == "[1, 5]-{'two': 2}"
    key = client.submit(describe, one, two).key
    assert client.submit(describe, one, two).key == key
    assert client.submit(describe, two, one).key != key
    assert client.submit(describe, 1, two).key != client.submit(describe, one, 2).key


def test_a_module_that_is_loaded_anew_has_its_new_function_run(client, tmp_path, monkeypatch):
    path = tmp_path / "versioned.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    module = None
    for version in (1, 2):
        path.write_text(f"def answer(value):\n    return {version}, value\n\n# {'-' * version}\n")
        importlib.invalidate_caches()
        module = importlib.reload(module) if module else importlib.import_module("versioned")
        client.upload_file(str(path))
        value = client.submit(inc, version)
        assert client.submit(module.answer, value, pure=False).result() == (version, version + 1)
    sys.modules.pop("versioned", None)
