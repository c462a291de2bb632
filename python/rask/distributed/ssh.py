"""Clusters of machines that are reached by ssh."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import sys
from typing import Any

from rask.distributed.security import Security
from rask.distributed.spec import SpecCluster
from rask.distributed.subprocess_cluster import Program, option_arguments

__all__ = ["SSHCluster", "SSHScheduler", "SSHWorker"]

_CONNECT_SECONDS = 60.0


def ssh_command(host: str, options: dict[str, Any]) -> list[str]:
    """The ``ssh`` program with its arguments, before the remote command.

    Parameters
    ----------
    host : str
    options : dict
        ``port``, ``username``, ``client_keys`` (paths), ``known_hosts`` (a path; None trusts every
        host), ``config`` (a path), ``connect_timeout`` (seconds), ``options`` (further arguments of
        the program).

    Raises
    ------
    TypeError
        For other options.
    """
    command = ["ssh", "-T", "-o", "BatchMode=yes"]
    for name, value in options.items():
        if name == "port":
            command += ["-p", str(value)]
        elif name == "username":
            command += ["-l", str(value)]
        elif name == "client_keys":
            for key in [value] if isinstance(value, (str, os.PathLike)) else value or []:
                command += ["-i", os.fspath(key)]
        elif name == "known_hosts" and value is None:
            command += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        elif name == "known_hosts":
            command += ["-o", f"UserKnownHostsFile={os.fspath(value)}"]
        elif name == "config":
            command += ["-F", os.fspath(value)]
        elif name == "connect_timeout":
            command += ["-o", f"ConnectTimeout={int(value)}"]
        elif name == "options":
            command += [str(argument) for argument in value]
        else:
            raise TypeError(
                f"connect_options knows no {name!r}: the ssh program takes port, username, "
                "client_keys, known_hosts, config, connect_timeout and options (a list of its own "
                "arguments); passwords belong into keys or an agent"
            )
    return [*command, host]


class _Remote(Program):
    """A program on another machine. It ends when its connection does."""

    def __init__(
        self,
        address: str,
        connect_options: dict[str, Any],
        remote_python: str | None,
        security: Security,
    ) -> None:
        super().__init__(security, _CONNECT_SECONDS)
        self.host = address
        self._ssh = ssh_command(address, connect_options)
        self._python = remote_python or sys.executable

    def program(self) -> list[str]:
        """Arguments of the ``rask`` program."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The ssh program with the remote command."""
        remote = [self._python, "-m", "rask.distributed._remote", *self.program()]
        return [*self._ssh, shlex.join(remote)]

    def environment(self) -> dict[str, str]:
        """The environment of the ssh program: this process's, without the cluster's secrets."""
        return dict(os.environ)

    async def start(self) -> None:
        """Connect, start the program, and wait until it says that it has started."""
        from rask import config

        secrets = self.security.environment(self.role)
        inherited = config.serialize(config.global_config) if hasattr(config, "serialize") else ""
        if inherited:
            secrets["RASK_INTERNAL_INHERIT_CONFIG"] = inherited
        self.first_line = json.dumps({"environment": secrets}).encode() + b"\n"
        await super().start()

    def _line_after(self, marker: str) -> list[str]:
        # What comes after the last line's end may be the beginning of a line.
        lines = self.messages.split("\n")[:-1]
        return [line.split(marker, 1)[1].strip() for line in lines if marker in line]

    async def close(self) -> None:
        """End the program by closing its standard input."""
        process = self.process
        if process is not None and process.stdin is not None and process.returncode is None:
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10.0)
        await super().close()


class SSHScheduler(_Remote):
    """A scheduler on another machine.

    Parameters
    ----------
    address : str
        The host.
    connect_options : dict
        See `ssh_command`.
    kwargs : dict
        Options of ``rask scheduler``, with underscores.
    remote_python : str, optional
        The interpreter there; default: the path of this one.
    """

    role = "scheduler"

    def __init__(
        self,
        address: str,
        connect_options: dict[str, Any],
        kwargs: dict[str, Any],
        remote_python: str | None = None,
        security: Security | None = None,
    ) -> None:
        super().__init__(address, connect_options, remote_python, security or Security.with_token())
        self.kwargs = {"port": 0, **kwargs}

    def program(self) -> list[str]:
        """Arguments of the ``rask`` program."""
        return ["scheduler", *option_arguments(self.kwargs)]

    def has_started(self) -> bool:
        """Whether it has said where it listens."""
        there, reached = self._line_after("scheduler at "), self._line_after("reached at: ")
        if not there:
            return False
        scheme, _, rest = there[0].partition("://")
        host, _, port = rest.rpartition(":")
        if host in ("0.0.0.0", "[::]"):
            host = (reached or [""])[0] or self.host.rpartition("@")[2]
        self.address = f"{scheme}://{host}:{port}"
        return True


