"""A cluster whose scheduler and workers are processes of their own on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from rask.distributed._utils import memory_limit_bytes
from rask.distributed.cluster import _share
from rask.distributed.process_interface import ProcessInterface
from rask.distributed.security import Security
from rask.distributed.spec import SpecCluster

__all__ = ["Program", "SubprocessCluster", "SubprocessScheduler", "SubprocessWorker"]

_POLL_SECONDS = 0.02
_STOP_SECONDS = 10.0
_MESSAGE_BYTES_MAX = 20_000


class Program(ProcessInterface):
    """A process that runs ``rask scheduler`` or ``rask worker``.

    Subclasses say what its command line is, and when it has started.
    """

    #: Whose certificate it shows.
    role = "worker"

    def __init__(self, security: Security, timeout: float = 60.0) -> None:
        super().__init__()
        self.security = security
        self.timeout = timeout
        self.process: asyncio.subprocess.Process | None = None
        #: What the process reads first; its standard input then stays open.
        self.first_line: bytes | None = None
        self._messages = bytearray()
        self._reading: asyncio.Task[None] | None = None

    def command(self) -> list[str]:
        """Program and arguments."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Environment variables."""
        path = os.pathsep.join([*(entry for entry in sys.path if entry), os.getcwd()])
        return {**os.environ, "PYTHONPATH": path, **self.security.environment(self.role)}

    def has_started(self) -> bool:
        """Whether the process says so, in a file or in its messages."""
        raise NotImplementedError

    @property
    def messages(self) -> str:
        """What the process has written so far to standard error, the end of it."""
        return self._messages.decode(errors="replace")

    async def start(self) -> None:
        """Start the process and wait until it says that it has started.

        Raises
        ------
        RuntimeError
            If it ends before, with its messages.
        TimeoutError
        """
        self.process = await asyncio.create_subprocess_exec(
            *self.command(),
            env=self.environment(),
            stdin=asyncio.subprocess.PIPE if self.first_line else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        if self.first_line and self.process.stdin is not None:
            self.process.stdin.write(self.first_line)
        self._reading = asyncio.ensure_future(self._read())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        while not self.has_started():
            if self.process.returncode is not None:
                await self._reading
                raise RuntimeError(
                    f"{type(self).__name__} ended with exit code {self.process.returncode}: "
                    f"{self.messages.strip() or 'no message'}"
                )
            if loop.time() > deadline:
                await self.close()
                raise TimeoutError(
                    f"{type(self).__name__} did not start in {self.timeout} seconds: "
                    f"{self.messages.strip() or 'no message'}"
                )
            await asyncio.sleep(_POLL_SECONDS)
        await super().start()

    async def _read(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        while chunk := await self.process.stderr.read(4096):
            self._messages += chunk
            del self._messages[:-_MESSAGE_BYTES_MAX]

    async def close(self) -> None:
        """End the process, gently at first."""
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._reading is not None:
            self._reading.cancel()
        await super().close()


def option_arguments(options: dict[str, Any]) -> list[str]:
    """Keyword arguments as command line options: ``memory_limit="1GB"`` as ``--memory-limit=1GB``."""
    arguments: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is None:
            continue
        if value is True:
            arguments.append(flag)
        elif value is False:
            arguments.append("--no-" + flag[2:])
        elif isinstance(value, dict):
            arguments.append(flag + "=" + ",".join(f"{key}={item}" for key, item in value.items()))
        elif isinstance(value, (list, tuple)):
            arguments.extend(f"{flag}={item}" for item in value)
        else:
            arguments.append(f"{flag}={value}")
    return arguments


class SubprocessScheduler(Program):
    """A scheduler in a process of its own.

    Parameters
    ----------
    scheduler_kwargs : dict, optional
        Options of ``rask scheduler``, with underscores: ``port``, ``host``, ``idle_timeout``, ….
    timeout : float
        Seconds until it must have started.
    """

    role = "scheduler"

    def __init__(
        self,
        scheduler_kwargs: dict[str, Any] | None = None,
        timeout: float = 30,
        security: Security | None = None,
    ) -> None:
        super().__init__(security or Security.with_token(), timeout)
        options = {"port": 0, "host": "127.0.0.1", **(scheduler_kwargs or {})}
        self._made_file = "scheduler_file" not in options
        name = f"rask-scheduler-{uuid.uuid4().hex}.json"
        options.setdefault("scheduler_file", os.path.join(tempfile.gettempdir(), name))
        self.scheduler_kwargs = options

    def command(self) -> list[str]:
        """Program and arguments."""
        return [
            sys.executable,
            "-m",
            "rask.cli",
            "scheduler",
            *option_arguments(self.scheduler_kwargs),
        ]

    def has_started(self) -> bool:
        """Whether the file with the address is there."""
        try:
            text = Path(self.scheduler_kwargs["scheduler_file"]).read_text()
            self.address = json.loads(text)["address"]
        except (OSError, ValueError, KeyError):
            return False
        return True

    async def close(self) -> None:
        """End the process."""
        await super().close()
        if self._made_file:
            with contextlib.suppress(OSError):
                os.remove(self.scheduler_kwargs["scheduler_file"])


class SubprocessWorker(Program):
    """Workers in a process of their own, which watches them.

    Parameters
    ----------
    scheduler : str
        The scheduler's address.
    name : str or int, optional
    worker_class : str
        Class of the workers.
    worker_kwargs : dict, optional
        Options of ``rask worker``, with underscores: ``nthreads``, ``memory_limit``, ….
    """

    def __init__(
        self,
        scheduler: str,
        worker_class: str = "rask.distributed.Worker",
        name: Any = None,
        worker_kwargs: dict[str, Any] | None = None,
        security: Security | None = None,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(security or Security(), timeout)
        self.scheduler = scheduler
        self.name = name
        given = dict(worker_kwargs or {})
        if worker_class in (
            "distributed.Nanny",
            "dask.distributed.Nanny",
            "rask.distributed.Nanny",
        ):
            worker_class = "rask.distributed.Worker"
        if given.get("name") is None and name is not None:
            given["name"] = name
        self.worker_kwargs = {"worker_class": worker_class, **given}
        self._pid_file = os.path.join(
            tempfile.gettempdir(), f"rask-worker-{uuid.uuid4().hex}.started"
        )

    def command(self) -> list[str]:
        """Program and arguments."""
        options = {**self.worker_kwargs, "started_file": self._pid_file}
        arguments = option_arguments(options)
        return [sys.executable, "-m", "rask.cli", "worker", self.scheduler, *arguments]

    def has_started(self) -> bool:
        """Whether its workers have come to the scheduler."""
        return os.path.exists(self._pid_file)

    async def close(self) -> None:
        """End the process, and with it the workers."""
        await super().close()
        with contextlib.suppress(OSError):
            os.remove(self._pid_file)


def SubprocessCluster(
    host: str | None = None,
    scheduler_port: int = 0,
    scheduler_kwargs: dict[str, Any] | None = None,
    dashboard_address: str = ":8787",
    worker_class: str = "rask.distributed.Nanny",
    n_workers: int | None = None,
    threads_per_worker: int | None = None,
    worker_kwargs: dict[str, Any] | None = None,
    silence_logs: Any = None,
    security: Security | None = None,
    **kwargs: Any,
) -> SpecCluster:
    """A cluster whose scheduler and workers are processes of their own on this machine.

    Unlike a `LocalCluster`, whose scheduler is a thread of this process, it does not share the
    interpreter with this program, and its processes are started as on other machines.

    Parameters
    ----------
    host : str, optional
        Where the scheduler listens; default: this machine only.
    scheduler_port : int
        0 chooses a free one.
    scheduler_kwargs, worker_kwargs : dict, optional
        Options of ``rask scheduler`` and ``rask worker``, with underscores.
    n_workers, threads_per_worker : int, optional
        As of `LocalCluster`.
    security : Security, optional
        Default: a fresh token.
    **kwargs
        Arguments of `SpecCluster`.

    Examples
    --------
    >>> from rask.distributed import Client, SubprocessCluster
    >>> with SubprocessCluster(n_workers=1, threads_per_worker=1) as cluster:
    ...     with Client(cluster) as client:
    ...         client.submit(sum, [1, 2]).result()
    3
    """
    count, threads = _share(n_workers, threads_per_worker, processes=True)
    own = security or Security.with_token()
    options = dict(worker_kwargs or {})
    options.setdefault("nthreads", threads)
    options.setdefault("memory_limit", memory_limit_bytes("auto", threads))
    listen = {"host": host or "127.0.0.1", "port": scheduler_port, **(scheduler_kwargs or {})}
    scheduler = {
        "cls": SubprocessScheduler,
        "options": {"scheduler_kwargs": listen, "security": own},
    }
    worker = {
        "cls": SubprocessWorker,
        "options": {"worker_class": worker_class, "worker_kwargs": options, "security": own},
    }
    return SpecCluster(
        workers=dict.fromkeys(range(count), worker),
        scheduler=scheduler,
        worker=worker,
        security=own,
        name=kwargs.pop("name", "SubprocessCluster"),
        **kwargs,
    )
