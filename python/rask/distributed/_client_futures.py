"""What becomes of futures: their values are fetched, or they are cancelled or run again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from rask._core import Future
from rask.distributed._arguments import container_like, futures_of
from rask.distributed._futures import wait_async

__all__ = ["FutureMethods"]


class FutureMethods:
    """Part of `Client`."""

    _asynchronous: bool
    _core: Any
    _either: Any

    def futures_of(self, futures: Any) -> list[Future]:
        """The futures inside of collections and containers; see `rask.distributed.futures_of`."""
        return futures_of(futures, client=self)  # pyright: ignore[reportArgumentType]

    def gather(
        self,
        futures: Any,
        errors: str = "raise",
        direct: bool | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """The values of futures.

        Parameters
        ----------
        futures : Future, or nested list, tuple, set, dict, iterator of futures
        errors : {"raise", "skip"}
            Whether to raise what a task raised, or to leave out what failed.
        direct : bool, optional
            Values always come from the workers that have them, small ones with the news that they
            are there, so this changes nothing.

        Returns
        -------
        The same nesting with values instead of futures.
        """
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors must be 'raise' or 'skip', not {errors!r}")
        if self._asynchronous or asynchronous:
            return self._gather_async(futures, errors)
        return self._gather(futures, errors)

    async def _gather_async(self, futures: Any, errors: str) -> Any:
        if isinstance(futures, Iterator):
            futures = list(futures)
        for future in futures_of(futures):
            await wait_async(future)
        return await asyncio.to_thread(self._gather, futures, errors)

    def _gather(self, futures: Any, errors: str = "raise") -> Any:
        if isinstance(futures, Future):
            if errors == "raise":
                return futures._result()
            _, values = self._core.gather([futures], True)
            return values[0] if values else None
        if isinstance(futures, Iterator):
            futures = list(futures)
        if type(futures) is list and all(type(item) is Future for item in futures):
            return self._core.gather(futures, errors == "skip")[1]
        found = futures_of(futures)
        positions, values = self._core.gather(found, errors == "skip")
        by_position = dict(zip(positions, values, strict=True))
        return _put_back(futures, iter(range(len(found))), by_position)

    def cancel(
        self, futures: Any, asynchronous: bool | None = None, force: bool = False, **kwargs: Any
    ) -> Any:
        """Cancel futures: what only they need is not run.

        Parameters
        ----------
        futures : Future, or nested lists of them
        force : bool
            Also if other clients want the results.
        """
        return self._either(self._core.cancel, futures_of(futures), force)

    def retry(self, futures: Any, asynchronous: bool | None = None) -> Any:
        """Run failed futures again."""
        return self._either(self._core.retry, futures_of(futures))


_GONE = object()


def _put_back(value: Any, positions: Iterator[int], values: dict[int, Any]) -> Any:
    """The nesting of futures with values; those that were skipped are left out of lists."""
    if isinstance(value, Future):
        return values.get(next(positions), _GONE)
    if isinstance(value, dict):
        items = {key: _put_back(item, positions, values) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _GONE}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_put_back(item, positions, values) for item in value]
        return container_like(value, [item for item in items if item is not _GONE])
    return value
