"""Trees of calls as pages: flame graphs that need no network."""

from __future__ import annotations

import json
from typing import Any

from rask import _core

__all__ = ["flame_section", "profile_page"]

#: Calls that take less of the whole are not drawn.
_SHARE_MIN = 1e-4

_SCRIPT = """
(() => {
const canvas = document.getElementById("flames"), told = document.getElementById("flame");
const height = 18, all = FLAMES.calls;
let from = 0, to = Math.max(FLAMES.count, 1), base = 0;
const deepest = all.reduce((most, call) => Math.max(most, call[0]), 0);
function draw() {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  const rows = deepest - base + 1;
  canvas.width = width * ratio; canvas.height = rows * height * ratio;
  canvas.style.height = rows * height + "px";
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio); context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const [depth, start, count, name, file] of all) {
    const left = (start - from) / (to - from) * width, size = count / (to - from) * width;
    if (depth < base || left + size < 0 || left > width || size < 0.3) continue;
    const x = Math.max(left, 0), y = (depth - base) * height;
    const wide = Math.min(left + size, width) - x;
    context.fillStyle = FLAMES.colors[file];
    context.fillRect(x, y + 1, Math.max(wide - 1, 0.3), height - 2);
    if (wide > 30) {
      context.save(); context.beginPath(); context.rect(x, y, wide - 4, height); context.clip();
      context.fillStyle = "#111"; context.fillText(FLAMES.names[name], x + 3, y + height / 2);
      context.restore();
    }
  }
}
function find(event) {
  const at = from + event.offsetX / canvas.clientWidth * (to - from);
  const depth = base + Math.floor(event.offsetY / height);
  return all.find(call => call[0] === depth && call[1] <= at && at < call[1] + call[2]);
}
canvas.addEventListener("mousemove", event => {
  const call = find(event);
  if (!call) { told.textContent = ""; return; }
  const [, , count, name, file, line, text] = call;
  const share = (100 * count / Math.max(FLAMES.count, 1)).toFixed(1);
  told.textContent = `${FLAMES.names[name]}: ${share} %, ${count} samples, ` +
    `${FLAMES.files[file]}:${line}  ${text}`;
});
canvas.addEventListener("click", event => {
  const call = find(event);
  if (call) { base = call[0]; from = call[1]; to = call[1] + call[2]; draw(); }
});
canvas.addEventListener("dblclick", () => {
  base = 0; from = 0; to = Math.max(FLAMES.count, 1); draw();
});
window.addEventListener("resize", draw);
draw();
})();
"""


def _calls(tree: dict[str, Any]) -> dict[str, Any]:
    """Boxes: depth, start, count, name, file, line, source."""
    names: dict[str, int] = {}
    files: dict[str, int] = {}
    boxes: list[list[Any]] = []
    least = tree["count"] * _SHARE_MIN

    def add(call: dict[str, Any], depth: int, start: int) -> None:
        for child in sorted(call["children"].values(), key=lambda child: -child["count"]):
            if child["count"] < least:
                break
            about = child["description"]
            name = names.setdefault(about["name"], len(names))
            file = files.setdefault(about["filename"], len(files))
            line = about["line"][:200]
            boxes.append([depth, start, child["count"], name, file, about["line_number"], line])
            add(child, depth + 1, start)
            start += child["count"]

    add(tree, 0, 0)
    colors = [f"hsl({(number * 47 + 20) % 360} 70% 70%)" for number in range(len(files))]
    return {
        "count": tree["count"],
        "calls": boxes,
        "names": list(names),
        "files": list(files),
        "colors": colors,
    }


def flame_section(tree: dict[str, Any]) -> str:
    """A drawing of a tree of calls, as a part of a page."""
    if not tree["count"]:
        return "<p>No task was seen running.</p>"
    # A name may hold anything, so nothing in it may end the script.
    data = json.dumps(_calls(tree)).replace("<", "\\u003c")
    return (
        f"<p>{tree['count']:,} samples. A box a call, what it called below it; as wide as it was "
        "seen. Click: only this; double click: all.</p>"
        '<div id="flame" style="min-height: 1.5em"></div><canvas id="flames"></canvas>'
        f"<script>const FLAMES = {data};{_SCRIPT}</script>"
    )


def profile_page(tree: dict[str, Any]) -> str:
    """A page of a tree of calls."""
    return _core.report_page("Profile", flame_section(tree))
