"""What tasks went through, dumps of whole clusters, versions, benchmarks."""

from __future__ import annotations

import asyncio
import gzip
import time
import warnings

import functions
import msgpack
import pytest

from rask.distributed import Client, Scheduler, Worker, get_task_metadata, wait
from rask.distributed import _versions as versions
from rask.distributed import worker as worker_module
from rask.distributed._msgpack import packb, unpackb
from rask.distributed.cluster_dump import DumpArtefact, encode, redact

LIMIT = 20


def scheduler_lines(story):
    return [line[2:4] for line in story if line[0] == "scheduler"]


def test_a_story_of_one_task(client):
    future = client.submit(functions.inc, 1, key="story-of-one")
    wait(future)
    story = client.story("story-of-one")
    assert scheduler_lines(story) == [
        ("released", "waiting"),
        ("waiting", "queued"),
        ("queued", "processing"),
        ("processing", "memory"),
    ]
    assert story == client.story(future)
    times = [line[-1] for line in story]
    assert all(isinstance(time, float) for time in times)
    addresses = {line[0] for line in story} - {"scheduler"}
    (address,) = addresses
    assert address in client.scheduler_info()["workers"]
    steps = [line[2] for line in story if line[0] == address]
    assert steps == ["waiting", "executing", "memory"]
    stimulus = next(line[5] for line in story if line[3:4] == ("memory",))
    assert stimulus.startswith("task-finished-")
    assert "story-of-one" in [line[1] for line in client.story(stimulus)]
    why = {line[2]: line[3] for line in story if line[0] == address}
    assert [text.rpartition("-")[0] for text in why.values()] == [
        "compute-tasks",
        "ensure-computing",
        "task-ended",
    ]
    assert [line[:3] for line in client.story(why["memory"])] == [
        (address, "story-of-one", "memory")
    ]
    del future
    deadline = time.monotonic() + LIMIT
    while scheduler_lines(client.story("story-of-one"))[-1] != ("released", "forgotten"):
        assert time.monotonic() < deadline


def test_a_story_of_a_block(client):
    futures = client.map(functions.inc, range(5), pure=False)
    wait(futures)
    one = client.story(futures[3].key)
    assert {line[1] for line in one} == {futures[3].key}
    assert scheduler_lines(one)[-1] == ("processing", "memory")
    layer = futures[0].key[0]
    assert {line[1] for line in client.story(layer)} == {future.key for future in futures}
    assert client.story("nothing of this name") == []
    with pytest.raises(TypeError, match="keys"):
        client.story(3)


def test_a_story_in_an_asynchronous_client(cluster):
    async def main():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            await client.submit(functions.inc, 1, key="async-story")
            return await client.story("async-story")

    assert ("processing", "memory") in scheduler_lines(asyncio.run(main()))


def test_task_metadata(cluster):
    with Client(cluster) as client:
        client.submit(functions.inc, 0, key="before").result()
        with get_task_metadata() as tasks:
            wait([client.submit(functions.inc, 1, key="within")])
            wait([client.submit(functions.fail, 1, key="failing")])
        assert tasks.state == {"within": "memory", "failing": "erred"}
        assert tasks.metadata["within"]["worker"] in client.scheduler_info()["workers"]


