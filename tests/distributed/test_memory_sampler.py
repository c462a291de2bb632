"""Samples of the workers' memory."""

from __future__ import annotations

import asyncio

import numpy as np
import pandas as pd
import pytest

from rask.distributed import Client, MemorySampler, wait


def make(nbytes):
    return np.ones(nbytes, dtype="u1")


def test_samples_of_what_workers_hold(client):
    sampler = MemorySampler()
    with sampler.sample("held", client=client, measure="managed", interval=0.02):
        future = client.submit(make, 50_000_000, pure=False)
        wait(future)
        # Workers tell their memory twice a second.
        with sampler.sample("process", client=client, interval="20ms"):
            while client.scheduler_info()["workers"][where(client, future)]["managed_bytes"] < 5e7:
                pass
    (first, before), *_, (last, after) = sampler.samples["held"]
    assert last > first
    assert after - before >= 50_000_000
    assert sampler.samples["process"][-1][1] > 50_000_000


def where(client, future):
    return client.who_has([future])[future.key][0]


def test_frames_of_samples():
    sampler = MemorySampler()
    sampler.samples = {
        "one": [(1000.0, 10), (1001.0, 20), (1002.0, 30)],
        "two": [(1001.5, 5), (1003.5, 7), (1003.5, 8)],
    }
    frame = sampler.to_pandas()
    assert list(frame.columns) == ["one", "two"]
    assert frame.index[0] == pd.Timestamp(1000, unit="s")
    assert frame["one"].dropna().tolist() == [10, 20, 20, 30]
    assert frame["two"].dropna().tolist() == [5, 5, 7]
    aligned = sampler.to_pandas(align=True)
    assert aligned.index[0] == pd.Timedelta(0)
    assert aligned["two"].iloc[0] == 5


def test_plots(client):
    pytest.importorskip("matplotlib").use("agg")
    sampler = MemorySampler()
    for label in ("one", "two"):
        with sampler.sample(label, client=client, interval=0.01):
            client.submit(make, 100, pure=False).result()
    axes = sampler.plot(align=True)
    assert axes.get_ylabel() == "Cluster memory (GiB)"
    assert [line.get_label() for line in axes.get_lines()] == ["one", "two"]


def test_what_cannot_be_sampled(client):
    sampler = MemorySampler()
    with pytest.raises(ValueError, match="measure must be one of process"):
        sampler.sample(client=client, measure="disk")
    with pytest.raises(ValueError, match=r"at least 0\.01 s"):
        sampler.sample(client=client, interval=0)


def test_an_asynchronous_client(cluster):
    async def work():
        sampler = MemorySampler()
        async with (
            Client(cluster, asynchronous=True, set_as_default=False) as client,
            sampler.sample(client=client, measure="unmanaged", interval=0.01),
        ):
            await client.submit(make, 100, pure=False)
        return sampler.samples

    [samples] = asyncio.run(work()).values()
    assert samples
    assert all(nbytes > 0 for _, nbytes in samples[-1:])