class SSHWorker(_Remote):
    """Workers on another machine, with their nannies.

    Parameters
    ----------
    scheduler : str
        The scheduler's address.
    address : str
        The host.
    connect_options : dict
        See `ssh_command`.
    kwargs : dict
        Options of ``rask worker``, with underscores; ``n_workers`` is how many.
    worker_class : str
    remote_python : str, optional
        The interpreter there; default: the path of this one.
    """

    def __init__(
        self,
        scheduler: str,
        address: str,
        connect_options: dict[str, Any],
        kwargs: dict[str, Any],
        worker_class: str = "rask.distributed.Nanny",
        remote_python: str | None = None,
        loop: Any = None,
        name: Any = None,
        security: Security | None = None,
    ) -> None:
        super().__init__(address, connect_options, remote_python, security or Security())
        self.scheduler = scheduler
        self.name = name
        options = dict(kwargs)
        self.n_workers = int(options.pop("n_workers", 1))
        if not worker_class.endswith(".Nanny"):
            options.setdefault("worker_class", worker_class)
        options.setdefault("name", name)
        self.kwargs = {**options, "nworkers": self.n_workers}

    def program(self) -> list[str]:
        """Arguments of the ``rask`` program."""
        return ["worker", self.scheduler, *option_arguments(self.kwargs)]

    def has_started(self) -> bool:
        """Whether all its workers have come to the scheduler."""
        return len(self._line_after("worker at: ")) >= self.n_workers


def SSHCluster(
    hosts: list[str] | None = None,
    connect_options: dict[str, Any] | list[dict[str, Any]] | None = None,
    worker_options: dict[str, Any] | None = None,
    scheduler_options: dict[str, Any] | None = None,
    worker_class: str = "rask.distributed.Nanny",
    remote_python: str | list[str] | None = None,
    security: Security | None = None,
    **kwargs: Any,
) -> SpecCluster:
    """A cluster of machines that the ``ssh`` program reaches without asking for passwords.

    Secrets travel inside the ssh connections, never on a command line. Scheduler and workers end
    when their connections do.

    Parameters
    ----------
    hosts : list of str
        The first is the scheduler's, the others are the workers'. A host may come several times.
    connect_options : dict or list of dict, optional
        For all hosts, or one each: ``port``, ``username``, ``client_keys``, ``known_hosts``,
        ``config``, ``connect_timeout``, ``options`` (further arguments of ``ssh``).
    worker_options : dict, optional
        Options of ``rask worker``, with underscores; ``n_workers`` is how many a host.
    scheduler_options : dict, optional
        Options of ``rask scheduler``, with underscores.
    worker_class : str
        Class of the workers.
    remote_python : str or list of str, optional
        The interpreter on the hosts, or one each; default: the path of this one.
    security : Security, optional
        Default: a fresh token.
    **kwargs
        Arguments of `SpecCluster`.

    Examples
    --------
    >>> cluster = SSHCluster(["localhost", "localhost"])  # doctest: +SKIP
    >>> client = Client(cluster)  # doctest: +SKIP
    """
    if not hosts:
        raise ValueError(f"hosts must be a list with at least one host, not {hosts!r}")
    count = len(hosts)
    connections = _one_each("connect_options", connect_options or {}, dict, count)
    pythons = _one_each("remote_python", remote_python, (str, type(None)), count)
    for host, options in zip(hosts, connections, strict=True):
        ssh_command(host, options)
    own = security or Security.with_token()
    scheduler = {
        "cls": SSHScheduler,
        "options": {
            "address": hosts[0],
            "connect_options": connections[0],
            "kwargs": scheduler_options or {},
            "remote_python": pythons[0],
            "security": own,
        },
    }
    workers = {
        number: {
            "cls": SSHWorker,
            "options": {
                "address": hosts[number + 1],
                "connect_options": connections[number + 1],
                "kwargs": worker_options or {},
                "worker_class": worker_class,
                "remote_python": pythons[number + 1],
                "security": own,
            },
            **_group(worker_options or {}),
        }
        for number in range(count - 1)
    }
    name = kwargs.pop("name", "SSHCluster")
    return SpecCluster(workers, scheduler, security=own, name=name, **kwargs)


def _group(worker_options: dict[str, Any]) -> dict[str, Any]:
    """How the workers of one host are named."""
    count = int(worker_options.get("n_workers", 1))
    return {"group": [f"-{number}" for number in range(count)]} if count > 1 else {}


def _one_each(name: str, given: Any, kind: Any, count: int) -> list[Any]:
    if isinstance(given, kind):
        return [given] * count
    if len(given) != count:
        raise RuntimeError(f"{len(given)} {name} for {count} hosts")
    return list(given)
