"""What a client asks of spans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["SpanMethods"]


class SpanMethods:
    """Methods of `Client`."""

    _core: Any
    _either: Callable[..., Any]
    _check_running: Callable[[], None]

    def get_spans(self, *tags: str) -> Any:
        """What became of the work of spans.

        Parameters
        ----------
        *tags : str
            Spans that have one of these in their names; default: all that are not inside of others.
            Of spans inside of each other only the outer one is given.

        Returns
        -------
        list of Span
            By the time of their creation. The scheduler keeps the last 10,000, and those of which
            tasks exist.

        Examples
        --------
        >>> from rask.distributed import Client, span
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     with span("numbers"):
        ...         client.gather(client.map(abs, [-1, -2]))
        ...     [numbers] = client.get_spans("numbers")
        [1, 2]
        >>> sum(numbers.states.values())
        2
        """
        self._check_running()
        return self._either(self._get_spans, list(tags))

    def _get_spans(self, tags: list[str]) -> list[Any]:
        from rask.distributed.spans import read_spans

        spans = read_spans(self, [], tags)
        if not tags:
            return [found for found in spans.values() if found.parent is None]
        wanted = [found for found in spans.values() if not set(tags).isdisjoint(found.name)]
        ids = {found.id for found in wanted}
        return [found for found in wanted if found.parent is None or found.parent.id not in ids]

    def get_span(self, id: str) -> Any:
        """What became of the work of one span.

        Parameters
        ----------
        id : str
            What `span` gave.

        Returns
        -------
        Span

        Raises
        ------
        KeyError
            If nothing came under this name, or it is not remembered any more.
        """
        self._check_running()
        return self._either(self._get_span, id)

    def _get_span(self, id: str) -> Any:
        from rask.distributed.spans import read_spans

        found = read_spans(self, [id], []).get(id)
        if found is None:
            raise KeyError(
                f"the scheduler knows no span {id!r}: no work came under it, or it is long ago"
            )
        return found
