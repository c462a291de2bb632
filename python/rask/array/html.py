"""Arrays drawn for notebooks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rask.array.core import Array

Chunks = tuple[tuple[Any, ...], ...]

_LINES_MAX = 40


def format_bytes(count: float) -> str:
    """A number of bytes as people read it."""
    if count != count:
        return "unknown"
    for unit, size in (
        ("PiB", 2**50),
        ("TiB", 2**40),
        ("GiB", 2**30),
        ("MiB", 2**20),
        ("kiB", 2**10),
    ):
        if count >= size * 0.9:
            return f"{count / size:.2f} {unit}"
    return f"{int(count)} B"


def array_html(array: Array) -> str:
    """A table of the array's sizes beside a drawing of its blocks."""
    block = array.chunksize
    block_bytes = math.prod(block) * array.dtype.itemsize
    rows = [
        ("Bytes", format_bytes(array.nbytes), format_bytes(block_bytes)),
        ("Shape", str(array.shape), str(block)),
        ("Blocks", f"{array.npartitions} in {array.name.rsplit('-', 1)[0]}", ""),
        (
            "Data type",
            f"{array.dtype} of {type(array._meta).__module__}.{type(array._meta).__name__}",
            "",
        ),
    ]
    cells = "".join(
        f"<tr><th>{title}</th><td>{whole}</td><td>{part}</td></tr>" for title, whole, part in rows
    )
    known = array.ndim and all(length == length for length in array.shape)
    drawing = array_svg(array.chunks, 120) if known and array.size else ""
    return (
        "<table><tr><td><table style='border-collapse: collapse;'><thead><tr><td></td>"
        f"<th>Array</th><th>Chunk</th></tr></thead><tbody>{cells}</tbody></table></td>"
        f"<td>{drawing}</td></tr></table>"
    )


def array_svg(chunks: Chunks, size: int = 200) -> str:
    """Blocks as lines in a rectangle, or in a box of three axes; more axes as a row of them.

    Raises
    ------
    NotImplementedError
        For arrays of unknown or no extent.
    """
    if not chunks or any(length != length for lengths in chunks for length in lengths):
        raise NotImplementedError("only arrays with axes of known lengths can be drawn")
    if not all(sum(lengths) for lengths in chunks):
        raise NotImplementedError("an array without elements cannot be drawn")
    if len(chunks) > 3:
        groups = [chunks[max(at - 3, 0) : at] for at in range(len(chunks), 0, -3)][::-1]
        parts = [array_svg(group, max(size // len(groups), 20)) for group in groups]
        return f"<div style='display:flex'>{''.join(parts)}</div>"
    if len(chunks) == 1:
        chunks = ((1,), *chunks)
    shape = [sum(lengths) for lengths in chunks]
    scale = _scaled(shape, size)
    if len(chunks) == 2:
        lines, width, height = _grid(chunks, scale, (0, 0))
    else:
        lines, width, height = _box(chunks, scale)
    labels = _labels(shape, width, height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 60:.0f}" height="{height + 40:.0f}" '
        f'style="stroke:currentColor;stroke-width:1">{lines}{labels}</svg>'
    )


def _scaled(shape: list[int], size: int) -> list[float]:
    """Lengths to draw with: the longest is ``size``, none shorter than a tenth of it."""
    longest = max(shape)
    return [size * max(0.1, (length / longest) ** 0.7) for length in shape]


def _edges(lengths: tuple[Any, ...], extent: float) -> list[float]:
    total, edges = sum(lengths), [0.0]
    for length in lengths:
        edges.append(edges[-1] + extent * length / total)
    step = max(1, math.ceil(len(edges) / _LINES_MAX))
    return [*edges[:-1:step], edges[-1]]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _grid(
    chunks: Chunks, scale: list[float], corner: tuple[float, float]
) -> tuple[str, float, float]:
    height, width = scale
    left, top = corner
    lines = [_line(left, top + y, left + width, top + y) for y in _edges(chunks[0], height)] + [
        _line(left + x, top, left + x, top + height) for x in _edges(chunks[1], width)
    ]
    fill = (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
        'fill="#8bc34a" fill-opacity="0.35" stroke="none"/>'
    )
    return fill + "".join(lines), left + width, top + height


def _box(chunks: Chunks, scale: list[float]) -> tuple[str, float, float]:
    depth, height, width = scale[0] * 0.6, scale[1], scale[2]
    front, right, bottom = _grid(chunks[1:], [height, width], (depth, depth))
    lines = [front]
    for offset in _edges(chunks[0], depth):
        lines.append(_line(offset, offset, offset, offset + height))
        lines.append(_line(offset, offset, offset + width, offset))
    lines += [_line(y * 0, y, depth, depth + y) for y in _edges(chunks[1], height)]
    lines += [_line(x, 0, depth + x, depth) for x in _edges(chunks[2], width)]
    return "".join(lines), right, bottom


def _labels(shape: list[int], width: float, height: float) -> str:
    style = 'font-size="12" stroke="none" fill="currentColor"'
    labels = [
        f'<text x="{width / 2:.0f}" y="{height + 18:.0f}" text-anchor="middle" {style}>{shape[-1]}</text>',
        f'<text x="{width + 6:.0f}" y="{height / 2:.0f}" {style}>{shape[-2]}</text>',
    ]
    if len(shape) > 2:
        labels.append(f'<text x="0" y="{height + 18:.0f}" {style}>{shape[0]}</text>')
    return "".join(labels)
