"""Tasks of a cluster that are run here once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rask import _core

if TYPE_CHECKING:
    from rask._core import Future

__all__ = ["RecreationMethods"]


class RecreationMethods:
    """Part of `Client`."""

    _core: Any
    _either: Callable[..., Any]
    _check_running: Callable[[], None]

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
