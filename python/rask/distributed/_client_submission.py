"""Calls of functions that clients submit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from rask import _core
from rask._core import Future
from rask._functions import ship_fixed
from rask.base import is_annotated
from rask.distributed._arguments import extract
from rask.distributed._submission import call_name, function_name, map_pages, options_of
from rask.distributed._task_options import complete, prepare, with_purity
from rask.distributed._timing import take_timing
from rask.distributed._unsendable import name_unsendable

if TYPE_CHECKING:
    from rask.distributed.cfexecutor import ClientExecutor

__all__ = ["SubmissionMethods"]


class SubmissionMethods:
    """Part of `Client`."""

    _core: Any
    _check_running: Callable[[], None]
    _as_submitter: Callable[[dict[str, Any] | None], dict[str, Any] | None]

    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        key: str | None = None,
        workers: Any = None,
        resources: dict[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        **kwargs: Any,
    ) -> Future:
        """Call a function on the cluster.

        Parameters
        ----------
        func : callable
        *args, **kwargs
            May be or contain (in lists, tuples, sets, dicts) futures, whose values are passed.
        key : str, optional
            Name of the result. Equal keys are taken to mean equal results.
        workers : str or list of str, optional
            Names, addresses or hosts of the workers that may run it.
        resources : dict, optional
            What it takes of a worker's resources while it runs.
        retries : int, optional
            How many times it is run again if it raises.
        retry_delay : float or str, optional
            Seconds, or text like ``"500ms"``, until a call that raised is run again; about twice as
            long after each further time. Default: the configuration's
            ``distributed.client.retry-delay``, else at once. Passed on to functions that have such
            a parameter.
        retry_delay_max : float or str, optional
            The longest of these times. Passed on to functions that have such a parameter.
        priority : int
            Higher runs earlier.
        actor : bool
            Whether the function, mostly a class, makes an object that stays on the worker: see
            `Actor`.
        pure : bool
            Whether equal functions with equal arguments may share one result.
        executor : str, optional
            Name of the worker's executor that runs it; ``"process"`` is a process of its own, which
            ``cancel(force=True)`` kills. Passed on to functions that have such a parameter.
        task_timeout : float or str, optional
            A run of the task that takes longer fails with TimeoutError, and is stopped where that
            can be done; retries are for it, too. Passed on to functions that have such a parameter.

        Returns
        -------
        Future
        """
        if not callable(func):
            raise TypeError("the first argument of client.submit must be callable")
        self._check_running()
        annotated = is_annotated()
        options = None
        if annotated or priority or retries or workers or resources:
            options = options_of(
                priority, retries, workers, allow_other_workers, resources, annotated
            )
        if kwargs or retries or actor or actors or annotated:
            timing = take_timing(func, kwargs)
            func = prepare(func, kwargs, actor or actors)
            pure = pure and not (actor or actors)
            options = complete(options, func, timing)
        if not pure:
            options = with_purity(options, pure)
        options = self._as_submitter(options)
        operation = function_name(func)
        key = None if key is None else str(key)
        try:
            return self._submit(operation, func, args, kwargs, key, pure, options)
        except TypeError as error:
            positions = [(f"argument {at}", value) for at, value in enumerate(args)]
            name_unsendable(error, func, [*positions, *_named(kwargs)])
            raise

    def _submit(
        self,
        operation: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        key: str | None,
        pure: bool,
        options: dict[str, Any] | None,
    ) -> Future:
        shipped, fixed = ship_fixed(func)
        if not kwargs:
            future = _core.submit_call(
                self._core, self, operation, shipped, fixed, args, key, pure, options
            )
            if future is not None:
                return future
        futures: list[Future] = []
        args = tuple([extract(argument, futures) for argument in args])
        kwargs = {name: extract(value, futures) for name, value in kwargs.items()}
        payload = _core.Payload((operation, shipped, args, kwargs))
        if key is None:
            key = call_name(operation, [payload], futures, pure)
        return self._core.submit_calls(
            self, key, operation, payload, None, [], 0, futures, [0, len(futures)], options
        )[0]

    def map(
        self,
        func: Callable[..., Any],
        *iterables: Any,
        key: Any = None,
        workers: Any = None,
        retries: int | None = None,
        resources: dict[str, float] | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        fifo_timeout: Any = None,
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[Future]:
        """Call a function on the cluster for each element of iterables, as `map` does.

        All calls are one layer: the function and the keyword arguments travel once.

        Parameters
        ----------
        func : callable
        *iterables
            Elements may be or contain futures.
        key : str or list of str, optional
            Prefix of the keys, or one key a call.
        batch_size : int, optional
            Accepted for compatibility: calls always travel in batches.
        **kwargs
            Passed to every call.

        Returns
        -------
        list of Future
        """
        if not callable(func):
            raise TypeError("the first argument of client.map must be callable")
        if not iterables:
            raise ValueError("client.map needs at least one iterable")
        self._check_running()
        timing = take_timing(func, kwargs)
        func = prepare(func, kwargs, actor or actors)
        pure = pure and not (actor or actors)
        common = (workers, retries, resources, priority, allow_other_workers)
        if isinstance(key, (list, tuple)):
            kwargs = {**kwargs, **timing}
            return self._map_keys(func, iterables, list(key), common, pure, kwargs)
        columns = _columns(iterables)
        count = len(columns[0])
        if count == 0:
            return []
        operation = function_name(func)
        futures: list[Future] = []
        try:
            shipped = {name: extract(value, futures) for name, value in kwargs.items()}
            shared = list(futures)
            pages, page_blocks, futures, offsets = map_pages(columns, shared)
            payload = _core.Payload((operation, func, (), shipped))
        except TypeError as error:
            elements = (
                (f"element {at} of iterable {number}", value)
                for number, column in enumerate(columns)
                for at, value in enumerate(column)
            )
            name_unsendable(error, func, chain(_named(kwargs), elements))
            raise
        prefix = operation if key is None else str(key)
        name = call_name(prefix, [payload, *pages], futures, pure and key is None)
        options = options_of(priority, retries, workers, allow_other_workers, resources)
        options = self._as_submitter(with_purity(complete(options, func, timing), pure))
        return self._core.submit_calls(
            self, name, operation, payload, count, pages, page_blocks, futures, offsets, options
        )

    def get_executor(self, **kwargs: Any) -> ClientExecutor:
        """This client as an executor of `concurrent.futures`.

        Parameters
        ----------
        **kwargs
            ``pure``, ``workers``, ``resources``, ``allow_other_workers``, ``retries`` of its calls.
        """
        from rask.distributed.cfexecutor import ClientExecutor

        return ClientExecutor(self, **kwargs)

    def _map_keys(
        self,
        func: Callable[..., Any],
        iterables: tuple[Any, ...],
        keys: list[Any],
        common: tuple[Any, ...],
        pure: bool,
        kwargs: dict[str, Any],
    ) -> list[Future]:
        workers, retries, resources, priority, allow_other_workers = common
        calls = list(zip(*iterables, strict=False))
        if len(keys) != len(calls):
            raise ValueError(f"{len(keys)} keys for {len(calls)} calls")
        return [
            self.submit(
                func,
                *arguments,
                key=key,
                workers=workers,
                retries=retries,
                resources=resources,
                priority=priority,
                allow_other_workers=allow_other_workers,
                pure=pure,
                **kwargs,
            )
            for key, arguments in zip(keys, calls, strict=True)
        ]


def _named(arguments: dict[str, Any]) -> list[tuple[str, Any]]:
    """Keyword arguments, as they are called in errors."""
    return [(f"argument {name!r}", value) for name, value in arguments.items()]


def _columns(iterables: Iterable[Any]) -> list[list[Any]]:
    columns = [list(iterable) for iterable in iterables]
    shortest = min(len(column) for column in columns)
    return [column[:shortest] for column in columns]