@pytest.mark.parametrize("format", ["msgpack", "yaml"])
def test_a_dump_of_the_cluster(client, cluster, tmp_path, format):
    kept = client.submit(functions.inc, 1, key="dumped")
    failed = client.submit(functions.fail, 2, key="dumped-failure")
    wait([kept, failed])
    token = cluster.security.token
    client.log_event("leak", {"text": f"the token is {token}", "more": token})
    client.dump_cluster_state(str(tmp_path / "dump"), format=format, exclude=["nbytes"])
    suffix = {"msgpack": ".msgpack.gz", "yaml": ".yaml"}[format]
    path = tmp_path / f"dump{suffix}"
    dump = DumpArtefact.from_url(str(path))
    raw = gzip.decompress(path.read_bytes()) if format == "msgpack" else path.read_bytes()
    assert token.encode() not in raw
    assert set(dump) == {"scheduler", "workers", "versions"}
    task = dump["scheduler"]["tasks"]["dumped"]
    assert task["state"] == "memory" and task["who_has"][0] in dump["workers"]
    assert "nbytes" not in task
    erred = dump.scheduler_tasks_in_state("erred")
    assert "cannot do 2" in next(t for t in erred if t["key"] == "dumped-failure")["exception"]
    assert "dumped" in {task["key"] for task in dump.worker_tasks_in_state("memory")}
    assert dump.missing_workers() == []
    assert [line[2] for line in dump.scheduler_story("dumped")["dumped"]][-1] == "memory"
    steps = dump.worker_story("dumped")["dumped"]
    assert "executing" in [line[1] for line in steps]
    assert ("dumped", *steps[0][1:]) in dump.worker_story(steps[0][2])["dumped"]
    assert dump["versions"]["client"]["packages"]["rask"]
    dump.to_yamls(tmp_path / "split")
    assert (tmp_path / "split" / "scheduler" / "tasks.yaml").exists()
    if format == "msgpack":
        assert msgpack.unpackb(raw, strict_map_key=False) == dump.dump


def test_a_dump_written_beside_the_scheduler(client, tmp_path):
    client.dump_cluster_state(str(tmp_path / "there"), write_from_scheduler=True)
    assert "scheduler" in DumpArtefact.from_url(str(tmp_path / "there.msgpack.gz"))


def test_dumps_that_cannot_be_written(client, tmp_path):
    with pytest.raises(ValueError, match="Unsupported format"):
        client.dump_cluster_state(str(tmp_path / "dump"), format="json")
    with pytest.raises(FileNotFoundError):
        client.dump_cluster_state(str(tmp_path / "missing" / "dump"))
    with pytest.raises(ValueError, match="suffix"):
        DumpArtefact.from_url("dump.json")


def test_messagepack_is_that_of_others():
    value = {
        "none": None,
        "bools": [True, False],
        "ints": [0, 1, 127, 128, -1, -32, -33, 2**31, 2**63, -(2**63)],
        "float": 1.5,
        "texts": ["", "a" * 31, "b" * 32, "é" * 300, "c" * 70_000],
        "raw": [b"", b"x" * 300],
        "lists": [list(range(15)), list(range(16)), list(range(70_000))],
        "dicts": {str(n): n for n in range(20)},
    }
    assert msgpack.unpackb(packb(value)) == value
    assert unpackb(msgpack.packb(value)) == value
    for cut in (b"", b"\xda\x00", packb(value)[:-1], b"\xc1", b"\x91", b"\xc0\xc0"):
        with pytest.raises(ValueError):
            unpackb(cut)


def test_what_is_secret_is_left_out():
    given = {"tls": {"ca-file": "x"}, "auth-token": "abc", "deep": [{"password": "p", "n": 1}]}
    assert redact(given) == {
        "tls": {"ca-file": "x"},
        "auth-token": "<redacted>",
        "deep": [{"password": "<redacted>", "n": 1}],
    }
    data = gzip.decompress(encode({"text": ["abc here"], "abc": 1}, "msgpack", ["abc"]))
    assert unpackb(data) == {"text": ["<redacted> here"], "<redacted>": 1}


def test_versions(client, recwarn):
    found = client.get_versions(check=True, packages=["fsspec", "no-such-package"])
    assert not [w for w in recwarn.list if issubclass(w.category, versions.VersionMismatchWarning)]
    assert set(found["workers"]) == set(client.scheduler_info()["workers"])
    for one in (found["client"], *found["workers"].values()):
        assert one["packages"]["no-such-package"] is None
        assert one["packages"]["fsspec"]
        assert one["host"]["python-bits"] == 64
    assert found["scheduler"]["packages"]["rask"] == found["client"]["packages"]["rask"]


