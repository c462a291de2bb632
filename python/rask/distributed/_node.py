"""What schedulers, workers and nannies have in common as Python objects."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import uuid
from collections.abc import Generator
from enum import Enum
from typing import Any

from rask.distributed._loop import in_thread
from rask.distributed.security import Security

__all__ = ["Node", "Status", "find_scheduler", "listen_address", "make_security"]


class Status(Enum):
    """How a scheduler, worker, nanny or cluster is."""

    undefined = "undefined"
    created = "created"
    init = "init"
    starting = "starting"
    running = "running"
    paused = "paused"
    stopping = "stopping"
    stopped = "stopped"
    closing = "closing"
    closing_gracefully = "closing_gracefully"
    closed = "closed"
    failed = "failed"
    dont_reply = "dont_reply"

    def __eq__(self, other: object) -> bool:
        """Members are equal to themselves and to their names."""
        if isinstance(other, str):
            return self.value == other
        return self is other

    __hash__ = Enum.__hash__


class Node:
    """Something that starts, runs and is closed: with ``await`` and ``async with``.

    Subclasses start in `_start` and end in `_close`, which block and are called on threads.
    """

    def __init__(self) -> None:
        self.id = f"{type(self).__name__}-{uuid.uuid4()}"
        self.status = Status.init
        self._life_lock = threading.Lock()
        self._ended = threading.Event()
        self._folder: str | None = None
        self._given_folder: str | None = None

    def _start(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def _begin_close(self) -> None:
        """Ask it to end, without waiting, where that takes time."""

    def _ensure_started(self) -> None:
        with self._life_lock:
            if self.status == Status.running:
                return
            if self.status != Status.init:
                raise RuntimeError(f"this {type(self).__name__} is {self.status.value}")
            self.status = Status.starting
            try:
                self._start()
            except BaseException:
                self.status = Status.failed
                with contextlib.suppress(Exception):
                    self._close()
                self._ended.set()
                raise
            self.status = Status.running

    def _ensure_closed(self) -> None:
        with self._life_lock:
            if self.status in (Status.closed, Status.failed):
                return
            started = self.status == Status.running
            self.status = Status.closing
            try:
                if started:
                    self._close()
            finally:
                self.status = Status.closed
                self._remove_folder()
                self._ended.set()

    def __await__(self) -> Generator[Any, Any, Any]:
        async def start() -> Any:
            await in_thread(self._ensure_started)
            return self

        return start().__await__()

    async def start(self) -> Any:
        """Start; the same as awaiting the object."""
        return await self

    async def close(self, timeout: Any = None, reason: str = "", **kwargs: Any) -> None:
        """End."""
        await in_thread(self._ensure_closed)

    async def finished(self) -> None:
        """Wait until it has ended."""
        await in_thread(self._ended.wait)

    async def __aenter__(self) -> Any:
        return await self

    async def __aexit__(self, *exception: Any) -> None:
        await self.close()

    @property
    def local_directory(self) -> str:
        """A folder of its own for files, made when it is asked for and removed at the end."""
        if self._folder is None:
            base = self._given_folder or tempfile.gettempdir()
            os.makedirs(base, exist_ok=True)
            self._folder = tempfile.mkdtemp(prefix=f"rask-{type(self).__name__.lower()}-", dir=base)
        return self._folder

    def _remove_folder(self) -> None:
        if self._folder is not None:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


#: Secrets of the schedulers of this process, by address: who is given such an address and nothing
#: else may use them.
_known: dict[str, Security] = {}


def make_security(security: Any, address: str | None = None) -> Security:
    """A `Security` of what users give for one; for a scheduler of this process its own."""
    if security is None and address in _known:
        return _known[address]
    if isinstance(security, Security):
        return security
    if isinstance(security, dict):
        return Security(**security)
    if security is True:
        return Security.temporary()
    return Security()


def find_scheduler(ip: Any, port: Any, file: str | None) -> str:
    """The scheduler's address, of what users give for one.

    Raises
    ------
    ValueError
        If they gave none.
    """
    if file is not None:
        with open(file) as opened:
            return json.load(opened)["address"]
    if ip is None:
        from rask import config

        ip = config.get("scheduler-address", None)
        if ip is None:
            raise ValueError("give the scheduler's address, or scheduler_file")
    if hasattr(ip, "address"):
        ip = ip.address
    elif hasattr(ip, "scheduler_address"):
        ip = ip.scheduler_address
    text = str(ip)
    if port is not None:
        text = f"{text}:{port}"
    return text if "://" in text else f"tcp://{text}"


def host_of_interface(interface: str) -> str:
    """The IPv4 address of a network interface like ``"eth0"``.

    Raises
    ------
    ValueError
        If there is no such interface, or it has no address.
    """
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", interface.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), 0x8915, request)  # SIOCGIFADDR
        except OSError:
            known = ", ".join(name for _, name in socket.if_nameindex())
            raise ValueError(
                f"there is no network interface {interface!r} with an IPv4 address; there are: "
                f"{known}"
            ) from None
    return socket.inet_ntoa(answer[20:24])


def own_host(scheduler: str) -> str:
    """The address of the interface through which the scheduler is reached."""
    _, _, rest = scheduler.rpartition("://")
    host, _, port = rest.rpartition(":")
    if host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0"):
        return "127.0.0.1"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host.strip("[]"), int(port)))
            return probe.getsockname()[0]
    except (OSError, ValueError):
        return "0.0.0.0"


def listen_address(
    scheduler: str,
    protocol: str | None,
    host: str | None,
    port: Any,
    interface: str | None,
) -> list[str]:
    """Where a worker or nanny may listen, the first that is free: a port, or a range of ports like
    ``"3000:3026"``."""
    scheme, _, _ = scheduler.rpartition("://")
    scheme = (protocol or scheme or "tcp").removesuffix("://")
    if host is not None and "://" in host:
        return [host]
    if interface is not None:
        if host is not None:
            raise ValueError("give host or interface, not both")
        host = host_of_interface(interface)
    host = host or own_host(scheduler)
    return [f"{scheme}://{host}:{number}" for number in ports_of(port)]


def ports_of(port: Any) -> list[int]:
    """Port numbers that a user allows: 0 chooses a free one."""
    if port is None or port == "":
        return [0]
    if isinstance(port, int):
        return [port]
    if isinstance(port, str):
        first, colon, last = port.partition(":")
        return list(range(int(first), int(last) + 1)) if colon else [int(first)]
    return [int(number) for number in port]
