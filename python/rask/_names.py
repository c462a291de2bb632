"""Names that no other process makes."""

from __future__ import annotations

import os
import uuid

__all__ = ["process_token"]

_token: tuple[int, str] | None = None


def process_token() -> str:
    """Random hexadecimal digits, the same all through this process and new in a forked child."""
    global _token
    if _token is None or _token[0] != os.getpid():
        _token = (os.getpid(), uuid.uuid4().hex[:16])
    return _token[1]
