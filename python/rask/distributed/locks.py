"""Locks and semaphores that clients and tasks share by name.

Whoever has to wait is told by the scheduler when it is its turn, in the order of asking. What a
client holds is free again when the client is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from rask.distributed._shared_objects import Shared
from rask.distributed._utils import parse_seconds

if TYPE_CHECKING:
    from rask.distributed.client import Client

__all__ = ["Lock", "MultiLock", "Semaphore"]


class _Acquired(Shared):
    """What is acquired and released, also by ``with`` and ``async with``."""

    acquire: Callable[..., Any]
    release: Callable[..., Any]

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self.release()


class Semaphore(_Acquired):
    """At most so many leases at a time, over all clients and workers.

    A lease belongs to the client that acquired it, and ends with it at the latest; the leases of a
    task end with its worker.

    Parameters
    ----------
    max_leases : int
    name : str, optional
        Semaphores of one name are one. Default: a name that nobody else has.
    scheduler_rpc, loop
        Not used.
    client : Client, optional

    Examples
    --------
    >>> semaphore = Semaphore(2, name="database")  # doctest: +SKIP
    >>> with semaphore:  # doctest: +SKIP
    ...     write_to_database()
    """

    _kind = "semaphore"

    def __init__(
        self,
        max_leases: int = 1,
        name: str | None = None,
        scheduler_rpc: Any = None,
        loop: Any = None,
        client: Client | None = None,
    ) -> None:
        super().__init__(name, client)
        if max_leases < 1:
            raise ValueError(f"max_leases must be at least 1, not {max_leases}")
        self.max_leases = max_leases
        self._leases: deque[int] = deque()

    @property
    def _full_name(self) -> str:
        return f"{self._kind}:{self.name}"

    def acquire(self, timeout: Any = None) -> Any:
        """Wait for a lease.

        Parameters
        ----------
        timeout : float, str or timedelta, optional

        Returns
        -------
        bool
            Whether there was one in time.
        """
        return self._either(self._acquire, False, parse_seconds(timeout))

    def _acquire(self, at_once: bool, timeout: float | None) -> bool:
        try:
            outcome, lease, *_ = self._requests.acquire(
                [self._full_name], 1, self.max_leases, at_once, timeout
            )
        except TimeoutError:
            return False
        if outcome != "done":
            return False
        self._leases.append(lease)
        return True

    def release(self) -> Any:
        """Give a lease back.

        Raises
        ------
        RuntimeError
            If this object holds none.
        """
        return self._either(self._release)

    def _release(self) -> bool:
        try:
            lease = self._leases.popleft()
        except IndexError:
            raise RuntimeError(f"released too often: {self!r} holds no lease") from None
        return self._requests.release(lease)[0] == "done"

    def get_value(self) -> Any:
        """How many leases are taken."""
        return self._either(self._count)

    def _count(self) -> int:
        return self._requests.named("lease count", self._full_name)[4]

    def register(self) -> Any:
        """Make it known to the scheduler, which learns of it at the first lease anyway."""
        return self._either(lambda: None)

    def close(self) -> Any:
        """Give back all leases of this object."""
        return self._either(self._close)

    def _close(self) -> None:
        while self._leases:
            self._release()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.max_leases, self.name)


class Lock(Semaphore):
    """One holder at a time, over all clients and workers.

    Parameters
    ----------
    name : str, optional
        Locks of one name are one. Default: a name that nobody else has.
    client : Client, optional

    Examples
    --------
    >>> lock = Lock("file.txt")  # doctest: +SKIP
    >>> with lock:  # doctest: +SKIP
    ...     append_to_file()
    """

    _kind = "lock"

    def __init__(
        self,
        name: str | None = None,
        client: Client | None = None,
        scheduler_rpc: Any = None,
        loop: Any = None,
    ) -> None:
        super().__init__(1, name, client=client)

    def acquire(self, blocking: bool = True, timeout: Any = None) -> Any:
        """Wait for the lock.

        Parameters
        ----------
        blocking : bool
            Whether to wait at all.
        timeout : float, str or timedelta, optional

        Returns
        -------
        bool
            Whether the lock is held now.
        """
        if not blocking and timeout is not None:
            raise ValueError("a timeout makes no sense without blocking")
        return self._either(self._acquire, not blocking, parse_seconds(timeout))

    def locked(self) -> Any:
        """Whether anybody holds the lock."""
        return self._either(lambda: self._count() > 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,)


class MultiLock(_Acquired):
    """Several locks at a time, without deadlock.

    Parameters
    ----------
    names : list of str
    client : Client, optional

    Examples
    --------
    >>> lock = MultiLock(["x", "y"])  # doctest: +SKIP
    >>> with lock:  # doctest: +SKIP
    ...     use_x_and_y()
    """

    def __init__(self, names: Iterable[str] = (), client: Client | None = None) -> None:
        super().__init__(None, client)
        self.names = list(names)
        self._lease: int | None = None

    def acquire(
        self, blocking: bool = True, timeout: Any = None, num_locks: int | None = None
    ) -> Any:
        """Wait for the locks.

        Parameters
        ----------
        blocking : bool
            Whether to wait at all.
        timeout : float, str or timedelta, optional
        num_locks : int, optional
            How many of them are needed; all if not given.

        Returns
        -------
        bool
            Whether they are held now.
        """
        if self._lease is not None:
            raise RuntimeError("MultiLock.acquire() was called twice without a release")
        if num_locks is not None and not 1 <= num_locks <= len(self.names):
            raise ValueError(f"num_locks is {num_locks}, and there are {len(self.names)} names")
        needed = num_locks or len(self.names)
        return self._either(self._acquire, needed, not blocking, parse_seconds(timeout))

    def _acquire(self, needed: int, at_once: bool, timeout: float | None) -> bool:
        if not self.names:
            return True
        names = [f"multilock:{name}" for name in self.names]
        try:
            outcome, lease, *_ = self._requests.acquire(names, needed, 1, at_once, timeout)
        except TimeoutError:
            return False
        if outcome == "done":
            self._lease = lease
        return outcome == "done"

    def release(self) -> Any:
        """Release the locks."""
        return self._either(self._release)

    def _release(self) -> None:
        if self._lease is None and self.names:
            raise RuntimeError("the MultiLock is not held")
        if self._lease is not None:
            self._requests.release(self._lease)
            self._lease = None

    def locked(self) -> bool:
        """Whether this object holds the locks."""
        return self._lease is not None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.names,)
