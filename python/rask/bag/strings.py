"""Methods of strings, for all items of a bag."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rask.bag import partitions

if TYPE_CHECKING:
    from rask.bag.core import Bag
__all__ = ["StringAccessor"]


class StringAccessor:
    """Methods of strings for every item of a bag.

    Examples
    --------
    >>> import rask.bag as db
    >>> db.from_sequence(["Ada Lovelace", "Alan Turing"]).str.upper().compute()
    ['ADA LOVELACE', 'ALAN TURING']
    """

    def __init__(self, bag: Bag) -> None:
        self._bag = bag

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *(n for n in dir(str) if not n.startswith("_"))})

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Bag:
        function = partial(partitions.call_method, name, args, kwargs)
        return self._bag._each(f"str-{name}", function, args, kwargs)

    def match(self, pattern: str) -> Bag:
        """The items that match a pattern of file names, such as ``"*.txt"``."""
        from fnmatch import fnmatch

        return self._bag.filter(partial(_matches, fnmatch, pattern))


def _matches(match: Callable, pattern: str, item: str) -> bool:
    return match(item, pattern)


def _string_method(name: str) -> Callable:
    def method(self: StringAccessor, *args: Any, **kwargs: Any) -> Bag:
        return self._call(name, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = getattr(str, name).__doc__
    return method


for _name in (n for n in dir(str) if not n.startswith("_")):
    setattr(StringAccessor, _name, _string_method(_name))
