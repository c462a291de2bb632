"""A worker process: ``python -m rask.distributed.worker ADDRESS``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import Any

from rask import _core
from rask.distributed._utils import cpu_count, memory_bytes, parse_bytes
from rask.distributed.security import Security

__all__ = ["Worker", "main"]


class Worker:
    """The worker of this process, as tasks see it through `get_worker`.

    Attributes
    ----------
    address, name : str
    scheduler_address : str
    """

    def __init__(self, handle: Any, scheduler_address: str, security: Security, nthreads: int):
        self._handle = handle
        self.scheduler_address = scheduler_address
        self.security = security
        self.nthreads = nthreads
        self._client: Any = None

    @property
    def address(self) -> str:
        """Where peers reach it."""
        return self._handle.address

    @property
    def name(self) -> str:
        """Its name."""
        return self._handle.name

    def _get_client(self) -> Any:
        if self._client is None:
            from rask.distributed.client import Client

            self._client = Client(
                self.scheduler_address, security=self.security, set_as_default=False
            )
        return self._client

    def __repr__(self) -> str:
        return f"<Worker {self.name!r} at {self.address}, {self.nthreads} threads>"


_current: Worker | None = None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rask.distributed.worker")
    parser.add_argument("scheduler")
    parser.add_argument("--name", default="")
    parser.add_argument("--nthreads", type=int, default=0)
    parser.add_argument("--memory-limit", default="auto")
    parser.add_argument("--listen", default="")
    parser.add_argument("--resources", default="")
    parser.add_argument("--local-directory", default=None)
    parser.add_argument("--token-file", default=None)
    parser.add_argument("--supervised", action="store_true")
    return parser


def parse_resources(text: str) -> list[tuple[str, float]]:
    """``"GPU=2,MEM=1e9"`` as pairs."""
    pairs = [entry.split("=", 1) for entry in text.replace(" ", ",").split(",") if entry]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"resources are written NAME=AMOUNT,NAME=AMOUNT; got {text!r}")
    return [(name, float(amount)) for name, amount in pairs]


def memory_limit_bytes(text: Any, nthreads: int) -> int:
    """Bytes of a ``--memory-limit``; 0 is without limit."""
    if text in ("auto", None):
        return int(memory_bytes() * min(1.0, nthreads / cpu_count()))
    if isinstance(text, float) and 0 < text <= 1:
        return int(memory_bytes() * text)
    return parse_bytes(text)


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until the scheduler ends it; the process's exit code."""
    global _current
    options = _parser().parse_args(arguments)
    security = Security.from_environment()
    if options.token_file:
        security = Security(token_file=options.token_file)
    nthreads = options.nthreads or cpu_count()
    scheme, _, rest = options.scheduler.rpartition("://")
    local = rest.startswith(("127.0.0.1", "localhost", "[::1]"))
    host = "127.0.0.1" if local else _own_host(rest)
    signal.signal(signal.SIGINT, signal.SIG_IGN if options.supervised else signal.SIG_DFL)
    handle = _core.WorkerHandle(
        options.scheduler,
        security._core,
        options.listen or f"{scheme or 'tcp'}://{host}:0",
        options.name,
        nthreads,
        memory_limit_bytes(options.memory_limit, nthreads),
        parse_resources(options.resources),
        options.local_directory,
        options.supervised,
    )
    sys.modules.setdefault("rask.distributed.worker", sys.modules[__name__])
    module = sys.modules["rask.distributed.worker"]
    module._current = Worker(handle, options.scheduler, security, nthreads)  # type: ignore[attr-defined]
    signal.signal(signal.SIGTERM, lambda *_: handle.stop())
    code, reason = handle.wait()
    if code == 1:
        print(f"rask worker {handle.name}: {reason}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads may still be inside user code: nothing would be gained by waiting for them.
    os._exit(code)


def _own_host(scheduler: str) -> str:
    """The address of the interface through which the scheduler is reached."""
    import socket

    host, _, port = scheduler.rpartition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host.strip("[]"), int(port)))
            return probe.getsockname()[0]
    except OSError:
        return "0.0.0.0"


if __name__ == "__main__":
    raise SystemExit(main())
