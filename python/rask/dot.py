"""Plans as drawings: one node a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rask import _core

__all__ = ["draw_plan", "plan_to_dot"]


def plan_to_dot(plan: _core.Plan) -> str:
    """The layers of a plan in the dot language, inputs below what reads them.

    Examples
    --------
    >>> import rask
    >>> "digraph" in rask.visualize(rask.delayed(sum)([1]), filename=None, format="dot")
    True
    """
    wanted = {name for name, _ in plan.wanted}
    lines = ["digraph {", "  rankdir=BT", "  node [shape=box, fontname=helvetica]"]
    for name, op, grid, inputs in plan.layers:
        blocks = " × ".join(map(str, grid)) or "1"
        style = ", style=bold" if name in wanted else ""
        lines.append(f'  "{name}" [label="{op}\\n{blocks}"{style}]')
        lines += [f'  "{source}" -> "{name}"' for source in dict.fromkeys(inputs) if source != name]
    return "\n".join([*lines, "}"]) + "\n"


def draw_plan(plan: _core.Plan, filename: str | None, format: str | None) -> Any:
    """Writes a drawing; see `rask.visualize`."""
    text = plan_to_dot(plan)
    path = Path(filename) if filename else None
    format = format or (path.suffix[1:] if path is not None and path.suffix else "png")
    if format == "dot":
        if path is not None:
            path.with_suffix(".dot").write_text(text)
        return text
    try:
        import graphviz
    except ImportError as error:
        raise ImportError(
            "drawing needs the package `graphviz` and the program of the same name; "
            'visualize(format="dot") writes the graph as text without them'
        ) from error
    source = graphviz.Source(text)
    if path is not None:
        source.render(outfile=str(path.with_suffix(f".{format}")), cleanup=True)
    return source
