"""What workers hold and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rask import _core
from rask.distributed._context import key_of
from rask.distributed._submission import worker_names
from rask.distributed.widgets import HasWhat, WhoHas

if TYPE_CHECKING:
    from rask._core import Future

__all__ = ["ContentMethods"]


class ContentMethods:
    """Part of `Client`."""

    _core: Any
    _either: Callable[..., Any]
    futures_of: Callable[..., Any]

    def _addresses(self, workers: Any = None) -> dict[int, str]:
        """Addresses of workers, of all or of those that are named, by number."""
        there = self._core.info()[0]
        if workers is not None:
            wanted = set(worker_names(workers))
            there = [w for w in there if w["address"] in wanted or str(w["name"]) in wanted]
        return {worker["number"]: worker["address"] for worker in there}

    def _entries(self, processing: bool = False) -> list[tuple[int, Any, int]]:
        return [
            (worker, key_of(name, block, numbered), nbytes)
            for worker, name, block, numbered, nbytes in _core.worker_contents(
                self._core, processing
            )
        ]

    def _by_worker(self, workers: Any, processing: bool) -> dict[str, tuple[Any, ...]]:
        addresses = self._addresses(workers)
        held: dict[str, list[Any]] = {address: [] for address in addresses.values()}
        for worker, key, _ in self._entries(processing):
            if worker in addresses:
                held[addresses[worker]].append(key)
        return {address: tuple(keys) for address, keys in held.items()}

    def _own(self, future: Future) -> Future:
        """A future of the same block, of this client."""
        if future.client is self:
            return future
        return self._core.known_future(self, *future._layer)

    def who_has(self, futures: Any = None, **kwargs: Any) -> Any:
        """The workers that hold each future's value: ``{key: (address, …)}``.

        Parameters
        ----------
        futures : futures or collections, optional
            Default: everything that is held.
        """

        def holders() -> dict[Any, tuple[str, ...]]:
            addresses = self._addresses()
            if futures is None:
                held: dict[Any, tuple[str, ...]] = {}
                for worker, key, _ in self._entries():
                    held[key] = (*held.get(key, ()), addresses.get(worker, ""))
                return held
            found = [self._own(future) for future in self.futures_of(futures)]
            answers = self._core.holders(found)
            return {
                future.key: tuple(addresses[number] for number in numbers if number in addresses)
                for future, (numbers, _) in zip(found, answers, strict=True)
            }

        return self._either(lambda: WhoHas(holders()))

    def has_what(self, workers: Any = None, **kwargs: Any) -> Any:
        """The keys that each worker holds: ``{address: (key, …)}``.

        Parameters
        ----------
        workers : str or list of str, optional
            Addresses or names; default: all.
        """
        return self._either(lambda: HasWhat(self._by_worker(workers, False)))

    def processing(self, workers: Any = None) -> Any:
        """The keys that each worker has been given to run: ``{address: (key, …)}``.

        Parameters
        ----------
        workers : str or list of str, optional
            Addresses or names; default: all.
        """
        return self._either(self._by_worker, workers, True)

    def nthreads(self, workers: Any = None, **kwargs: Any) -> Any:
        """Threads of each worker, by address.

        Parameters
        ----------
        workers : str or list of str, optional
            Addresses or names; default: all.
        """

        def threads() -> dict[str, int]:
            chosen = self._addresses(workers)
            there = self._core.info()[0]
            return {w["address"]: w["nthreads"] for w in there if w["number"] in chosen}

        return self._either(threads)

    ncores = nthreads

    def nbytes(self, keys: Any = None, summary: bool = True, **kwargs: Any) -> Any:
        """Bytes of the values that the cluster holds, each counted once.

        Parameters
        ----------
        keys : list of keys, optional
            Default: all.
        summary : bool
            Whether to add up by the names of functions: ``{"inc": 112}`` instead of
            ``{"inc-1f2e…": 28, …}``.

        Raises
        ------
        KeyError
            For a key whose value the cluster does not hold.
        """

        def sizes() -> dict[Any, int]:
            wanted = None if keys is None else set(keys)
            found = {
                key: nbytes for _, key, nbytes in self._entries() if wanted is None or key in wanted
            }
            missing = [] if wanted is None else [key for key in wanted if key not in found]
            if missing:
                raise KeyError(missing[0])
            if not summary:
                return found
            added: dict[Any, int] = {}
            for key, nbytes in found.items():
                name = key[0] if isinstance(key, tuple) else key
                prefix = name.rsplit("-", 1)[0]
                added[prefix] = added.get(prefix, 0) + nbytes
            return added

        return self._either(sizes)
