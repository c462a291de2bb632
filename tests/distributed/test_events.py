"""Topics: events of clients, workers and tasks; printing, warnings and logs that reach the client."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from pathlib import Path

import functions
import pytest

import rask
from rask.distributed import Client, LocalCluster, Nanny, SchedulerPlugin, get_worker
from rask.distributed import print as remote_print
from rask.distributed import warn as remote_warn
from rask.distributed._client_events import EVENT_BYTES_MAX

LIMIT = 20


def take(events: queue.Queue, count: int = 1) -> list:
    return [events.get(timeout=LIMIT)[1] for _ in range(count)]


def log_from_task(topic, count):
    for number in range(count):
        get_worker().log_event(topic, number)
    return get_worker().address


def test_events_are_remembered_by_topic(client):
    before = time.time()
    client.log_event(["first", "second"], {"a": (1, [2])})
    client.log_event("first", b"bytes")
    (one, message), (other, raw) = client.get_events("first")
    assert before - 1 <= one <= other <= time.time() + 1
    assert (message, raw) == ({"a": (1, [2])}, b"bytes")
    everything = client.get_events()
    assert [message for _, message in everything["second"]] == [{"a": (1, [2])}]
    assert client.get_events("nothing was ever logged here") == ()


def test_the_scheduler_tells_of_workers_and_clients(client):
    for address in client.scheduler_info()["workers"]:
        assert client.get_events(address)[0][1] == {"action": "add-worker"}
    told = [message for _, message in client.get_events("all")]
    joined = {message["worker"] for message in told if message["action"] == "add-worker"}
    assert joined >= set(client.scheduler_info()["workers"])
    assert "add-client" in {message["action"] for message in told}


def test_bad_events_are_refused(client):
    with pytest.raises(TypeError):
        client.log_event("topic", threading.Lock())
    with pytest.raises(TypeError, match="topics are strings"):
        client.log_event([1], "x")
    with pytest.raises(ValueError, match="scatter"):
        client.log_event("topic", bytes(EVENT_BYTES_MAX + 1))


def test_subscribers_get_what_comes_after_they_subscribed(client):
    events: queue.Queue = queue.Queue()
    client.log_event("news", "before")
    client.subscribe_topic("news", events.put)
    client.log_event("news", "after")
    address = client.submit(log_from_task, "news", 3, pure=False).result()
    assert address in client.scheduler_info()["workers"]
    assert take(events, 4) == ["after", 0, 1, 2]
    client.unsubscribe_topic("news")
    client.log_event("news", "later")
    client.subscribe_topic("other", events.put)
    client.log_event("other", "last")
    assert take(events) == ["last"]
    with pytest.raises(ValueError, match="No event handler known for topic news"):
        client.unsubscribe_topic("news")
    with pytest.raises(TypeError):
        client.subscribe_topic("news", "no function")


def test_a_handler_that_raises_is_logged_and_called_again(client, caplog):
    seen: queue.Queue = queue.Queue()

    def handler(event):
        seen.put(event)
        raise ValueError("no")

    client.subscribe_topic("raises", handler)
    client.log_event("raises", 1)
    client.log_event("raises", 2)
    assert take(seen, 2) == [1, 2]
    assert "handler of topic 'raises' raised" in caplog.text


def test_a_slow_subscriber_misses_events_and_holds_up_nobody(client, cluster, caplog):
    seen: queue.Queue = queue.Queue()
    begun, go = threading.Event(), threading.Event()

    def slow(event):
        seen.put(event)
        begun.set()
        assert go.wait(LIMIT)

    client.subscribe_topic("flood", slow)
    client.log_event("flood", "first")
    assert begun.wait(LIMIT)
    client.submit(log_from_task, "flood", 2500, pure=False).result()
    # Nothing of it waits anywhere but in the topic, which holds the last 1,000.
    deadline = time.monotonic() + LIMIT
    while (kept := client.get_events("flood"))[-1][1] != 2499 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [message for _, message in kept] == list(range(1500, 2500))
    go.set()
    got = take(seen, 1)
    while got[-1] != 2499:
        got += take(seen)
    assert got[-1000:] == list(range(1500, 2500))
    assert "of topic 'flood' were forgotten before they could be handled" in caplog.text


def test_asynchronous_clients_run_handlers_on_their_loop(cluster):
    async def main():
        async with Client(cluster, asynchronous=True, set_as_default=False) as client:
            seen: asyncio.Queue = asyncio.Queue()

            async def handler(event):
                assert asyncio.get_running_loop() is loop
                await asyncio.sleep(0)
                seen.put_nowait(event[1])

            loop = asyncio.get_running_loop()
            client.subscribe_topic("async", handler)
            await client.log_event("async", "one")
            client.subscribe_topic("plain", lambda event: seen.put_nowait(event[1]))
            await client.log_event("plain", "two")
            got = [await asyncio.wait_for(seen.get(), LIMIT) for _ in range(2)]
            assert sorted(got) == ["one", "two"]
            assert (await client.get_events("async"))[0][1] == "one"

    asyncio.run(main())


def test_nannies_log(cluster, client):
    async def main():
        async with Nanny(cluster.scheduler_address, nthreads=1, security=cluster.security) as nanny:
            nanny.log_event("nannies", nanny.worker_address)
            return nanny.worker_address

    address = asyncio.run(main())
    assert [message for _, message in client.get_events("nannies")] == [address]
    actions = [message["action"] for _, message in client.get_events(address)]
    assert actions == ["add-worker", "remove-worker"]


def say(text):
    remote_print(text, 1, sep="-", end="!\n", flush=True)
    return text


def caution():
    remote_warn("take care", RuntimeWarning)


def test_what_tasks_print_reaches_every_client(cluster, client, capsys):
    assert client.submit(say, "hello", pure=False).result() == "hello"
    out = ""
    deadline = time.monotonic() + LIMIT
    while "hello-1!\n" not in out and time.monotonic() < deadline:
        out += capsys.readouterr().out
        time.sleep(0.01)
    assert out == "hello-1!\n"
    say("here")
    assert capsys.readouterr().out == "here-1!\n"
    message = client.get_events("print")[-1][1]
    assert message["args"] == ("hello", "1")
    with pytest.raises(TypeError, match=r"sys\.stdout and sys\.stderr"):
        client.submit(remote_print, "x", file=1, pure=False).result()


def test_what_tasks_warn_of_reaches_the_client(client, recwarn):
    client.submit(caution, pure=False).result()
    deadline = time.monotonic() + LIMIT
    while not recwarn.list and time.monotonic() < deadline:
        time.sleep(0.01)
    warned = recwarn.pop(RuntimeWarning)
    assert str(warned.message) == "take care"


def log_something(logger_name, level):
    logger = logging.getLogger(logger_name)
    try:
        raise KeyError("inside")
    except KeyError:
        logger.log(level, "said %s", "it", exc_info=True)


def test_logging_is_forwarded(client):
    records: queue.Queue = queue.Queue()

    class Handler(logging.Handler):
        def emit(self, record):
            records.put((0, record))

    logger = logging.getLogger("user.module")
    handler = Handler()
    logger.addHandler(handler)
    try:
        client.forward_logging("user", logging.WARNING)
        client.submit(log_something, "user.module", logging.INFO, pure=False).result()
        client.submit(log_something, "user.module", logging.ERROR, pure=False).result()
        (record,) = take(records)
        assert record.getMessage() == "said it" and record.levelname == "ERROR"
        assert "KeyError: 'inside'" in record.exc_text
        assert record.worker in client.scheduler_info()["workers"]
        client.unforward_logging("user")
        with pytest.raises(ValueError):
            client.unforward_logging("user")
        client.submit(log_something, "user.module", logging.ERROR, pure=False).result()
        assert records.empty()
    finally:
        logger.removeHandler(handler)


def test_the_scheduler_keeps_its_log(own_cluster):
    with Client(own_cluster, set_as_default=False) as client:
        with pytest.raises(ValueError):
            client.submit(functions.fail, 1).result()
        logs = client.get_scheduler_logs()
        text = "\n".join(line for _, line in logs)
        assert "a worker joined" in text and "a client joined" in text
        assert "a task raised" in text and "cannot do 1" in text
        assert {level for level, _ in logs} <= {"INFO", "WARNING", "ERROR"}
        # Other schedulers of this process log meanwhile.
        (last,) = client.get_scheduler_logs(1)
        assert last in client.get_scheduler_logs()
        assert client.get_scheduler_logs(0) == ()
        victim = next(iter(client.scheduler_info()["workers"]))
        doomed = client.submit(functions.kill_own_process, workers=[victim])
        deadline = time.monotonic() + LIMIT
        while (told := client.get_events(victim)[-1][1])["action"] == "add-worker":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert told["action"] == "remove-worker" and "signal 9" in told["reason"]
        text = "\n".join(line for _, line in client.get_scheduler_logs())
        assert "a worker is lost" in text and victim in text
        doomed.cancel()


class Collecting(SchedulerPlugin):
    """Logs again what it is told of."""

    def __init__(self, folder):
        self.folder = folder

    def log_event(self, topic, msg):
        if topic == "told":
            Path(self.folder, "told").write_text(repr(msg))


def test_plugins_beside_the_scheduler_are_told(client, tmp_path):
    client.register_plugin(Collecting(str(tmp_path)), name="collecting")
    try:
        client.log_event(["told", "other"], {"a": [1]})
        deadline = time.monotonic() + LIMIT
        while not (tmp_path / "told").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / "told").read_text() == "{'a': [1]}"
    finally:
        client.unregister_scheduler_plugin("collecting")


def test_limits_come_from_the_configuration():
    limits = {
        "distributed.scheduler.events-log-length": 3,
        "distributed.scheduler.transition-log-length": 8,
    }
    with (
        rask.config.set(limits),
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        for number in range(5):
            client.log_event("few", number)
        assert [message for _, message in client.get_events("few")] == [2, 3, 4]
        client.gather(client.map(functions.inc, range(20)))
        assert len(client._scheduler_story([], [], True)) <= 8


def test_what_is_said_of_workers(client):
    info = client.scheduler_info()
    assert info["n_workers"] == 2 and len(client.scheduler_info(n_workers=1)["workers"]) == 1
    for address, worker in info["workers"].items():
        assert worker["host"] == "127.0.0.1" and worker["type"] == "Worker"
        assert worker["id"] == worker["name"] and worker["status"] == "running"
        assert time.time() - 60 < worker["last_seen"] <= time.time() + 1
        assert worker["metrics"]["memory"] == worker["memory"]
        lines = client.get_worker_logs(workers=[address])[address]
        assert any("the worker has joined" in line for _, line in lines)
    with pytest.raises(KeyError):
        client.nbytes(keys=["no such key"])
