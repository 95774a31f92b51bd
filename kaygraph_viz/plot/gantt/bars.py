"""Drawing bars on a canvas: their parts, outlines, labels and marks, and the lines of nodes above them.

Belongs here: drawing a layout, one artist for each fill. Does not belong here: where things go (``layout``) and charts
of more bars than there are pixels (``image``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.path import Path

from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.chart import NODE_HEIGHT, Chart, NodeLine
from kaygraph_viz.plot.gantt.layout import Bar, Layout, Rect, place_labels
from kaygraph_viz.plot.legend import MARKER_PT
from kaygraph_viz.plot.style import (
    BAR,
    FILLS,
    MUTED,
    NAME_COLOURS,
    OTHER,
    PAPER,
    PREDICTED,
    STATUS_COLOURS,
    STATUS_FILLS,
    STATUS_WORDS,
    Fill,
    Size,
)
from kaygraph_viz.plot.text import cut_apart

__all__ = ["add_marks", "add_node_lines", "bar_fills", "draw_bars"]

BACKING = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.0}  # keeps a text on a hatch readable
OUTLINE_PT, OUTLINE_SHARE, FEW = 0.6, 0.12, 200  # where bars are many, their outlines are thin beside their widths
MIN_FONT, MAX_NAMED_NODES = 5.0, 100


def bar_fills(layout: Layout, color_by: str) -> dict[str, Fill]:
    """Return the fill of each kind of rectangle that occurs, in the order of the legend."""
    present = dict.fromkeys(rect.fill for rect in layout.rects)
    found = {key: fill for key, fill in FILLS.items() if key in present}
    if color_by == "status":
        words = {key: STATUS_WORDS.get(key, key) for key in STATUS_COLOURS if key in present}
        return found | {key: Fill(STATUS_COLOURS[key], word) for key, word in words.items()}
    if color_by == "name":
        time_s: dict[str, float] = dict.fromkeys(present, 0.0)
        for rect in layout.rects:
            time_s[rect.fill] += rect.x1_s - rect.x0_s
        names = sorted(present.keys() - FILLS.keys(), key=lambda name: (-time_s[name], name))
        by_alphabet = sorted(names[: len(NAME_COLOURS)])  # so that a name has one colour in the charts of several runs
        colours = dict(zip(by_alphabet, NAME_COLOURS, strict=False))
        return found | {name: Fill(colours.get(name, OTHER), name if name in colours else "others") for name in names}
    return found


def draw_bars(canvas: Canvas, layout: Layout, fills: Mapping[str, Fill], *, labels: bool) -> set[str]:
    """Draw all bars of a layout with their labels, and return the statuses for which there are marks."""
    first: dict[Fill, str] = {}  # very many names may share one fill
    by_fill: dict[str, list[Rect]] = {}
    same = {key: by_fill.setdefault(first.setdefault(fill, key), []) for key, fill in fills.items()}
    for rect in layout.rects:
        same[rect.fill].append(rect)
    for key, rects in by_fill.items():
        style = {"facecolors": fills[key].colour, "edgecolors": "none", "linewidths": 0}
        _add_boxes(canvas, rects, f"part-{key[:20]}", **style)
        _add_hatch(canvas, rects, f"hatch-{key[:20]}", fills[key])
    for status, fill in STATUS_FILLS.items():
        _add_hatch(canvas, [rect for rect in layout.failed if rect.fill == status], f"status-{status}", fill)
    _add_hatch(canvas, [bar for bar in layout.bars if bar.is_predicted], "predicted", PREDICTED)
    widths = np.array([bar.x1_s - bar.x0_s for bar in layout.bars]) * canvas.points_per_s
    least_pt = OUTLINE_PT * min(0.5, FEW / len(widths))
    thin = (OUTLINE_SHARE * widths).clip(least_pt, OUTLINE_PT)
    _add_boxes(canvas, layout.bars, "outline", facecolors="none", edgecolors=BAR, linewidths=thin)
    labelled: set[Bar] = set()
    if labels:
        full = [bar for bar in layout.bars if bar.height == Size.full]
        labelled = _add_labels(canvas, full, canvas.row_pt * Size.full - 3)
        _add_labels(canvas, layout.around, canvas.row_pt * Size.slim - 1)
    failed = [bar for bar in layout.bars if bar.is_failed and bar not in labelled]
    return add_marks(canvas, [(bar.status, bar.x1_s, bar.row) for bar in failed])


def _add_boxes(canvas: Canvas, rects: Sequence[Rect] | Sequence[Bar], gid: str, **style: Any) -> None:
    """Draw all rectangles of one kind as a single artist: matplotlib needs some 100 us for each artist."""
    if rects:
        canvas.ax.add_collection(PolyCollection(_corners(canvas, rects), gid=gid, **style), autolim=False)


def _add_hatch(canvas: Canvas, rects: Sequence[Rect] | Sequence[Bar], gid: str, fill: Fill) -> None:
    """Draw the hatch over all rectangles of one kind as a single path: each path takes as long as a hundred others."""
    if rects and fill.hatch:
        corners = _corners(canvas, rects)
        closed = np.concatenate([corners, corners[:, :1]], axis=1).reshape(-1, 2)
        codes = np.tile([Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY], len(rects)).astype(Path.code_type)
        style: dict[str, Any] = {"facecolors": "none", "edgecolors": fill.line, "linewidths": 0, "hatch": fill.hatch}
        collection = PathCollection([Path(closed, codes)], gid=gid, snap=True, **style)
        canvas.ax.add_collection(collection, autolim=False)


def _corners(canvas: Canvas, rects: Sequence[Rect] | Sequence[Bar]) -> Any:
    """Return the corners of rectangles, shape (n, 4, 2)."""
    x0, x1, low, high = np.array([(rect.x0_s, rect.x1_s, rect.low, rect.high) for rect in rects], np.float64).T
    middle = canvas.row_centres[[rect.row for rect in rects]]
    low, high = middle - low, middle - high  # rows are counted downwards
    return np.stack([np.stack(corner, axis=1) for corner in ((x0, low), (x1, low), (x1, high), (x0, high))], axis=1)


def _add_labels(canvas: Canvas, bars: Sequence[Bar], height_pt: float) -> set[Bar]:
    """Write labels of that height into the bars that have room for one, and return those bars."""
    font = min(Size.small_font, height_pt)
    if font < MIN_FONT or not bars:
        return set()
    placed = place_labels(bars, canvas.points_per_s, cut_apart((bar.labels[0] for bar in bars), font))
    for label in placed:
        backing = BACKING if label.covers else None
        y = canvas.row_centres[label.row]
        canvas.write(label.x_s, y, label.text, va="center_baseline", fontsize=font, bbox=backing)
    return {label.bar for label in placed}


def add_marks(canvas: Canvas, failed: Iterable[tuple[str, float, int]]) -> set[str]:
    """Draw a marker for each failure that has no room for a word, and return the statuses that occur."""
    places: dict[str, list[tuple[float, float]]] = {}
    for status, time_s, row in failed:
        places.setdefault(status, []).append((time_s, canvas.row_centres[row]))
    for status, fill in STATUS_FILLS.items():  # in a fixed order: marks of several kinds may lie on each other
        if status in places:
            times, heights = np.array(places[status]).T
            style: dict[str, Any] = {"marker": fill.marker, "s": MARKER_PT**2, "c": fill.line, "edgecolors": PAPER}
            canvas.ax.scatter(times, heights, zorder=4, gid=f"marks-{status}", linewidths=0.7, **style)
    return set(places)


def add_node_lines(canvas: Canvas, chart: Chart) -> None:
    """Draw a line for each node above the rows of its run, with its name where that fits."""
    nodes = [line for run in chart.runs for line in run.nodes]
    heights = [height for run in chart.runs for height in _heights(canvas, run.nodes, chart)]
    lines, by = [], 1.2 / canvas.points_per_s
    for line, y in zip(nodes, heights, strict=True):
        inset = by if line.x1_s - line.x0_s > 4 * by else 0.0  # a gap to the next one, where there is room for it
        lines.append([(line.x0_s + inset, y), (line.x1_s - inset, y)])
    if lines:
        style: dict[str, Any] = {"colors": MUTED, "linewidths": 1.6, "capstyle": "butt"}
        canvas.ax.add_collection(LineCollection(lines, gid="nodes", **style), autolim=False)
    widest = sorted(zip(nodes, heights, strict=True), key=lambda pair: pair[0].x0_s - pair[0].x1_s)
    fit = cut_apart((line.label for line in nodes), Size.small_font)
    for line, y in widest[:MAX_NAMED_NODES]:
        text = fit(line.label, (line.x1_s - line.x0_s) * canvas.points_per_s - 4)
        if text:  # not clipped: where rows are low, names of nodes stand out at the top
            style = {"va": "bottom", "fontsize": Size.small_font, "color": MUTED, "clip_on": False}
            canvas.write((line.x0_s + line.x1_s) / 2, y - 0.06, text, **style)


def _heights(canvas: Canvas, nodes: Sequence[NodeLine], chart: Chart) -> Iterable[float]:
    """Return the height of each line: that of the last level is just above the next row."""
    levels = 1 + max((line.level for line in nodes), default=0)
    for line in nodes:
        bottom = canvas.row_centres[line.row] + chart.rows[line.row].height / 2
        yield bottom - NODE_HEIGHT * (levels - line.level - 1) - 0.12
