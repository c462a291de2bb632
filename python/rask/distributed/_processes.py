"""Processes that run single calls and can be killed while they do.

A pool keeps up to so many processes that wait for calls; a call whose process is killed fails, and
the next call gets a fresh process.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import IO, Any

__all__ = ["ProcessPool", "main"]

_HEAD = struct.Struct("<QQ")
_EXIT_SECONDS = 2.0


def write_frame(stream: IO[bytes], kind: int, content: bytes) -> None:
    """Write one frame."""
    stream.write(_HEAD.pack(kind, len(content)))
    stream.write(content)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[int, bytes] | None:
    """Read one frame; None at the end."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, length = _HEAD.unpack(head)
    content = stream.read(length)
    return None if len(content) < length else (kind, content)


_CALL, _VALUE, _ERROR = 0, 1, 2


class _Child:
    """One process."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rask.distributed._processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )

    def call(self, content: bytes) -> tuple[int, bytes]:
        """Send a pickled call; the kind and content of the answer."""
        process = self.process
        assert process.stdin is not None and process.stdout is not None
        answer = None
        try:
            write_frame(process.stdin, _CALL, content)
            answer = read_frame(process.stdout)
        except OSError:
            pass
        if answer is None:
            raise ChildEnded(process.wait())
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


class ChildEnded(RuntimeError):
    """The process that ran the call ended before it gave an answer."""

    def __init__(self, code: int) -> None:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        super().__init__(f"the process that ran the call ended: {how}")
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return ChildEnded, (self.code,)


class _Call(Future[Any]):
    """The future of a call that a process runs."""

    def __init__(self) -> None:
        super().__init__()
        self.child: _Child | None = None
        self.stopped = False

    def stop(self, kill: bool = True) -> None:
        """Kill the process that runs the call, or forget the call if none does yet."""
        self.stopped = True
        if not self.cancel() and self.child is not None:
            self.child.process.kill()


class ProcessPool(Executor):
    """Runs calls in processes of their own.

    Parameters
    ----------
    max_workers : int
        Calls at a time.
    """

    #: Calls are pickled: what belongs to the calling thread does not reach them.
    runs_elsewhere = True

    def __init__(self, max_workers: int) -> None:
        self._max_workers = max(1, max_workers)
        self._lock = threading.Condition()
        self._waiting: deque[tuple[_Call, Callable[..., Any]]] = deque()
        self._idle: list[_Child] = []
        self._threads = 0
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a call; `Future.stop` of what is returned kills the process that runs it."""
        from functools import partial

        call = _Call()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            self._waiting.append((call, partial(fn, *args, **kwargs)))
            if self._threads < self._max_workers:
                self._threads += 1
                threading.Thread(target=self._run, name="rask-process", daemon=True).start()
        return call

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        with self._lock:
            self._closed = True
            waiting = list(self._waiting) if cancel_futures else []
            if cancel_futures:
                self._waiting.clear()
            idle, self._idle = self._idle, []
        for call, _ in waiting:
            call.cancel()
        for child in idle:
            child.close()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                call, function = self._waiting.popleft()
                child = self._idle.pop() if self._idle else None
            if call.set_running_or_notify_cancel():
                self._run_one(call, function, child)
            elif child is not None:
                self._give_back(child)
            del call, function

    def _run_one(self, call: _Call, function: Any, child: _Child | None) -> None:
        from rask import _pickle

        try:
            content = _pickle.dumps_bytes(function)
            child = call.child = child or _Child()
            if call.stopped:
                child.process.kill()
            kind, answer = child.call(content)
        except ChildEnded as error:
            stopped = CancelledError("its process was killed") if call.stopped else error
            call.set_exception(stopped)
            return
        except BaseException as error:
            call.set_exception(error)
            return
        self._give_back(child)
        value = _pickle.loads_bytes(answer)
        if kind == _VALUE:
            call.set_result(value)
        else:
            call.set_exception(value)

    def _give_back(self, child: _Child) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(child)
                return
        child.close()


def main() -> None:
    """Answer the calls that come on standard input; what user code prints goes to standard error."""
    from rask import _pickle

    source = os.fdopen(os.dup(0), "rb")
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    while (frame := read_frame(source)) is not None:
        try:
            kind, answer = _VALUE, _pickle.dumps_bytes(_pickle.loads_bytes(frame[1])())
        except BaseException as error:
            kind, answer = _ERROR, _dump_error(error)
        write_frame(target, kind, answer)


def _dump_error(error: BaseException) -> bytes:
    import traceback

    from rask import _pickle

    text = "".join(traceback.format_exception(error)).rstrip()
    error.add_note(f"traceback in the process:\n{text}")
    try:
        content = _pickle.dumps_bytes(error)
        _pickle.loads_bytes(content)
        return content
    except Exception:
        return _pickle.dumps_bytes(RuntimeError(text))


if __name__ == "__main__":
    main()
