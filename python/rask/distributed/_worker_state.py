"""What a worker tells of its tasks and of itself."""

from __future__ import annotations

import linecache
import sys
from types import FrameType
from typing import Any

from rask.distributed._context import key_of
from rask.distributed._logs import keeper

__all__ = ["dump_of", "stacks_of", "story_of"]


def story_of(
    worker: Any, layers: list[str], keys: list[tuple[str, int]]
) -> list[tuple[Any, str, str, float]]:
    """Key, step, stimulus and time of what tasks went through on a worker.

    Parameters
    ----------
    worker : Worker
    layers : list of str
        Names of layers, for all their blocks, and stimuli.
    keys : list of tuple
        Names of layers and blocks.
    """
    return [
        (key_of(name, block, numbered), step, stimulus, seconds)
        for name, block, numbered, step, stimulus, seconds in worker._core.story(
            set(layers), set(keys), set(layers)
        )
    ]


def dump_of(worker: Any) -> dict[str, Any]:
    """What is known on a worker, without values and functions."""
    from rask import config

    state = worker.state
    held, spilled = worker._core.value_bytes
    return {
        "type": "Worker",
        "id": worker.id,
        "name": str(worker.name),
        "address": worker.address,
        "status": worker.status.value,
        "nthreads": worker.nthreads,
        "memory_limit": worker.memory_limit,
        "resources": worker.resources,
        "ready_count": state.ready_count,
        "nbytes": held,
        "spilled_nbytes": spilled,
        "tasks": {str(key): {"key": str(key), "state": how} for key, how in state.tasks.items()},
        "plugins": [str(name) for name in worker.plugins],
        "log": [
            (str(key_of(name, block, numbered)), step, stimulus, seconds)
            for name, block, numbered, step, stimulus, seconds in worker._core.story(
                set(), set(), set(), True
            )
        ],
        "logs": keeper().last(None, "rask_cluster::worker"),
        "config": dict(config.config),
    }


def stacks_of(worker: Any) -> dict[Any, tuple[str, ...]]:
    """The call stacks of the tasks that run on the worker's threads, by key; the innermost call
    last. Tasks outside of Python have none."""
    threads = worker._core.threads()
    frames = sys._current_frames()
    # What runs may have changed in between: only threads that run the same after it are told of.
    still = set(worker._core.threads())
    try:
        return {
            key_of(name, block, numbered): _describe_stack(frames[thread])
            for thread, name, block, numbered in threads
            if thread in frames and (thread, name, block, numbered) in still
        }
    finally:
        # This call is among them: what all calls hold would stay until the next collection.
        frames.clear()


def _describe_stack(frame: FrameType | None) -> tuple[str, ...]:
    calls: list[str] = []
    while frame is not None:
        code = frame.f_code
        line = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals).strip()
        where = f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}'
        calls.append(f"{where}\n\t{line}")
        frame = frame.f_back
    return tuple(reversed(calls))
