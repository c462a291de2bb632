"""Dask's collections on Rask's engine, Rask's on Dask's, and Dask's programs on Rask."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import dask
import dask.array
import dask.bag
import dask.dataframe
import numpy as np
import pandas as pd
import pytest

import rask
import rask.bag as db
import rask.dask
from rask.dask import from_dask, to_dask


def inc(x):
    return x + 1


@pytest.fixture
def frame():
    return pd.DataFrame({"a": np.arange(60) % 7, "b": np.arange(60.0), "c": list("xyz") * 20})


def test_dask_arrays_on_rask():
    x = dask.array.arange(10_000, chunks=1_000).reshape((100, 100))
    lazy = (x + x.T).rechunk((30, 30))[::2].std(axis=0)
    expected = lazy.compute(scheduler="sync")
    np.testing.assert_allclose(lazy.compute(scheduler=rask.dask.get), expected)
    kept = x.persist(scheduler=rask.dask.get)
    np.testing.assert_array_equal(kept.compute(scheduler="sync"), x.compute(scheduler="sync"))


def test_dask_frames_on_rask(frame):
    lazy = dask.dataframe.from_pandas(frame, npartitions=4)
    for make in (
        lambda d: d.groupby("a").b.mean(),
        lambda d: d[d.b > 10].merge(d, on="a").b_x.sum(),
        lambda d: d.sort_values("b", ascending=False).head(5, compute=False),
    ):
        found = make(lazy).compute(scheduler=rask.dask.get)
        expected = make(lazy).compute(scheduler="sync")
        if np.isscalar(found):
            assert found == expected
        else:
            (pd.testing.assert_frame_equal if found.ndim == 2 else pd.testing.assert_series_equal)(
                found, expected
            )


def test_dask_bags_and_delayed_on_rask():
    bag = dask.bag.from_sequence(range(20), npartitions=3)
    found = bag.map(inc).frequencies().compute(scheduler=rask.dask.get)
    assert dict(found) == dict.fromkeys(range(1, 21), 1)
    with dask.config.set(scheduler=rask.dask.get):
        assert dask.delayed(sum)([dask.delayed(inc)(1), 2]).compute() == 4
    with pytest.raises(ZeroDivisionError):
        dask.delayed(lambda: 1 / 0)().compute(scheduler=rask.dask.get)


def test_rask_on_dask_schedulers():
    bag = db.range(20, npartitions=4).map(inc)
    for scheduler in ("sync", "threads"):
        assert to_dask(bag).compute(scheduler=scheduler) == list(range(1, 21))
        assert to_dask(bag.sum()).compute(scheduler=scheduler) == 210
        value = rask.delayed(inc)(rask.delayed(inc)(1))
        assert to_dask(value).compute(scheduler=scheduler) == 3
    assert to_dask(bag).map(inc).sum().compute(scheduler="sync") == 230


def test_rask_on_a_dask_cluster():
    import distributed

    import rask.array as da

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        assert to_dask(db.range(20, npartitions=4).map(inc)).sum().compute() == 210
        x = da.arange(100, chunks=10)
        assert float(to_dask((x * 2).sum()).compute()) == 9900.0


def test_rask_arrays_and_frames_on_dask(frame):
    import rask.array as da
    import rask.dataframe as dd

    x = da.arange(100, chunks=10).reshape((10, 10))
    lazy = to_dask((x + 1).T)
    assert isinstance(lazy, dask.array.Array)
    expected = (np.arange(100).reshape(10, 10) + 1).T
    np.testing.assert_array_equal(lazy.compute(scheduler="sync"), expected)
    np.testing.assert_array_equal((lazy * 2).sum(axis=0).compute(), (expected * 2).sum(axis=0))
    table = to_dask(dd.from_pandas(frame, npartitions=3))
    pd.testing.assert_frame_equal(table.compute(scheduler="sync"), frame)


def test_from_dask(frame):
    import rask.array as da
    import rask.dataframe as dd

    x = from_dask(dask.array.ones((6, 4), chunks=2))
    assert isinstance(x, da.Array)
    assert float((x + 1).sum().compute()) == 48.0
    table = from_dask(dask.dataframe.from_pandas(frame, npartitions=3))
    assert isinstance(table, dd.DataFrame)
    assert table.b.sum().compute() == frame.b.sum()
    assert from_dask(dask.bag.from_sequence([1, 2, 3])).map(inc).compute() == [2, 3, 4]
    assert from_dask(dask.delayed(inc)(1)).compute() == 2
    with pytest.raises(TypeError):
        from_dask([1])
    with pytest.raises(TypeError):
        to_dask([1])


def test_unchanged_program(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            import dask
            import dask.array as da
            import dask.bag as db
            from dask import delayed
            from dask.diagnostics import ProgressBar

            assert dask.__name__ == "rask" and da.__name__ == "rask.array"
            print(delayed(sum)([1, 2]).compute(), db.range(5, 2).sum().compute())
            print(float(da.ones((4, 4), chunks=2).sum().compute()), sys.argv[1:])
            try:
                from dask.array import nothing_of_this_name
            except ImportError as error:
                print("nothing_of_this_name" in str(error))
            try:
                import dask.highlevelgraph
            except ModuleNotFoundError as error:
                print("rask.highlevelgraph" in str(error))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "rask.dask", str(script), "--flag"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:4] == ["3 10", "16.0 ['--flag']", "True", "True"]


PLACES = """
from dask.distributed.client import Client as First
from distributed import Client, LocalCluster, worker_client
from distributed.client import FutureCancelledError, as_completed, fire_and_forget, wait
from distributed.core import Status
from distributed.deploy import SpecCluster
from distributed.deploy.local import LocalCluster as Local
from distributed.diagnostics import MemorySampler
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.diagnostics.progressbar import progress
from distributed.lock import Lock
from distributed.queues import Queue
from distributed.scheduler import KilledWorker, Scheduler
from distributed.threadpoolexecutor import rejoin, secede
from distributed.utils import sync
from distributed.worker import Worker, get_client, get_worker
import distributed.client
import rask.distributed
import rask.distributed.client

assert First is Client is distributed.client.Client is rask.distributed.Client
assert Local is LocalCluster and issubclass(LocalCluster, SpecCluster)
assert Client.__module__ == "rask.distributed.client"
try:
    from distributed.utils import nothing_of_this_name
except ImportError as error:
    assert "nothing_of_this_name" in str(error), error
with Client(n_workers=1, threads_per_worker=1, processes=False) as client:
    (done,), _ = wait([client.submit(lambda: get_worker().name)])
    print(done.result(), "wait" in dir(distributed.client))
import rask.dask
rask.dask.uninstall()
assert not hasattr(rask.distributed.client, "wait")
assert not hasattr(rask.distributed, "deploy")
"""


def test_names_are_found_where_dask_has_them(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PLACES)
    done = subprocess.run(
        [sys.executable, "-m", "rask.dask", str(script)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0 True\n"


def test_install_after_dask_is_refused():
    with pytest.raises(RuntimeError, match="imported already"):
        rask.dask.install()
