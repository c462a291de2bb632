"""What clients say of their futures and workers, and how failed tasks are run again here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rask import _core
from rask.distributed._arguments import futures_of
from rask.distributed._context import key_of
from rask.distributed._utils import parse_seconds
from rask.distributed.widgets import HasWhat, WhoHas

if TYPE_CHECKING:
    from rask._core import Future
    from rask.distributed.cfexecutor import ClientExecutor

__all__ = ["CoordinationMethods"]


class CoordinationMethods:
    """Methods of `Client`: recreating tasks, executors, what workers hold and run."""

    _core: Any
    _asynchronous: bool
    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    status: str
    asynchronous: Any

    # ------------------------------------------------------------ recreating

    def recreate_error_locally(self, future: Future) -> Any:
        """Run the task that failed here, with the same inputs, so that a debugger can be used.

        Parameters
        ----------
        future : Future
            Its own task failed, or one that it needs: the one that failed first is run.

        Raises
        ------
        ValueError
            If the future has not failed.
        Exception
            What the task raises.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     future = client.submit(lambda x: 1 / x, 0)
        ...     client.recreate_error_locally(future)
        Traceback (most recent call last):
        ZeroDivisionError: division by zero
        """

        def recreate() -> Any:
            if future._exception() is None:
                raise ValueError(
                    f"{future!r} has not failed; to run it here use recreate_task_locally"
                )
            return self._recreate(future, future._failed_task)

        return self._either(recreate)

    def recreate_task_locally(self, future: Future) -> Any:
        """Run a future's task here, with the same inputs.

        Parameters
        ----------
        future : Future

        Returns
        -------
        What the task returns.
        """
        layer, block, _ = future._layer
        return self._either(self._recreate, future, (layer, block))

    def _recreate(self, future: Future, task: tuple[str, int] | None) -> Any:
        self._check_running()
        if task is None or not task[0]:
            raise ValueError(f"{future!r} failed without a task having run; see its exception")
        recipe = _core.Recipe.ask(self._core, *task)
        inputs = [self._core.known_future(self, name, block, True) for name, block in recipe.inputs]
        return recipe.run(list(self._core.gather(inputs, False)[1]))

    # ------------------------------------------------------------- interface

    def get_executor(self, **kwargs: Any) -> ClientExecutor:
        """This client as an executor of `concurrent.futures`.

        Parameters
        ----------
        **kwargs
            ``pure``, ``workers``, ``resources``, ``allow_other_workers``, ``retries`` of its calls.
        """
        from rask.distributed.cfexecutor import ClientExecutor

        return ClientExecutor(self, **kwargs)

    def futures_of(self, futures: Any) -> list[Future]:
        """The futures inside of collections and containers; see `rask.distributed.futures_of`."""
        return futures_of(futures, client=self)  # pyright: ignore[reportArgumentType]

    def normalize_collection(self, collection: Any) -> Any:
        """The collection itself.

        Layers have names that follow from what they compute, and the scheduler finds results that
        are there by these names: nothing need be put in by the client.
        """
        return collection

    def start(self, **kwargs: Any) -> Any:
        """Connect, if that has not been done yet: asynchronous clients connect when awaited."""
        if self._asynchronous:

            async def start() -> Any:
                return await self  # pyright: ignore[reportGeneralTypeIssues]

            return start()
        return self

    @property
    def loop(self) -> Any:
        """The event loop that runs coroutines for synchronous callers."""
        from rask.distributed._loop import background_loop

        return background_loop()

    def sync(
        self,
        func: Callable[..., Any],
        *args: Any,
        asynchronous: bool | None = None,
        callback_timeout: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Run a coroutine function: to await in an asynchronous client, else to its end."""
        from rask.distributed._loop import sync

        if asynchronous or (asynchronous is None and self._asynchronous):
            return func(*args, **kwargs)
        return sync(self.loop, func, *args, callback_timeout=callback_timeout, **kwargs)

    def write_scheduler_file(self, scheduler_file: str) -> None:
        """Write the scheduler's address and workers to a JSON file for ``scheduler_file=``.

        Parameters
        ----------
        scheduler_file : str
            Path of the file. It holds no token: clients need their own `Security`.

        Raises
        ------
        ValueError
            If the client was itself made from a scheduler file.
        """
        import json

        self._check_running()
        if getattr(self, "scheduler_file", None):
            raise ValueError("Scheduler file already set")
        workers, tasks, clients = self._core.info()
        described = {
            "type": "Scheduler",
            "id": self._core.address,
            "address": self._core.address,
            "tasks": tasks,
            "clients": clients,
            "workers": {worker["address"]: worker for worker in workers},
        }
        with open(scheduler_file, "w") as file:
            json.dump(described, file, indent=2)
        self.scheduler_file = scheduler_file

    def wait_for_workers(self, n_workers: int = 1, timeout: Any = None) -> Any:
        """Wait until there are at least this many workers.

        Raises
        ------
        ValueError
            If `n_workers` is not a positive whole number.
        TimeoutError
        """
        if not isinstance(n_workers, int) or isinstance(n_workers, bool) or n_workers < 1:
            raise ValueError(f"`n_workers` must be a positive integer. Instead got {n_workers}.")

        def wait() -> None:
            limit = parse_seconds(timeout)
            deadline = None if limit is None else time.monotonic() + limit
            while (there := len(self._core.info()[0])) < n_workers:
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(
                        f"Only {there}/{n_workers} workers arrived after {limit} seconds"
                    )
                time.sleep(0.01)

        return self._either(wait)

    # --------------------------------------------------------------- queries

    def _addresses(self, workers: Any = None) -> dict[int, str]:
        """Addresses of workers, of all or of those that are named, by number."""
        there = self._core.info()[0]
        if workers is not None:
            wanted = {workers} if isinstance(workers, str) else {str(worker) for worker in workers}
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
