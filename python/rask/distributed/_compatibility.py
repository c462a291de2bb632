"""Names that programs written for Dask may import, and that mean something else here, or nothing."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["CompatibleExecutor", "connect", "rpc"]

_QUESTIONS = ("identity", "ncores", "nthreads", "who_has", "has_what", "nbytes", "processing")


def CompatibleExecutor(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises: executors are made with `Client.get_executor`."""
    raise RuntimeError("This has been moved to the Client.get_executor() method")


class rpc:
    """Asks a scheduler something, without a client that is anybody's default.

    What can be asked: ``identity``, ``nthreads``, ``ncores``, ``who_has``, ``has_what``, ``nbytes``
    and ``processing``. Each is to be awaited, as in ``await rpc(address).identity()``.

    Parameters
    ----------
    arg : str
        The scheduler's address.
    timeout : float or str, optional
        How long to try to connect.
    security : Security, optional

    Examples
    --------
    >>> import asyncio
    >>> from rask.distributed import LocalCluster, rpc
    >>> async def count_threads(cluster):
    ...     async with rpc(cluster.scheduler_address, security=cluster.security) as scheduler:
    ...         return sum((await scheduler.nthreads()).values())
    >>> with LocalCluster(n_workers=1, threads_per_worker=1) as cluster:
    ...     asyncio.run(count_threads(cluster))
    1
    """

    def __init__(self, arg: Any = None, *, timeout: Any = None, security: Any = None) -> None:
        if not isinstance(arg, str):
            raise TypeError(f"rpc needs the address of a scheduler, not {arg!r}")
        self.address = arg
        self._timeout = timeout
        self._security = security
        self._client: Any = None

    async def _connected(self) -> Any:
        if self._client is None:
            from rask.distributed.client import Client

            self._client = await Client(
                self.address,
                timeout=self._timeout,
                security=self._security,
                asynchronous=True,
                set_as_default=False,
            )
        return self._client

    def __getattr__(self, name: str) -> Any:
        if name not in _QUESTIONS:
            raise AttributeError(
                f"a Rask scheduler has no handler {name!r}; there are: {', '.join(_QUESTIONS)}"
            )

        async def ask(**kwargs: Any) -> Any:
            client = await self._connected()
            method = "scheduler_info" if name == "identity" else name
            return await getattr(client, method)(**kwargs)

        return ask

    async def close_rpc(self) -> None:
        """End the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def __aenter__(self) -> rpc:
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self.close_rpc()


async def connect(addr: str, timeout: Any = None, **kwargs: Any) -> NoReturn:
    """Raises: Dask's messages mean nothing to a Rask scheduler.

    Raises
    ------
    NotImplementedError
    """
    raise NotImplementedError(
        f"cannot connect to {addr} for messages in Dask's protocol: Rask's scheduler and workers "
        "have another; use rask.distributed.Client, or rpc for questions to a scheduler"
    )
