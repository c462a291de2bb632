"""How much memory the workers took while something ran."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from rask import _core
from rask.distributed._utils import parse_seconds

if TYPE_CHECKING:
    import pandas as pd

    from rask.distributed.client import Client

__all__ = ["MemorySampler"]

_MEASURES = (
    "process",
    "managed",
    "managed_in_memory",
    "managed_spilled",
    "managed_total",
    "optimistic",
    "spilled",
    "unmanaged",
    "unmanaged_old",
    "unmanaged_recent",
)
_INTERVAL_MIN = 0.01


class MemorySampler:
    """Samples the memory of all workers together, at the scheduler.

    Workers tell their memory twice a second.

    Attributes
    ----------
    samples : dict
        By label: pairs of time (seconds since the epoch, by the scheduler's clock) and bytes. More
        than 100,000 of a label are thinned out to every second.

    Examples
    --------
    >>> from rask.distributed import Client, MemorySampler
    >>> sampler = MemorySampler()
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     with sampler.sample("sums", client=client):
    ...         client.submit(sum, range(1000)).result()
    499500
    >>> len(sampler.samples["sums"]) >= 1
    True
    """

    samples: dict[str, list[tuple[float, int]]]

    def __init__(self) -> None:
        self.samples = {}

    def sample(
        self,
        label: str | None = None,
        *,
        client: Client | None = None,
        measure: str = "process",
        interval: float | str = 0.5,
    ) -> Any:
        """A context within which samples are taken; ``async with`` for an asynchronous client.

        Parameters
        ----------
        label : str, optional
            Under which the samples are kept; default: a name made up.
        client : Client, optional
            Default: the default one.
        measure : str
            ``"process"``, ``"managed"`` (values in memory), ``"spilled"``, ``"managed_total"`` (both),
            ``"unmanaged"`` (what are no values), of that ``"unmanaged_old"`` (for half a minute) and
            ``"unmanaged_recent"``, or ``"optimistic"`` (``managed`` and ``unmanaged_old``).
        interval : float or str
            Seconds between samples, at least 0.01.

        Raises
        ------
        ValueError
            For a measure or an interval that there is not.
        RuntimeError
            At the end, if the scheduler was restarted meanwhile.
        """
        if measure not in _MEASURES:
            raise ValueError(f"measure must be one of {', '.join(_MEASURES)}; not {measure!r}")
        seconds = parse_seconds(interval)
        if seconds is None or seconds < _INTERVAL_MIN:
            raise ValueError(f"interval must be at least {_INTERVAL_MIN} s, not {interval!r}")
        from rask.distributed._tasks import get_client

        used = get_client() if client is None else client
        if used.asynchronous:
            return self._sample_async(label, used, measure, seconds)
        return self._sample_sync(label, used, measure, seconds)

    @contextmanager
    def _sample_sync(
        self, label: str | None, client: Client, measure: str, interval: float
    ) -> Iterator[None]:
        samples = _core.MemorySamples(client._core)
        key = samples.start(measure, interval)
        try:
            yield
        finally:
            self.samples[label or key] = samples.stop(key)

    @asynccontextmanager
    async def _sample_async(
        self, label: str | None, client: Client, measure: str, interval: float
    ) -> AsyncIterator[None]:
        samples = _core.MemorySamples(client._core)
        key = await client._either(samples.start, measure, interval)
        try:
            yield
        finally:
            self.samples[label or key] = await client._either(samples.stop, key)

    def to_pandas(self, *, align: bool = False) -> pd.DataFrame:
        """The samples as a frame, a column a label.

        Parameters
        ----------
        align : bool
            Whether the index is the time since the first sample of each label, so that they can be
            compared, instead of the time of day (in UTC).
        """
        import pandas as pd

        columns = {}
        for label, samples in self.samples.items():
            times = pd.to_datetime([seconds for seconds, _ in samples], unit="s")
            index = times - times[0] if align else times
            column = pd.Series([nbytes for _, nbytes in samples], index=index, name=label)
            columns[label] = column[~column.index.duplicated()]
        frame = pd.DataFrame(columns)
        if len(columns) > 1:
            # Between the samples of a label its last one holds, and nothing after its end.
            frame = frame.ffill().where(~frame.bfill().isna())
        return frame

    def plot(self, *, align: bool = False, **kwargs: Any) -> Any:
        """Draw the samples, in GiB.

        Parameters
        ----------
        align : bool
            As of `to_pandas`.
        **kwargs
            For `pandas.DataFrame.plot`.

        Returns
        -------
        What `pandas.DataFrame.plot` returns.
        """
        frame = self.to_pandas(align=align) / 2**30
        for step in ("1s", "1ms"):
            resampled = frame.resample(step).nearest()
            if len(resampled) > 1:
                break
        return resampled.plot(xlabel="time", ylabel="Cluster memory (GiB)", **kwargs)
