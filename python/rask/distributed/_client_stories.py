"""What tasks went through, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rask import _core
from rask._core import Future
from rask.distributed._context import key_of

__all__ = ["StoryMethods"]


class StoryMethods:
    """Part of `Client`."""

    _core: Any
    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    _targets: Callable[..., dict[str, str]]
    _ask_all: Callable[..., dict[str, Any]]
    futures_of: Callable[..., Any]

    @property
    def _inspector(self) -> Any:
        self._check_running()
        return _core.Inspector(self._core)

    def story(self, *keys_or_stimuli: Any, on_error: str = "raise") -> Any:
        """What tasks went through, as far as scheduler and workers remember it.

        The scheduler remembers the last 65,536 changes of tasks' states or more, a worker 20,000
        steps; also of tasks that are gone.

        Parameters
        ----------
        *keys_or_stimuli
            Keys, futures, names of layers (for all their blocks), and stimuli as they stand in
            stories, for everything that followed from them.
        on_error : {"raise", "ignore"}
            What to do about workers that do not answer.

        Returns
        -------
        list of tuple
            ``("scheduler", key, start, finish, {}, stimulus, time)`` for changes of state, and
            ``(worker address, key, step, stimulus, time)``; times are seconds since the epoch.
            Stimuli of a worker end with its number and a number of its own.

        Examples
        --------
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     client.submit(sum, [1, 2], key="three").result()
        ...     [line[2:4] for line in client.story("three") if line[0] == "scheduler"]
        3
        [('released', 'waiting'), ('waiting', 'queued'), ('queued', 'processing'),
         ('processing', 'memory'), ('memory', 'released'), ('released', 'forgotten')]
        """
        if on_error not in ("raise", "ignore"):
            raise ValueError(f"on_error must be 'raise' or 'ignore', not {on_error!r}")
        layers, keys = _parse_keys(keys_or_stimuli)

        def story() -> list[tuple[Any, ...]]:
            lines: list[tuple[Any, ...]] = [
                ("scheduler", *line) for line in self._scheduler_story(layers, keys)
            ]
            payload = _core.Payload((layers, keys))
            raising = "raise" if on_error == "raise" else "ignore"
            answers = self._ask_all(self._targets(None, False), "story", "", payload, raising)
            for address, steps in answers.items():
                lines += ((address, *step) for step in steps)
            return lines

        return self._either(story)

    def _scheduler_story(
        self, layers: list[str], keys: list[tuple[str, int]], everything: bool = False
    ) -> list[tuple[Any, ...]]:
        changes, _, _ = self._inspector.story(layers, keys, layers, everything)
        return [
            (key_of(layer, block, numbered), start, finish, {}, stimulus, seconds)
            for layer, block, numbered, start, finish, _, stimulus, seconds in changes
        ]

    def call_stack(self, futures: Any = None, keys: Any = None) -> Any:
        """Where the tasks are that run now: their call stacks.

        Told are tasks in Python on the workers' own threads, not coroutines and not those in other
        executors.

        Parameters
        ----------
        futures : futures or collections, optional
            Only these tasks, and those that they wait for; default: all that run.
        keys : list of keys, optional
            The same by key.

        Returns
        -------
        dict
            By worker address, of those that run any, and key: a tuple of lines, the innermost call
            last.

        Examples
        --------
        >>> import time
        >>> from rask.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     future = client.submit(time.sleep, 0.5, key="sleeping")
        ...     stacks = client.call_stack()
        """
        wanted: list[Any] | None = None
        if futures is not None or keys is not None:
            wanted = [] if futures is None else [future.key for future in self.futures_of(futures)]
            wanted += [] if keys is None else list(keys)

        def stacks() -> dict[str, dict[Any, tuple[str, ...]]]:
            chosen = None if wanted is None else self._needed_by(wanted)
            payload = _core.Payload(None)
            answers = self._ask_all(self._targets(None, False), "call-stack", "", payload, "raise")
            found = {
                address: {
                    key: calls for key, calls in tasks.items() if chosen is None or key in chosen
                }
                for address, tasks in answers.items()
            }
            return {address: tasks for address, tasks in found.items() if tasks}

        return self._either(stacks)

    def _needed_by(self, keys: list[Any]) -> set[Any]:
        """These keys, and those of what they need."""
        tasks, _ = self._inspector.dump()
        names = [key_of(task["layer"], task["block"], task["numbered"]) for task in tasks]
        positions = {key: at for at, key in enumerate(names)}
        stack = [positions[key] for key in keys if key in positions]
        seen = set(stack)
        while stack:
            fresh = [at for at in tasks[stack.pop()]["inputs"] if at not in seen]
            seen.update(fresh)
            stack += fresh
        return {names[at] for at in seen}


def _parse_keys(given: tuple[Any, ...]) -> tuple[list[str], list[tuple[str, int]]]:
    """Names of layers (or stimuli), and keys of single blocks.

    Raises
    ------
    TypeError
        For what is no key.
    """
    layers: list[str] = []
    keys: list[tuple[str, int]] = []
    for item in given:
        key = item.key if isinstance(item, Future) else item
        if isinstance(key, str):
            layers.append(key)
        elif isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], int):
            keys.append((str(key[0]), key[1]))
        else:
            raise TypeError(
                "a story is of keys (strings, or tuples of a layer's name and a block's number), "
                f"futures or stimuli, not of {item!r}"
            )
    return layers, keys
