"""Where tasks spend their time."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import weakref

import numpy as np
import pytest
from functions import wait_for

import rask.array as da
from rask.distributed import Client, LocalCluster
from rask.distributed._profile import create, merge


def inner(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def outer(seconds):
    inner(seconds)


def other(seconds):
    time.sleep(seconds)


def find(tree, name):
    """The calls of this name in a tree."""
    about = tree["description"]
    found = [tree] if (about["name"], about["filename"]) == (name, __file__) else []
    for child in tree["children"].values():
        found += find(child, name)
    return found


def check(tree):
    """A call is seen at least as often as those that it made."""
    assert tree["count"] >= sum(child["count"] for child in tree["children"].values())
    for identifier, child in tree["children"].items():
        assert child["identifier"] == identifier
        check(child)


def test_calls_of_tasks(client):
    client.gather([client.submit(outer, 0.4, pure=False), client.submit(other, 0.4, pure=False)])
    tree = client.profile()
    check(tree)
    assert tree["identifier"] == "root"
    [outermost] = find(tree, "outer")
    [innermost] = find(tree, "inner")
    assert outermost["identifier"] in tree["children"]
    assert innermost["identifier"] in outermost["children"]
    assert innermost["description"]["filename"] == __file__
    assert innermost["description"]["line"]
    # One look each 10 ms, but fewer where looking costs much, as on a busy machine.
    assert innermost["count"] > 1
    assert find(tree, "other")


def test_what_is_chosen(client):
    before = time.time()
    futures = [
        client.submit(other, 0.2, workers=[worker], pure=False) for worker in workers(client)
    ]
    client.gather(futures)
    tree = client.profile(key="other", start=before)
    assert find(tree, "other")
    assert not find(tree, "outer")
    assert not client.profile(key="unknown")["count"]
    assert not client.profile(stop=before - 3600)["count"]
    assert find(client.profile(start="1 min"), "other")
    first, second = workers(client)
    apart = client.profile(key="other", start=before, merge_workers=False)
    assert set(apart) == {first, second}
    assert all(find(one, "other") for one in apart.values())
    assert set(client.profile(workers=first, merge_workers=False)) == {first}
    assert merge(*apart.values())["count"] >= tree["count"]
    with pytest.raises(ValueError, match="nowhere"):
        client.profile(workers="nowhere")
    with pytest.raises(NotImplementedError, match="native threads"):
        client.profile(scheduler=True)


def workers(client):
    return sorted(client.scheduler_info()["workers"])


def test_native_tasks_are_told_by_their_operations(client):
    x = da.random.random((6000, 6000), chunks=(3000, 3000))
    deadline = time.monotonic() + 20
    names = set()
    while not names and time.monotonic() < deadline:
        client.compute((x @ x).sum()).result()
        tree = client.profile()
        native = [
            child
            for child in tree["children"].values()
            if child["description"]["filename"] == "<native>"
        ]
        names = {child["description"]["name"] for child in native}
    assert names
    assert client.profile(key=names.pop())["count"]


def test_looking_keeps_nothing_alive():
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False) as cluster:
        gc.disable()
        try:
            with Client(cluster, set_as_default=False) as client:
                value = np.zeros(100)
                gone = weakref.ref(value)
                client.gather(client.map(other, [0.02] * 10, pure=False))
                del value
                wait_for(lambda: gone() is None)
                futures = client.map(other, [0.02] * 10, pure=False)
                client.gather(futures)
                del futures
                wait_for(lambda: not any(client.has_what().values()))
        finally:
            gc.enable()


def test_pages(client, tmp_path):
    client.submit(outer, 0.2, pure=False).result()
    path = tmp_path / "profile.html"
    tree, page = client.profile(filename=str(path))
    assert path.read_text() == page
    assert "src=" not in page
    data = json.loads(page.split("const FLAMES = ")[1].split(";\n")[0])
    assert data["count"] == tree["count"]
    assert "inner" in data["names"]
    boxes = [
        box
        for box in data["calls"]
        if (data["names"][box[3]], data["files"][box[4]]) == ("outer", __file__)
    ]
    assert sum(box[2] for box in boxes) == sum(call["count"] for call in find(tree, "outer"))
    assert client.profile(plot=True)[1].startswith("<!doctype html>")


def test_an_asynchronous_client(cluster):
    async def work():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            await client.submit(other, 0.2, pure=False)
            return await client.profile(key="other")

    assert asyncio.run(work())["count"]


def test_a_worker_that_does_not_look(monkeypatch):
    monkeypatch.setenv("RASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "False")
    with (
        LocalCluster(n_workers=1, threads_per_worker=1) as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(RuntimeError, match=r"profile\.enabled is false"),
    ):
        client.profile()


def test_trees_add_up():
    def tree(**counts):
        root = create()
        for name, count in counts.items():
            leaf = {**create(), "identifier": name, "count": count}
            root["children"][name] = leaf
            root["count"] += count
        return root

    together = merge(tree(a=1, b=2), tree(b=3), create())
    assert together["count"] == 6
    counts = {name: child["count"] for name, child in together["children"].items()}
    assert counts == {"a": 1, "b": 5}
    assert merge() == create()
    with pytest.raises(ValueError, match="different calls"):
        merge(create(), {**create(), "identifier": "x"})