def test_differing_versions_are_told_when_a_client_connects(cluster, monkeypatch):
    theirs = dict(versions.get_versions()["packages"])
    own = {**theirs, "numpy": "99.1", "pandas": None, "rask": "0.0.1"}
    monkeypatch.setattr(versions, "get_versions", lambda packages=None: {"packages": own})
    with pytest.warns(versions.VersionMismatchWarning) as warned, Client(cluster) as client:
        addresses = client.scheduler_info()["workers"]
    text = str(warned[0].message)
    assert f"the scheduler: rask {theirs['rask']}, here 0.0.1; upgrade Rask here" in text
    assert f"numpy {theirs['numpy']}, here 99.1; upgrade numpy there" in text
    assert "here missing; install pandas here" in text
    assert all(address in text for address in addresses)


def test_clients_are_told_of_workers_that_join_with_other_versions(monkeypatch):
    found = versions.registered_versions()
    theirs = [(name, "1.2.3" if name == "numpy" else value) for name, value in found]

    async def main():
        async with (
            Scheduler(port=0) as scheduler,
            Worker(scheduler.address, security=scheduler.security),
        ):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                async with Client(scheduler, asynchronous=True, set_as_default=False):
                    monkeypatch.setattr(worker_module, "registered_versions", lambda: theirs)
                    others = [
                        Worker(scheduler.address, name=name, security=scheduler.security)
                        for name in ("one", "two")
                    ]
                    for worker in others:
                        await worker
                    deadline = time.monotonic() + 30
                    while not caught:
                        assert time.monotonic() < deadline
                        await asyncio.sleep(0.01)
                    for worker in others:
                        await worker.close()
            return [warning.message for warning in caught], others[0].address

    messages, address = asyncio.run(main())
    (told,) = [one for one in messages if isinstance(one, versions.VersionMismatchWarning)]
    assert f"1 worker ({address}): numpy 1.2.3" in str(told)
    assert "upgrade numpy there" in str(told)


def test_a_table_of_differing_versions():
    one, other = (
        {"packages": {"numpy": "1", "rask": "2"}},
        {"packages": {"numpy": "3", "rask": "2"}},
    )
    assert versions.error_message(one, {"a": one}, one) == ""
    table = versions.error_message(one, {"a": one, "b": other}, one)
    assert "| numpy   | 1      | 1         | 1 | 3   |" in table and "rask" not in table


def test_benchmarks(client):
    found = client._benchmark_hardware(0.01, 2)
    assert set(found) == {"disk", "memory", "network"}
    assert set(found["disk"]) == {"1 kiB", "100 kiB"}
    assert all(rate > 0 for rates in found.values() for rate in rates.values())


def nap_until(path):
    functions.wait_for_file(path)
    return 1


def test_call_stacks(client, tmp_path):
    path = str(tmp_path / "go")
    napping = client.submit(nap_until, path, key="napping")
    waiting = client.submit(functions.inc, napping, key="waiting")
    other = client.submit(functions.wait_for_file, path, key="other")
    deadline = time.monotonic() + LIMIT
    while True:
        stacks = client.call_stack()
        running = {key: calls for tasks in stacks.values() for key, calls in tasks.items()}
        text = "".join(running.get("napping", ()))
        if set(running) == {"napping", "other"} and "in wait_for_file" in text:
            break
        assert time.monotonic() < deadline
    assert "in nap_until\n\tfunctions.wait_for_file(path)" in text
    (only,) = client.call_stack(waiting).values()
    assert set(only) == {"napping"}
    (only,) = client.call_stack(keys=["other"]).values()
    assert set(only) == {"other"}
    (tmp_path / "go").touch()
    wait([napping, other, waiting])
    assert client.call_stack() == {}
