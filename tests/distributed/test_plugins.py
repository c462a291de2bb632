"""Code of users on workers, in nannies and beside the scheduler."""

from __future__ import annotations

import os
import sys
import zipfile

import pytest
from functions import fail, inc, wait_for

from rask.distributed import (
    Client,
    InstallPlugin,
    LocalCluster,
    NannyPlugin,
    PipInstall,
    SchedulerPlugin,
    UploadDirectory,
    WorkerPlugin,
)


@pytest.fixture(scope="module")
def threads():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False) as cluster:
        yield cluster


@pytest.fixture
def local(threads):
    with Client(threads, set_as_default=False) as client:
        yield client


class Marking(WorkerPlugin):
    def __init__(self, mark):
        self.mark = mark

    def setup(self, worker):
        worker.marks = [*getattr(worker, "marks", []), self.mark]

    async def teardown(self, worker):
        worker.marks.remove(self.mark)


def marks(client):
    return sorted(client.run(lambda dask_worker: list(getattr(dask_worker, "marks", []))).values())


def test_plugins_come_to_workers_and_leave(local):
    answer = local.register_plugin(Marking("a"), name="marking")
    assert set(answer) == set(local.scheduler_info()["workers"])
    assert marks(local) == [["a"], ["a"]]
    local.register_plugin(Marking("b"), name="marking")
    assert marks(local) == [["b"], ["b"]]
    assert "marking" in next(
        iter(local.run(lambda dask_worker: list(dask_worker.plugins)).values())
    )
    local.unregister_worker_plugin("marking")
    assert marks(local) == [[], []]
    with pytest.raises(ValueError, match="no worker plugin named 'marking'"):
        local.unregister_worker_plugin("marking")


def test_plugins_come_to_workers_that_join_later():
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(Marking("a"), name="marking")
        client.register_worker_callbacks(call_back)
        cluster.scale(2)
        cluster.wait_for_workers(2, timeout=30)
        wait_for(lambda: marks(client) == [["a", "called back"]] * 2)


def call_back(dask_worker):
    dask_worker.marks.append("called back")


class Refusing(WorkerPlugin):
    def setup(self, worker):
        raise OSError("not on this machine")


def test_a_plugin_that_cannot_be_set_up_is_told_and_forgotten(local):
    with pytest.raises(OSError, match="not on this machine"):
        local.register_plugin(Refusing(), name="refusing")
    with pytest.raises(ValueError, match="no worker plugin"):
        local.unregister_worker_plugin("refusing")
    with pytest.raises(TypeError, match="instance"):
        local.register_plugin(Refusing)
    with pytest.raises(TypeError, match="no plugin"):
        local.register_plugin(object())


class Once(Marking):
    idempotent = True


def test_an_idempotent_plugin_is_registered_once(local):
    local.register_plugin(Once("first"), name="once")
    assert local.register_plugin(Once("second"), name="once") == {}
    assert marks(local) == [["first"], ["first"]]
    local.unregister_worker_plugin("once")


class Transitions(WorkerPlugin):
    def setup(self, worker):
        self.seen = []

    def transition(self, key, start, finish, **kwargs):
        self.seen.append((key, start, finish))


def test_plugins_see_transitions_of_tasks(local):
    local.register_plugin(Transitions(), name="transitions")
    good = local.submit(inc, 1, key="good", pure=False)
    bad = local.submit(fail, 1, key="bad", pure=False)
    assert good.result() == 2 and bad.exception() is not None

    def seen():
        lists = local.run(lambda dask_worker: dask_worker.plugins["transitions"].seen)
        return {entry for entries in lists.values() for entry in entries}

    expected = {
        ("good", "ready", "executing"),
        ("good", "executing", "memory"),
        ("bad", "ready", "executing"),
        ("bad", "executing", "error"),
    }
    wait_for(lambda: expected <= seen())
    local.unregister_worker_plugin("transitions")


def test_upload_file(local, tmp_path):
    module = tmp_path / "uploaded_module.py"
    module.write_text("VALUE = 123")

    def value():
        import uploaded_module

        return uploaded_module.VALUE

    assert set(local.upload_file(str(module))) == set(local.scheduler_info()["workers"])
    assert local.submit(value, pure=False).result() == 123
    module.write_text("VALUE = 456  # longer")
    local.upload_file(str(module))
    assert local.submit(value, pure=False).result() == 456
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("uploaded_package/__init__.py", "from uploaded_package.inner import VALUE")
        file.writestr("uploaded_package/inner.py", "VALUE = 789")

    def packed():
        import uploaded_package

        return uploaded_package.VALUE

    local.upload_file(str(archive))
    assert local.submit(packed, pure=False).result() == 789
    text = tmp_path / "notes.txt"
    text.write_text("some text")
    with pytest.raises(ValueError, match="load=False"):
        local.upload_file(str(text))
    local.upload_file(str(text), load=False)


