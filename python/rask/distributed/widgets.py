"""How clients, futures and schedulers look in notebooks."""

from __future__ import annotations

import html
import time
from collections.abc import Collection, Mapping
from typing import Any

from rask.utils import format_bytes

__all__ = [
    "HasWhat",
    "SchedulerInfo",
    "WhoHas",
    "client_html",
    "future_html",
    "progress_html",
]

#: Workers and keys that are shown; of further ones only how many they are.
_SHOWN_MAX = 100


def _text(value: Any) -> str:
    return html.escape(str(value))


def _pairs(rows: Mapping[str, Any]) -> str:
    """A table of two columns."""
    cells = (
        '<tr><td style="text-align: left;"><strong>'
        f'{_text(name)}:</strong></td><td style="text-align: left;">{_text(value)}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table>{''.join(cells)}</table>"


def _details(summary: str, body: str, open: bool = False) -> str:
    mark = " open" if open else ""
    return f"<details{mark}><summary>{_text(summary)}</summary>{body}</details>"


def _memory(nbytes: int) -> str:
    return format_bytes(nbytes) if nbytes else "no limit"


class SchedulerInfo(dict[str, Any]):
    """What `Client.scheduler_info` gives: a dict that looks well in a notebook."""

    def _repr_html_(self) -> str:
        workers = self.get("workers", {})
        count = self.get("n_workers", len(workers))
        rows = {
            "Address": self.get("address", "not running"),
            "Workers": count,
            "Threads": self.get("total_threads", 0),
            "Memory": _memory(self.get("total_memory", 0)),
            "Tasks": self.get("tasks", 0),
            "Clients": self.get("clients", 0),
        }
        shown = [
            _worker_html(address, workers[address]) for address in sorted(workers)[:_SHOWN_MAX]
        ]
        if count > len(shown):
            shown.append(f"<p>and {count - len(shown):,} more</p>")
        return (
            f"<div><h3>{_text(self.get('type', 'Scheduler'))}</h3>{_pairs(rows)}"
            f"{_details('Workers', ''.join(shown))}</div>"
        )


def _worker_html(address: str, worker: Mapping[str, Any]) -> str:
    rows = {
        "Address": address,
        "Threads": worker["nthreads"],
        "Memory": f"{format_bytes(worker['memory'])} of {_memory(worker['memory_limit'])}",
        "Spilled": format_bytes(worker["spilled_bytes"]),
        "Tasks executing": worker["executing"],
        "Values held": worker["in_memory"],
        "CPU": f"{worker['cpu']:.0f} %",
        "Last seen": f"{max(0.0, time.time() - worker['last_seen']):.1f} s ago",
        "Local directory": worker["local_directory"],
        "Nanny": worker["nanny"] or "none",
    }
    return _details(f"Worker: {worker['name']}", _pairs(rows))


class _Table(dict[Any, Any]):
    """A dict of collections that looks well in a notebook."""

    _head: tuple[str, str, str]

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self._head)
        rows = [self._row(key, items) for key, items in list(self.items())[:_SHOWN_MAX]]
        if len(self) > _SHOWN_MAX:
            rows.append(f'<tr><td colspan="3">and {len(self) - _SHOWN_MAX:,} more</td></tr>')
        return f"<table><tr>{head}</tr>{''.join(rows)}</table>"

    def _row(self, key: Any, items: Collection[Any]) -> str:
        shown = ", ".join(_text(item) for item in list(items)[:_SHOWN_MAX])
        if len(items) > _SHOWN_MAX:
            shown += f" and {len(items) - _SHOWN_MAX:,} more"
        cells = (_text(key), f"{len(items):,}", _details("Expand", shown) if items else "")
        return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


class WhoHas(_Table):
    """What `Client.who_has` gives."""

    _head = ("Key", "Copies", "Workers")


class HasWhat(_Table):
    """What `Client.has_what` gives."""

    _head = ("Worker", "Key count", "Keys")


def client_html(client: Any) -> str:
    """A client, its cluster and its scheduler.

    Parameters
    ----------
    client : Client
    """
    rows: dict[str, Any] = {"Status": client.status}
    inner = ""
    if client.status == "running":
        cluster = client.cluster
        kind = "an address" if cluster is None else f"a cluster: {type(cluster).__name__}"
        rows["Connected by"] = kind
        rows["Scheduler"] = client.scheduler_address
        rows["Dashboard"] = client.dashboard_link or "none"
        if cluster is not None:
            inner += _details("Cluster", cluster._repr_html_())
        inner += _details("Scheduler", client._scheduler_info(-1)._repr_html_())
    return f"<div><h3>Client</h3><p>{_text(client.id)}</p>{_pairs(rows)}{inner}</div>"


_STATUS_COLORS = {"error": "crimson", "cancelled": "gray", "lost": "gray", "finished": "green"}


def future_html(future: Any) -> str:
    """A future: its key, how it is, and the class of its value.

    Parameters
    ----------
    future : Future
    """
    key = future.key
    operation = (key if isinstance(key, str) else key[0]).rpartition("-")[0] or key
    status = future.status
    color = _STATUS_COLORS.get(status, "black")
    kind = future.type
    about = "" if kind is None else f" type: {_text(getattr(kind, '__name__', kind))},"
    return (
        f"<strong>Future: {_text(operation)}</strong> status: "
        f'<span style="color: {color}">{_text(status)}</span>,{about} key: {_text(key)}'
    )


def progress_html(bars: Mapping[str, tuple[int, int]], seconds: float) -> str:
    """Bars of how much is done.

    Parameters
    ----------
    bars : dict
        How many are done, and how many there are, by name.
    seconds : float
        Since the beginning.
    """
    rows = []
    for name, (done, total) in bars.items():
        share = 100 * done / max(total, 1)
        rows.append(
            f'<tr><td style="text-align: left;">{_text(name)}</td><td><div style="width: 24em; '
            f'background: #eee;"><div style="width: {share:.1f}%; background: #4a8; height: 1em;">'
            f"</div></div></td><td>{done:,} / {total:,}</td></tr>"
        )
    done = sum(done for done, _ in bars.values())
    total = sum(total for _, total in bars.values())
    end = "Finished" if done == total else "Running"
    return f"<div><strong>{end}</strong> {seconds:.1f} s<table>{''.join(rows)}</table></div>"
