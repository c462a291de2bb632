"""Pages about what a cluster did: plain HTML that needs no network."""

from __future__ import annotations

import html
import json
import time
from collections import defaultdict
from typing import Any

__all__ = ["performance_page", "task_stream_page"]

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; max-width: 80rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
canvas { width: 100%; border: 1px solid #ccc; cursor: crosshair; display: block; }
pre { background: #f6f6f6; padding: .8rem; overflow: auto; }
#hover { min-height: 1.5em; color: #555; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
"""

_SCRIPT = """
const canvas = document.getElementById("stream"), hover = document.getElementById("hover");
const rows = DATA.workers.length, rowHeight = 18;
let from = 0, to = DATA.seconds;
function draw() {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.width = width * ratio; canvas.height = rows * rowHeight * ratio;
  canvas.style.height = rows * rowHeight + "px";
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const scale = width / (to - from);
  for (const [row, operation, start, duration] of DATA.tasks) {
    const left = (start - from) * scale, size = Math.max(duration * scale, 0.5);
    if (left + size < 0 || left > width) continue;
    context.fillStyle = DATA.colors[operation];
    context.fillRect(left, row * rowHeight + 1, size, rowHeight - 2);
  }
}
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const share = event.offsetX / canvas.clientWidth, at = from + share * (to - from);
  const span = Math.min(DATA.seconds, (to - from) * (event.deltaY > 0 ? 1.25 : 0.8));
  from = Math.max(0, at - share * span); to = Math.min(DATA.seconds, from + span); draw();
}, { passive: false });
let dragged = null;
canvas.addEventListener("mousedown", event => { dragged = event.offsetX; });
window.addEventListener("mouseup", () => { dragged = null; });
canvas.addEventListener("dblclick", () => { from = 0; to = DATA.seconds; draw(); });
canvas.addEventListener("mousemove", event => {
  const span = to - from;
  if (dragged !== null) {
    const shift = (dragged - event.offsetX) / canvas.clientWidth * span;
    from = Math.min(Math.max(0, from + shift), DATA.seconds - span); to = from + span;
    dragged = event.offsetX; draw();
  }
  const at = from + event.offsetX / canvas.clientWidth * span;
  const row = Math.floor(event.offsetY / rowHeight), slack = span / canvas.clientWidth;
  const found = DATA.tasks.find(task =>
    task[0] === row && task[2] - slack <= at && at <= task[2] + task[3] + slack);
  hover.textContent = found
    ? `${DATA.operations[found[1]]}: ${(found[3] * 1000).toFixed(3)} ms at ` +
      `${found[2].toFixed(4)} s on ${DATA.workers[row]}`
    : "";
});
window.addEventListener("resize", draw);
draw();
"""


def _color(position: int, count: int) -> str:
    return f"hsl({round(360 * position / max(count, 1) + 210) % 360} 60% 55%)"


def _stream_data(stream: list[dict[str, Any]]) -> dict[str, Any]:
    starts = [task["startstops"][0]["start"] for task in stream]
    stops = [task["startstops"][0]["stop"] for task in stream]
    first = min(starts, default=0.0)
    workers = sorted({task["worker"] for task in stream})
    operations = sorted({task["name"] for task in stream})
    rows = {worker: row for row, worker in enumerate(workers)}
    numbers = {name: number for number, name in enumerate(operations)}
    tasks = [
        [rows[task["worker"]], numbers[task["name"]], round(a - first, 6), round(b - a, 6)]
        for task, a, b in zip(stream, starts, stops, strict=True)
    ]
    return {
        "workers": workers,
        "operations": operations,
        "colors": [_color(number, len(operations)) for number in range(len(operations))],
        "seconds": max(max(stops, default=0.0) - first, 1e-6),
        "tasks": tasks,
    }


def _stream_section(stream: list[dict[str, Any]]) -> str:
    data = _stream_data(stream)
    legend = "".join(
        f'<div><span class="swatch" style="background:{color}"></span>{html.escape(name)}</div>'
        for name, color in zip(data["operations"], data["colors"], strict=True)
    )
    # A name may hold anything, so nothing in it may end the script.
    text = json.dumps(data).replace("<", "\\u003c")
    return (
        "<p>A row a worker, a box a task. Wheel: zoom; drag: move; double click: all.</p>"
        f'<canvas id="stream"></canvas><div id="hover"></div>{legend}'
        f"<script>const DATA = {text};{_SCRIPT}</script>"
    )


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>{body}</body></html>"
    )


def task_stream_page(stream: list[dict[str, Any]]) -> str:
    """A page of a task stream."""
    return _page("Task stream", _stream_section(stream))


def _table(head: list[str], rows: list[list[Any]]) -> str:
    def cell(tag: str, position: int, value: Any) -> str:
        kind = ' class="number"' if position else ""
        return f"<{tag}{kind}>{html.escape(str(value))}</{tag}>"

    lines = ["".join(cell("th", i, value) for i, value in enumerate(head))]
    lines += ["".join(cell("td", i, value) for i, value in enumerate(row)) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _mebibytes(nbytes: float) -> str:
    return f"{nbytes / 2**20:,.1f} MiB"


def performance_page(
    stream: list[dict[str, Any]],
    workers: dict[str, dict[str, Any]],
    start: float,
    stop: float,
    code: str,
) -> str:
    """A page about some time of a cluster.

    Parameters
    ----------
    stream : list of dict
        As of `Client.get_task_stream`.
    workers : dict
        As of `Client.scheduler_info`, by address.
    start, stop : float
        Seconds since the epoch.
    code : str
        What was run.
    """
    seconds = {task["name"]: 0.0 for task in stream}
    counts: dict[str, int] = defaultdict(int)
    nbytes: dict[str, int] = defaultdict(int)
    for task in stream:
        (span,) = task["startstops"]
        seconds[task["name"]] += span["stop"] - span["start"]
        counts[task["name"]] += 1
        nbytes[task["name"]] += task["nbytes"]
    busy = sum(seconds.values())
    threads = sum(worker["nthreads"] for worker in workers.values())
    summary = [
        ["Duration", f"{stop - start:,.3f} s"],
        ["Tasks", f"{len(stream):,}"],
        ["Computing, over all threads", f"{busy:,.3f} s"],
        ["Threads busy", f"{busy / max((stop - start) * threads, 1e-9):.0%}"],
        ["Workers", len(workers)],
        ["Threads", threads],
        ["Written", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stop))],
    ]
    operations = [
        [
            name,
            f"{counts[name]:,}",
            f"{seconds[name]:,.3f}",
            f"{1e3 * seconds[name] / counts[name]:.3f}",
            _mebibytes(nbytes[name]),
        ]
        for name in sorted(seconds, key=lambda name: -seconds[name])
    ]
    machines = [
        [
            worker["name"],
            address,
            worker["nthreads"],
            _mebibytes(worker["memory_limit"]),
            _mebibytes(worker.get("metrics", worker).get("memory", 0)),
        ]
        for address, worker in sorted(workers.items())
    ]
    parts = [
        "<h2>Summary</h2>" + _table(["", ""], summary),
        "<h2>Task stream</h2>" + _stream_section(stream),
        "<h2>Operations</h2>"
        + _table(["operation", "tasks", "seconds", "ms a task", "results"], operations),
        "<h2>Workers</h2>" + _table(["name", "address", "threads", "limit", "memory"], machines),
    ]
    if code:
        parts.append(f"<h2>Code</h2><pre>{html.escape(code)}</pre>")
    return _page("Rask performance report", "".join(parts))