class Recording(NannyPlugin):
    def __init__(self, path):
        self.path = path

    def setup(self, nanny):
        with open(self.path, "a") as file:
            file.write(f"{nanny.name}\n")


def test_nanny_plugins(own_cluster, tmp_path):
    path = tmp_path / "record"
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "project_module.py").write_text("VALUE = 'from the folder'")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    with Client(own_cluster, set_as_default=False) as client:
        assert len(client.register_plugin(Recording(str(path)), name="recording")) == 2
        assert sorted(path.read_text().split()) == ["0", "1"]
        own_cluster.scale(3)
        own_cluster.wait_for_workers(3, timeout=30)
        wait_for(lambda: sorted(path.read_text().split()) == ["0", "1", "2"])
        own_cluster.scale(1)
        client.unregister_worker_plugin("recording", nanny=True)
        client.register_plugin(UploadDirectory(str(folder), update_path=True))
        client.wait_for_workers(1)

        def value():
            import project_module

            return project_module.VALUE, os.listdir(os.path.dirname(project_module.__file__))

        found, files = client.submit(value).result(timeout=30)
        assert found == "from the folder" and ".git" not in files


def test_installing(threads, tmp_path, monkeypatch):
    path = tmp_path / "installed"

    class Installing(InstallPlugin):
        pass

    assert PipInstall(["nothing"]).name.startswith("PipInstall-")
    with Client(threads, set_as_default=False) as client:
        client.register_plugin(Installing(lambda: path.write_text("done"), False))
        assert path.read_text() == "done"
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="pip install failed"):
        PipInstall(["nothing"]).setup()


def test_functions_run_beside_the_scheduler(local):
    assert local.run_on_scheduler(lambda x: x + 1, 4) == 5
    process, parent, folder, token = local.run_on_scheduler(
        lambda: (os.getpid(), os.getppid(), os.listdir("."), dict(os.environ))
    )
    assert process != os.getpid() == parent
    assert folder == [] and not any("TOKEN" in name for name in token)

    def look(dask_scheduler):
        workers, tasks = dask_scheduler.snapshot()
        return dask_scheduler.address, len(workers), {k: t.state for k, t in tasks.items()}

    kept = local.submit(inc, 1, key="kept")
    kept.result()
    address, workers, tasks = local.run_on_scheduler(look)
    assert address == local.scheduler_address and workers == 2 and tasks["kept"] == "memory"

    async def later():
        return "later"

    assert local.run_on_scheduler(later) == "later"
    with pytest.raises(ZeroDivisionError):
        local.run_on_scheduler(lambda: 1 / 0)
    with pytest.raises(AttributeError, match="beside the scheduler"):
        local.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transitions)


def test_the_helper_may_end_and_does_not_take_the_scheduler_with_it(local):
    with pytest.raises(RuntimeError, match="helper process beside the scheduler ended"):
        local.run_on_scheduler(os._exit, 3)
    with pytest.raises(MemoryError):
        local.run_on_scheduler(lambda: len(bytearray(8 * 2**30)))
    assert local.run_on_scheduler(inc, 1) == 2
    assert local.submit(inc, 10, pure=False).result() == 11


class Counting(SchedulerPlugin):
    def __init__(self, path):
        self.path = path
        self.events = []

    async def start(self, scheduler):
        self.scheduler = scheduler

    def transition(self, key, start, finish, *args, **kwargs):
        self.events.append((key, start, finish))

    def add_worker(self, scheduler, worker):
        self.events.append(("add_worker", worker in scheduler.workers))

    async def remove_worker(self, scheduler, worker, **kwargs):
        self.events.append(("remove_worker", worker in scheduler.workers))

    def update_graph(self, scheduler, *, client, keys, tasks, **kwargs):
        self.events.append(("update_graph", *sorted(keys)))

    async def close(self):
        with open(self.path, "w") as file:
            file.write(repr(len(self.events)))


def test_scheduler_plugins_are_told_what_happens(tmp_path):
    path = tmp_path / "closed"
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False) as cluster:
        with Client(cluster, set_as_default=False) as client:
            client.register_plugin(Counting(str(path)), name="counting")
            assert client.submit(inc, 1, key="one").result() == 2
            assert client.submit(fail, 1, key="two").exception() is not None

            def events():
                return client.run_on_scheduler(
                    lambda dask_scheduler: dask_scheduler.plugins["counting"].events
                )

            cluster.scale(2)
            wait_for(lambda: ("add_worker", True) in events())
            cluster.scale(1)
            expected = [
                ("update_graph", "one"),
                ("one", "waiting", "processing"),
                ("one", "processing", "memory"),
                ("two", "processing", "erred"),
                ("add_worker", True),
                ("remove_worker", False),
            ]
            wait_for(lambda: set(expected) <= set(events()), 5)
            told = [event for event in events() if event in expected]
            assert told.index(expected[0]) < told.index(expected[1]) < told.index(expected[2])
        assert not path.exists()
    wait_for(path.exists)
