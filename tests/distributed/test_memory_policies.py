"""Policies of users say which copies of values are made and dropped."""

from __future__ import annotations

import functions
import pytest

import rask
from rask.distributed import Client, LocalCluster, wait

_MANAGER = "distributed.scheduler.active-memory-manager"


def configured(**settings):
    keys = {"interval": "20ms", **settings}
    return rask.config.set({f"{_MANAGER}.{name}": value for name, value in keys.items()})


def holder_count(client, future):
    (holders,) = client.who_has([future]).values()
    return len(holders)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A module of policies that others can import."""
    module = tmp_path / "my_policies.py"
    module.write_text(
        "from rask.distributed.active_memory_manager import ActiveMemoryManagerPolicy\n"
        "class Everywhere(ActiveMemoryManagerPolicy):\n"
        "    def __init__(self, prefix):\n"
        "        self.prefix = prefix\n"
        "    def run(self):\n"
        "        for key, task in self.manager.scheduler.tasks.items():\n"
        "            if str(key).startswith(self.prefix):\n"
        "                for worker in self.manager.scheduler.running - task.who_has:\n"
        "                    chosen = yield 'replicate', task, {worker}\n"
        "                    assert chosen in (worker, None)\n"
        "class Raises(ActiveMemoryManagerPolicy):\n"
        "    def run(self):\n"
        "        raise ValueError('of a policy')\n"
        "        yield\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "my_policies"


def cluster_of(workers=2):
    return LocalCluster(n_workers=workers, threads_per_worker=1, processes=False)


def test_a_policy_of_the_configuration_makes_copies(made):
    policies = [
        {"class": "distributed.active_memory_manager.ReduceReplicas"},
        {"class": f"{made}.Raises"},
        {"class": f"{made}.Everywhere", "prefix": "kept"},
    ]
    with (
        configured(policies=policies, start=True),
        cluster_of() as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        kept = client.submit(functions.big, 1000, key="kept-1")
        other = client.submit(functions.big, 1000, key="other-1")
        functions.wait_for(lambda: holder_count(client, kept) == 2)
        # What a policy asked for is not superfluous.
        client.amm.run_once()
        assert holder_count(client, kept) == 2
        assert holder_count(client, other) == 1
        assert len(kept.result()) == len(other.result()) == 1000


def test_policies_run_when_they_are_told(made):
    policies = [{"class": f"{made}.Everywhere", "prefix": "kept"}]
    with (
        configured(policies=policies),
        cluster_of() as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        kept = client.submit(functions.big, 1000, key="kept-1")
        wait(kept)
        is_on = client.run_on_scheduler(
            lambda dask_scheduler: dask_scheduler.extensions["amm"].running
        )
        assert not is_on
        client.amm.run_once()
        functions.wait_for(lambda: holder_count(client, kept) == 2)
        client.amm.start()
        more = client.submit(functions.big, 1000, key="kept-2")
        functions.wait_for(lambda: holder_count(client, more) == 2)
        client.amm.stop()


def test_a_function_beside_the_scheduler_adds_policies():
    def retire(address, dask_scheduler):
        from rask.distributed.active_memory_manager import RetireWorker

        dask_scheduler.extensions["amm"].add_policy(RetireWorker(address))

    def is_done(dask_scheduler):
        return all(policy.done() for policy in dask_scheduler.extensions["amm"].policies)

    with (
        configured(),
        cluster_of() as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        first, second = client.scheduler_info()["workers"]
        values = [client.submit(functions.big, n, workers=[first], pure=False) for n in (10, 20)]
        wait(values)
        client.amm.start()
        client.run_on_scheduler(retire, first)
        functions.wait_for(lambda: client.who_has(values) == {v.key: (second,) for v in values})
        assert client.run_on_scheduler(is_done)
        assert [len(value.result()) for value in values] == [10, 20]


def test_what_has_no_other_place_stays():
    def retire(address, dask_scheduler):
        from rask.distributed.active_memory_manager import RetireWorker

        manager = dask_scheduler.extensions["amm"]
        policy = RetireWorker(address)
        manager.add_policy(policy)
        manager.run_once()
        return policy.no_recipients, len(manager.policies)

    with cluster_of(1) as cluster, Client(cluster, set_as_default=False) as client:
        (only,) = client.scheduler_info()["workers"]
        value = client.submit(functions.big, 10)
        wait(value)
        assert client.run_on_scheduler(retire, only) == (True, 0)
        assert len(value.result()) == 10


def test_the_policy_that_drops_copies():
    def reduce(dask_scheduler):
        from rask.distributed.active_memory_manager import ReduceReplicas

        manager = dask_scheduler.extensions["amm"]
        manager.add_policy(ReduceReplicas())
        manager.run_once()

    with cluster_of() as cluster, Client(cluster, set_as_default=False) as client:
        value = client.submit(functions.big, 10)
        client.replicate([value])
        assert holder_count(client, value) == 2
        client.run_on_scheduler(reduce)
        functions.wait_for(lambda: holder_count(client, value) == 1)
        assert len(value.result()) == 10


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"policies": ["my.Policy"]}, ValueError, "must be a list of"),
        ({"policies": [{"class": "no_such_module.Policy"}]}, ImportError, "no_such_module"),
        ({"policies": [{"class": "functions.Nothing"}]}, AttributeError, "Nothing"),
        ({"policies": [{"class": "functions.big"}]}, TypeError, "missing"),
        ({"policies": [{"class": "a.B"}], "measure": "bytes"}, ValueError, "measure"),
    ],
)
def test_mistakes_are_told_at_the_start(settings, error, match):
    with configured(**settings), pytest.raises(error, match=match):
        cluster_of(0)
