"""Pages about what a cluster did: plain HTML that needs no network."""

from __future__ import annotations

from typing import Any

from rask import _core

__all__ = ["task_stream_page", "with_section"]


def task_stream_page(stream: list[dict[str, Any]]) -> str:
    """A page of a task stream.

    Parameters
    ----------
    stream : list of dict
        As of `Client.get_task_stream`.
    """
    tasks = []
    for task in stream:
        (ran,) = task["startstops"]
        duration = ran["stop"] - ran["start"]
        tasks.append((task["worker"], task["name"], ran["start"], duration))
    return _core.stream_page(tasks)


def with_section(page: str, title: str, section: str) -> str:
    """A page with a section more at its end; `section` is HTML."""
    body, end, rest = page.rpartition("</body>")
    return f"{body}<h2>{title}</h2>{section}{end}{rest}"
