"""Small helpers with the names and behaviour of Dask's."""

from __future__ import annotations

import re
import threading
import uuid
from typing import Any, ClassVar
from weakref import WeakValueDictionary

__all__ = ["SerializableLock", "format_bytes", "format_time", "key_split", "parse_bytes"]

_FACTORS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtp", 1)},
    **{letter: 1000**power for power, letter in enumerate("kmgtp", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtp", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgtp", 1)},
}


def parse_bytes(s: str | float) -> int:
    """Bytes of a text such as ``"4 GiB"`` or ``"128 MB"``; numbers are taken as bytes.

    Raises
    ------
    ValueError
        If the text is none of these.

    Examples
    --------
    >>> parse_bytes("1.5 kB"), parse_bytes("2MiB"), parse_bytes(100)
    (1500, 2097152, 100)
    """
    if not isinstance(s, str):
        return int(s)
    matched = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)?\s*([a-z]*)\s*", s.lower())
    unit = matched.group(2) if matched else None
    if matched is None or unit not in _FACTORS or not (matched.group(1) or unit):
        raise ValueError(
            f"could not interpret {s!r} as a number of bytes; write '4 GiB' or '100MB'"
        )
    return int(float(matched.group(1) or 1) * _FACTORS[unit])


def format_bytes(n: float) -> str:
    """Bytes as text in powers of 1024.

    Examples
    --------
    >>> format_bytes(1), format_bytes(1234), format_bytes(3 * 2**30)
    ('1 B', '1.21 kiB', '3.00 GiB')
    """
    for prefix, power in (("Pi", 5), ("Ti", 4), ("Gi", 3), ("Mi", 2), ("ki", 1)):
        if n >= 1024**power * 0.9:
            return f"{n / 1024**power:.2f} {prefix}B"
    return f"{n:.0f} B"


def format_time(n: float) -> str:
    """Seconds as text.

    Examples
    --------
    >>> format_time(0.00123), format_time(90), format_time(7322)
    ('1.23 ms', '90.00 s', '2hr 2m')
    """
    if n > 24 * 3600 * 2:
        return f"{int(n / 86400)}d {int(n % 86400 / 3600)}hr"
    if n > 2 * 3600:
        return f"{int(n / 3600)}hr {int(n % 3600 / 60)}m"
    if n > 600:
        return f"{int(n / 60)}m {int(n % 60)}s"
    for unit, factor in (("s", 1), ("ms", 1e-3)):
        if n >= factor:
            return f"{n / factor:.2f} {unit}"
    return f"{n * 1e6:.2f} us"


def key_split(key: Any) -> str:
    """The operation's name of a key or layer name, without its token.

    Examples
    --------
    >>> key_split(("random-sample-3f2a5c7e", 0, 1)), key_split("x")
    ('random-sample', 'x')
    """
    if isinstance(key, tuple):
        key = key[0] if key else ""
    if isinstance(key, bytes):
        key = key.decode()
    if not isinstance(key, str):
        return "Other"
    words = key.split("-")
    is_token = re.compile(r"[0-9a-f]{6,}$").match
    kept = [words[0]]
    for word in words[1:]:
        if is_token(word):
            break
        kept.append(word)
    return "-".join(kept)


class SerializableLock:
    """A lock that can be pickled: in one process, copies of it are one lock.

    Parameters
    ----------
    token : str, optional
        Locks of equal tokens are the same lock.

    Examples
    --------
    >>> import pickle
    >>> lock = SerializableLock("file")
    >>> pickle.loads(pickle.dumps(lock)).lock is lock.lock
    True
    """

    _locks: ClassVar[WeakValueDictionary[str, Any]] = WeakValueDictionary()

    def __init__(self, token: str | None = None) -> None:
        self.token = token or str(uuid.uuid4())
        known = SerializableLock._locks.get(self.token)
        if known is None:
            known = SerializableLock._locks.setdefault(self.token, _Lock())
        self._holder = known

    @property
    def lock(self) -> threading.Lock:
        """The lock of this process."""
        return self._holder.lock

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        """Take the lock; as `threading.Lock.acquire`."""
        return self.lock.acquire(*args, **kwargs)

    def release(self) -> None:
        """Give the lock back."""
        self.lock.release()

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return self.lock.locked()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *exception: Any) -> None:
        self.lock.release()

    def __getstate__(self) -> str:
        return self.token

    def __setstate__(self, token: str) -> None:
        self.__init__(token)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.token}>"


class _Lock:
    """A lock that weak references can name."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
