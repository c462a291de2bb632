"""A scheduler in a process of its own, which is started again when it dies."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from rask import _core, config
from rask.distributed._node import Node, host_of_interface, make_security
from rask.distributed._policies import configured_policies, policies_of_users
from rask.distributed._shares import describe_shares, quota_patience_seconds
from rask.distributed._utils import parse_seconds
from rask.distributed.security import Security

__all__ = ["SchedulerProcess"]

_POLL_SECONDS = 0.01
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


class SchedulerProcess(Node):
    """A scheduler in a process of its own, with a journal. When it dies it is started again.

    Clients and workers come back to it, and nothing that a worker still holds is made anew.
    Await it, or use it with ``async with``. It ends with the process that made it.

    Parameters
    ----------
    journal : str, optional
        The folder in which it writes down what has to outlive it. Work of a journal that is there
        already is gone on with. Default: a folder of its own, removed at the end.
    port : int
        Where to listen; 0 chooses a free one, which it keeps.
    host, interface : str, optional
        Where to listen; default: this machine only.
    protocol : {"tcp", "tls"}, optional
    security : Security, optional
        Default: a fresh token.
    allowed_failures : int
        A task that was running on more workers than this when they died fails.
    worker_ttl : float or str, optional
        A worker that has said nothing for so long is taken for dead.
    idle_timeout : float or str, optional
        End after so long without tasks.
    shares : dict, optional
        How shares of clients are served, see `Scheduler`.
    reconnect_timeout : float or str
        Clients and workers try for so long to come back.
    recovery_timeout : float or str
        After a restart, workers have so long to come back before what they held is made anew.

    Examples
    --------
    >>> import asyncio
    >>> from rask.distributed import SchedulerProcess
    >>> async def main():
    ...     async with SchedulerProcess() as scheduler:
    ...         return scheduler.address.startswith("tcp://127.0.0.1:")
    >>> asyncio.run(main())
    True
    """

    def __init__(
        self,
        journal: str | os.PathLike[str] | None = None,
        *,
        port: int = 0,
        host: str | None = None,
        interface: str | None = None,
        protocol: str | None = None,
        security: Any = None,
        allowed_failures: int = 3,
        worker_ttl: Any = None,
        idle_timeout: Any = None,
        reconnect_timeout: Any = 60.0,
        recovery_timeout: Any = 15.0,
        dashboard_address: Any = None,
        shares: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.security = Security.with_token() if security is None else make_security(security)
        scheme = (protocol or self.security.scheme).removesuffix("://")
        if scheme == "tls" and self.security.core("scheduler").ca_pem is None:
            raise ValueError("protocol='tls' needs certificates: use Security.temporary()")
        self._scheme = scheme
        self._host = host_of_interface(interface) if interface is not None else host or "127.0.0.1"
        self._port = int(port)
        self._journal = journal
        self._seconds = {
            "worker-timeout": parse_seconds(worker_ttl),
            "idle-timeout": parse_seconds(idle_timeout),
            "reconnect-timeout": parse_seconds(reconnect_timeout),
            "recovery-timeout": parse_seconds(recovery_timeout),
            "quota-patience": quota_patience_seconds(),
        }
        self._shares = describe_shares(shares)
        self._allowed_failures = int(allowed_failures)
        self._supervisor: Any = None
        self._address: str | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        if self._address is None:
            raise ValueError("the scheduler has not started: it has no address yet")
        return self._address

    @property
    def contact_address(self) -> str:
        """The same as `address`."""
        return self.address

    @property
    def pid(self) -> int | None:
        """Number of the process that runs now."""
        return self._supervisor.pid if self._supervisor is not None else None

    @property
    def ends(self) -> list[str]:
        """How processes ended so far, the latest last."""
        return self._supervisor.ends if self._supervisor is not None else []

    @property
    def journal(self) -> str:
        """The folder of the journal."""
        if self._journal is None:
            self._journal = os.path.join(self.local_directory, "journal")
        return os.fspath(self._journal)

    def _start(self) -> None:
        port = self._port or _free_port(self._host)
        policies = policies_of_users()
        file = Path(self.local_directory) / "scheduler.json"
        path = os.pathsep.join([*(entry for entry in sys.path if entry), os.getcwd()])
        environment = {"PYTHONPATH": path, **self.security.environment("scheduler")}
        self._supervisor = _core.Supervisor(
            sys.executable, self._arguments(port, file), list(environment.items())
        )
        deadline = time.monotonic() + _START_SECONDS
        while (address := _read_address(file)) is None:
            if time.monotonic() > deadline or len(self.ends) >= 3:
                how = self.ends[-1] if self.ends else "it says nothing"
                raise RuntimeError(
                    f"the scheduler does not start on {self._host}:{port}: {how}; its messages "
                    "are on standard error"
                )
            time.sleep(_POLL_SECONDS)
        self._address = address
        if policies is not None:
            from rask.distributed.client import Client

            with Client(address, security=self.security, set_as_default=False) as client:
                client.register_plugin(policies)

    def _arguments(self, port: int, file: Path) -> list[str]:
        arguments = ["-m", "rask.cli", "scheduler", "--ends-with-parent"]
        arguments += [f"--host={self._host}", f"--port={port}", f"--scheduler-file={file}"]
        arguments += [f"--protocol={self._scheme}"]
        arguments += [f"--share={share}" for share in self._shares]
        arguments += [f"--journal={self.journal}", f"--allowed-failures={self._allowed_failures}"]
        arguments += [f"--{name}={value}" for name, value in self._seconds.items() if value]
        folder = config.get("distributed.scheduler.reports-directory", None)
        if folder is not None:
            arguments.append(f"--reports={folder}")
        policies = configured_policies()
        arguments.append(f"--speculation={policies['speculation']}")
        arguments.append(f"--replica-interval={policies['replica_interval']}")
        if policies["drops_replicas"]:
            arguments.append("--drop-replicas")
        if not self.security.token:
            arguments.append("--no-token")
        return arguments

    def _close(self) -> None:
        if self._supervisor is None:
            return
        self._supervisor.stop()
        with contextlib.suppress(TimeoutError):
            self._supervisor.wait(_STOP_SECONDS)
        # It has ended in good order: there is nothing to go on with.
        with contextlib.suppress(OSError):
            os.remove(os.path.join(self.journal, "journal"))

    async def finished(self) -> None:
        """Wait until it has ended for good."""
        from rask.distributed._loop import in_thread

        await in_thread(self._wait)

    def _wait(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                self._supervisor.wait(0.5)
                return

    def __repr__(self) -> str:
        where = self._address or "not started"
        return f"<SchedulerProcess {where!r}, pid {self.pid}, status: {self.status.value}>"


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def _read_address(file: Path) -> str | None:
    try:
        return json.loads(file.read_text())["address"]
    except (OSError, ValueError, KeyError):
        return None
