"""What the cluster did, as people see it."""

from __future__ import annotations

import itertools
import time

import functions
import pytest

import rask.array as da
from rask.distributed import Client, get_task_stream, performance_report


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        yield client


def test_the_task_stream_has_every_task_once(client):
    before = time.time()
    with get_task_stream(client) as stream:
        client.gather(client.map(functions.inc, range(50), pure=False))
    mine = [task for task in stream.data if task["name"] == "inc"]
    assert sorted(task["key"][1] for task in mine) == list(range(50))
    assert {task["worker"] for task in mine} <= set(client.scheduler_info()["workers"])
    for task in mine:
        (span,) = task["startstops"]
        assert before - 1 <= span["start"] <= span["stop"] <= time.time() + 1
    assert len(client.get_task_stream(count=7)) == 7
    assert client.get_task_stream(start=time.time() + 60) == []


def test_tasks_of_a_worker_do_not_overlap(client):
    with get_task_stream(client) as stream:
        client.gather(client.map(functions.inc, range(500), pure=False))
    by_worker: dict = {}
    for task in stream.data:
        by_worker.setdefault(task["worker"], []).append(task["startstops"][0])
    for spans in by_worker.values():
        spans.sort(key=lambda span: span["start"])
        for left, right in itertools.pairwise(spans):
            assert right["start"] >= left["stop"] - 2e-3


def test_the_page_of_a_task_stream(client, tmp_path):
    path = tmp_path / "stream.html"
    with get_task_stream(client, plot="save", filename=str(path)) as stream:
        client.submit(functions.inc, 1, pure=False).result()
    assert path.read_text() == stream.figure
    assert "<canvas" in stream.figure and "http" not in stream.figure


def test_a_performance_report(client, tmp_path):
    path = tmp_path / "report.html"
    with performance_report(filename=str(path)):
        da.ones((100, 100), chunks=10).map_blocks(functions.inc).sum().compute()
    page = path.read_text()
    assert "Task stream" in page and "map_blocks" in page
    assert "performance_report(filename" in page
    for address in client.scheduler_info()["workers"]:
        assert address in page
