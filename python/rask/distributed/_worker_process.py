"""Processes that are one worker."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from rask.distributed._context import set_process_worker
from rask.distributed._worker_options import worker_of_arguments

__all__ = ["main", "run_process"]

#: With this exit code a worker process asks to be started again.
RESTART_EXIT_CODE = 75
_PR_SET_PDEATHSIG = 1
#: For plugins and preloads to be torn down when a worker process ends.
_FAREWELL_SECONDS = 5.0


def _end_with_parent() -> None:
    """Let the kernel end this process when the nanny's dies, however that happens."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the nanny is gone")


def _end_in_order(worker: Any) -> threading.Event:
    """Let the worker tell the scheduler that it ends when the process is asked to, from the moment
    that the scheduler knows of it; the event is set then."""
    told = threading.Event()
    connect = worker._connect

    def connect_and_heed() -> Any:
        handle = connect()

        def end(*_: Any) -> None:
            told.set()
            handle.stop()

        signal.signal(signal.SIGTERM, end)
        return handle

    worker._connect = connect_and_heed
    return told


def _import_for_calls() -> None:
    """What the first call needs is imported before the scheduler knows of the worker."""
    import cloudpickle  # noqa: F401

    import rask._functions  # noqa: F401


def run_process(
    make: Callable[[], Any],
    supervised: bool,
    started: Callable[[Any], None] = lambda worker: None,
) -> int:
    """Run a worker until it ends; the exit code that the process should have.

    `started` is called once the worker has started.
    """
    if supervised:
        _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN if supervised else signal.SIG_DFL)
    _import_for_calls()
    worker = make()
    worker._owns_process = True
    set_process_worker(worker)
    told_to_end = _end_in_order(worker)
    try:
        worker._ensure_started()
    except Exception:
        if told_to_end.is_set():
            return 0
        raise
    started(worker)
    code, reason = worker._handle.wait()
    if code == 0 and worker._restarting:
        code = RESTART_EXIT_CODE
    if code == 1:
        print(f"rask worker {worker.name}: {reason}", file=sys.stderr)
    farewell = threading.Thread(target=worker._tear_down, daemon=True)
    farewell.start()
    farewell.join(_FAREWELL_SECONDS)
    worker._remove_folder()
    return code


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until the scheduler ends it; the process's exit code."""
    make, supervised = worker_of_arguments(arguments)
    code = run_process(make, supervised)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads may still be inside user code: nothing would be gained by waiting for them.
    os._exit(code)
