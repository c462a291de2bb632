"""What a client asks of workers, nannies and the scheduler's helper, outside of the task system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core

__all__ = ["RunMethods"]


class RunMethods:
    """Part of `Client`."""

    _core: Any
    security: Any
    status: str
    _either: Any
    _check_running: Any
    _caller_made: Any = None

    @property
    def _caller(self) -> Any:
        if self._caller_made is None:
            self._caller_made = _core.Caller(self.security.core("client"))
        return self._caller_made

    @property
    def _runtime(self) -> Any:
        self._check_running()
        return _core.Runtime(self._core)

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        workers: Any = None,
        wait: bool = True,
        nanny: bool = False,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Call a function on every worker, outside of the task system.

        Parameters
        ----------
        function : callable
            May be a coroutine function. If it has a parameter ``dask_worker``, it gets the `Worker`
            (or `Nanny`).
        workers : str or list of str, optional
            Addresses or names; default: all.
        wait : bool
            Whether to wait for the outcomes; otherwise None is returned at once.
        nanny : bool
            Call it in the workers' nannies.
        on_error : {"raise", "return", "ignore"}
            What to do with exceptions: raise the first, give them as results, or leave them out.

        Returns
        -------
        dict
            The outcome by worker address.

        Examples
        --------
        >>> import os
        >>> from rask.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     len(set(client.run(os.getpid).values()))
        2
        """
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error must be 'raise', 'return' or 'ignore', not {on_error!r}")
        self._check_running()
        payload = _core.Payload((function, args, kwargs, wait))
        return self._either(self._run, payload, workers, wait, nanny, on_error)

    def _run(self, payload: Any, workers: Any, wait: bool, nanny: bool, on_error: str) -> Any:
        targets = self._targets(workers, nanny)
        answers = self._ask_all(targets, "run", "", payload, on_error)
        return answers if wait else None

    def _targets(self, workers: Any, nanny: bool) -> dict[str, str]:
        """Where to call, by address of worker.

        Raises
        ------
        ValueError
            For workers that are not there, or that have no nanny.
        """
        there = self._core.info()[0]
        if workers is not None:
            wanted = [workers] if isinstance(workers, (str, int)) else list(workers)
            there = [_find_worker(there, worker) for worker in wanted]
        if not nanny:
            return {worker["address"]: worker["address"] for worker in there}
        alone = [worker["address"] for worker in there if not worker["nanny"]]
        if alone:
            raise ValueError(f"workers without a nanny: {', '.join(alone)}")
        return {worker["address"]: worker["nanny"] for worker in there}

    def _ask_all(
        self, targets: dict[str, str], kind: str, target: str, payload: Any, on_error: str
    ) -> dict[str, Any]:
        calls = {
            worker: self._caller.call(address, kind, target, payload)
            for worker, address in targets.items()
        }
        answers: dict[str, Any] = {}
        for worker, call in calls.items():
            try:
                answers[worker] = call.result()
            except Exception as error:
                if on_error == "raise":
                    raise
                if on_error == "return":
                    answers[worker] = error
        return answers

    def run_on_scheduler(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in the helper process beside the scheduler.

        The scheduler itself never runs code of users. Its helper is a process of its own with
        limited memory and open files, an empty folder, and without the cluster's secrets. A
        parameter ``dask_scheduler`` of the function gets a read-only view of the scheduler's state.

        Parameters
        ----------
        function : callable
            May be a coroutine function.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=2, threads_per_worker=1) as client:
        ...     client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.workers))
        2
        """
        payload = _core.Payload((function, args, kwargs))
        return self._either(lambda: self._runtime.helper("run", "", payload))

    def get_worker_logs(
        self, n: int | None = None, workers: Any = None, nanny: bool = False
    ) -> Any:
        """What workers, or their nannies, have logged with Python's `logging`.

        Parameters
        ----------
        n : int, optional
            How many of the last lines; default: all that are kept, at most 10,000 a process.
        workers : str or list of str, optional
            Addresses or names; default: all.
        nanny : bool
            Those of the nannies.

        Returns
        -------
        dict
            By worker address: level and line, the latest first.
        """
        self._check_running()
        payload = _core.Payload(n)
        return self._either(
            lambda: self._ask_all(self._targets(workers, nanny), "logs", "", payload, "raise")
        )


def _find_worker(there: list[Any], wanted: Any) -> Any:
    for worker in there:
        if str(wanted) in (worker["address"], worker["name"]):
            return worker
    known = ", ".join(worker["address"] for worker in there)
    raise ValueError(f"there is no worker {wanted!r}; there are: {known}")
