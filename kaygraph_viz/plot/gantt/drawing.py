"""Drawing rows of workers over time on a canvas: bars, or an image of them, both axes, and the entries of the legend.

Belongs here: what all charts with rows of workers share. Does not belong here: where things go (``layout``), and what
one chart adds to it (``gantt``, ``curves.queues``).

In an image, the deeper the colour, the more of that moment was used; in bands of many rows, the higher.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.path import Path

from kaygraph_viz.analysis.blocked_loop import loop_blocks
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.layout import Bar, Bins, Floats, Layout, Rect, make_bins, make_layout, place_labels
from kaygraph_viz.plot.gantt.legend import IDLE, bar_fills, bar_keys, image_keys, in_words, note_of, shown_keys
from kaygraph_viz.plot.gantt.loops import held_up
from kaygraph_viz.plot.gantt.scene import MAX_ROWS, NODE_HEIGHT, Chart, NodeLine, Run
from kaygraph_viz.plot.legend import LEGEND_LINE_PT, MARKER_PT, legend_lines
from kaygraph_viz.plot.style import BAR, FILLS, LOOP_HELD_UP, MUTED, PAPER, PREDICTED, STATUS_FILLS, Fill, Key, Size
from kaygraph_viz.plot.text import cut_apart, width_pt

BACKING = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.0}  # keeps a text on a hatch readable
OUTLINE_PT, OUTLINE_SHARE, FEW = 0.6, 0.12, 200  # where bars are many, their outlines are thin beside their widths
MIN_FONT, MAX_NAMED_NODES = 5.0, 100


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
    nodes, heights = list[NodeLine](), list[float]()
    for run in chart.runs:  # the line of the last level is just above the next row
        levels = 1 + max((line.level for line in run.nodes), default=0)
        for line in run.nodes:
            bottom = canvas.row_centres[line.row] + chart.rows[line.row].height / 2
            nodes.append(line)
            heights.append(bottom - NODE_HEIGHT * (levels - line.level - 1) - 0.12)
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


# -- images ----------------------------------------------------------------------------------------------------------

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]

MAX_SEPARATE_ROWS = 60  # of more rows, gaps between them would take what little height they have
MIN_BINS = 50
BAND_LINES = 32  # of an image for the height of a row: so fine are the heights in a band
EDGE = 0.5  # how dark the upper edge of a band is


def draw_image(canvas: Canvas, chart: Chart) -> list[Key]:
    """Draw the bars of a chart as images, one for each block of rows, and return the entries of the legend."""
    at, ax = canvas.row_centres, canvas.ax
    pixels = round(canvas.width_pt / 72 * ax.figure.dpi)
    bins = make_bins(chart, max(MIN_BINS, pixels))
    limits = ax.get_xlim(), ax.get_ylim()
    is_crowded = len(chart.rows) > MAX_SEPARATE_ROWS
    for block in bins:
        if not block.shares:  # where nothing took any time
            continue
        extent = (0.0, chart.extent_s or 1e-9, at[block.rows.stop - 1] + 0.5, at[block.rows.start] - 0.5)
        style: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "origin": "upper", "zorder": 1.5}
        pixels_of = _stacked(block) if chart.band_count else _image(block, is_crowded=is_crowded)
        ax.imshow(pixels_of, extent=extent, **style)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    failed = [
        (status, time_s, int(row))
        for block in bins
        for status, places in block.failed.items()
        for row, time_s in places
    ]
    parts = {part for block in bins for part in block.shares}
    return shown_keys(parts, add_marks(canvas, failed), has_bands=chart.band_count > 0)


def _stacked(bins: Bins) -> Pixels:
    """Return the colours of the parts on each other, each as high as the share of the rows of a band that it has."""
    parts = [part for part in FILLS if part in bins.shares]
    lines = round(BAND_LINES * Size.full)
    highs = np.cumsum([lines * bins.shares[part] for part in parts], axis=0)
    rows, wide = highs[0].shape
    below = np.arange(lines)[::-1, None]  # how many lines are below each
    image = np.zeros((rows, BAND_LINES, wide, 4), np.float32)
    inner = image[:, (BAND_LINES - lines) // 2 :][:, :lines]
    inner[:] = to_rgba(IDLE.colour)
    for row in range(rows):
        for part, high in zip(reversed(parts), highs[::-1, row], strict=True):  # those below cover those above
            _paint(inner[row], FILLS[part].colour, (high - below).clip(0, 1))
        top = highs[-1, row]
        _paint(inner[row], BAR, EDGE * ((top - below).clip(0, 1) - (top - 1 - below).clip(0, 1)))
    return image.clip(0, 1, out=image).reshape(-1, wide, 4)


def _paint(pixels: Pixels, colour: str, cover: Floats) -> None:
    """Paint each pixel as far as it is covered, 0 to 1."""
    pixels += cover[:, :, None].astype(np.float32) * (np.array(to_rgba(colour), np.float32) - pixels)


def _image(bins: Bins, *, is_crowded: bool) -> Pixels:
    """Return the colours of the parts mixed with white by their shares; empty time and gaps of rows are transparent."""
    some = next(iter(bins.shares.values()))
    mixed = np.ones((*some.shape, 4))
    for part, share in bins.shares.items():
        mixed[:, :, :3] -= share[:, :, None] * (1 - np.array(to_rgb(FILLS[part].colour)))
    mixed[:, :, 3] = (mixed[:, :, :3] < 1).any(axis=2)
    if is_crowded:
        return mixed.clip(0, 1)
    lines = np.repeat(mixed[:, None], 8, axis=1)
    lines[:, [0, -1], :, 3] = 0
    return lines.reshape(-1, *mixed.shape[1:]).clip(0, 1)


# -- rows of workers -------------------------------------------------------------------------------------------------

MAX_BARS = 5_000
TOP_PT, BOTTOM_PT, SIDE_PT = 46.0, 36.0, 14.0
MIN_PART_PT = 1.2  # narrower parts are not drawn alone: stripes of a pixel alias


LEAST_ROWS, MIN_ROW_PT = 40, 1.5  # rows are drawn one by one on an Axes however low; and how low they may be


def most_rows(ax: Axes | None) -> int:
    """Return how many rows can be told apart on an Axes, or on a new one for None."""
    if ax is None:
        return MAX_ROWS
    return max(LEAST_ROWS, min(MAX_ROWS, int(Canvas(ax).height_pt / MIN_ROW_PT)))


@dataclass(frozen=True)
class Options:
    """Options for drawing rows; their names and meanings are those of `gantt`."""

    color_by: str = "part"
    labels: bool = True
    max_bars: int = MAX_BARS
    end_s: float = 0.0
    legend: bool = False


def draw_rows(chart: Chart, ax: Axes | None, options: Options, more: Sequence[Key] = ()) -> tuple[Canvas, list[Key]]:
    """Draw the bars of a chart, or an image of them, with both axes."""
    extent_s = max(chart.extent_s, options.end_s)
    given = Canvas(ax) if ax is not None else None
    room_pt = given.width_pt if given is not None else _room_pt(chart)
    is_image = chart.bar_count > options.max_bars or chart.band_count > 0
    shortest_s = MIN_PART_PT * extent_s / room_pt
    layout = None if is_image else make_layout(chart, color_by=options.color_by, shortest_s=shortest_s)
    fills = bar_fills(layout, options.color_by) if layout is not None else {}
    expected = bar_keys(layout, fills, ()) if layout is not None else image_keys(chart)
    note = note_of(chart, layout)
    has_blocked = layout is not None and any(len(loop_blocks(run.nesting.columns)) for run in chart.runs)
    expected = in_words([*expected, *[LOOP_HELD_UP] * has_blocked, *more], chart, is_explained=options.legend)
    canvas = given if given is not None else _new_canvas(chart, note, expected)
    canvas.set_time(extent_s, note)
    canvas.set_rows(chart.rows)
    add_node_lines(canvas, chart)
    if layout is None:
        return canvas, in_words([*draw_image(canvas, chart), *more], chart, is_explained=options.legend)
    marked = draw_bars(canvas, layout, fills, labels=options.labels)
    held_up = draw_blocked_loops(canvas, chart)
    return canvas, in_words([*bar_keys(layout, fills, marked), *held_up, *more], chart, is_explained=options.legend)


def _names_pt(chart: Chart) -> float:
    """Return the width of the names of the rows [pt]."""
    return max((width_pt(row.text, Size.font, is_bold=row.is_heading) for row in chart.rows), default=0)


def _room_pt(chart: Chart) -> float:
    """Return the width of a new Axes [pt]."""
    return Size.figure_width * 72 - _names_pt(chart) - 2 * SIDE_PT


def _new_canvas(chart: Chart, note: str, keys: Sequence[Key]) -> Canvas:
    """Make a figure that is as high as the rows, the legend and the note need, within limits."""
    lines = max(1, legend_lines(keys, _room_pt(chart)))
    top, bottom = TOP_PT + LEGEND_LINE_PT * (lines - 1), BOTTOM_PT + (12 if note else 0)
    height = (top + bottom) / 72 + sum(row.height for row in chart.rows) * Size.row_height
    height = min(max(height, Size.min_height), Size.max_height)
    return Canvas.of(None, Size.figure_width, height, (_names_pt(chart) + SIDE_PT, SIDE_PT, bottom, top))


# -- lines along what held up a loop ---------------------------------------------------------------------------------


def draw_blocked_loops(canvas: Canvas, chart: Chart) -> list[Key]:
    """Draw a line along each stretch of a bar that held up its loop, and return the entry of the legend, if any."""
    lines = [line for run in chart.runs for line in _lines(run, canvas.row_centres.tolist())]
    if not lines:
        return []
    style: dict[str, Any] = {
        "colors": LOOP_HELD_UP.colour,
        "linewidths": LOOP_HELD_UP.width,
        "zorder": 3.4,
        "capstyle": "butt",
    }
    canvas.ax.add_collection(LineCollection(lines, gid="loop-held-up", **style), autolim=False)
    return [LOOP_HELD_UP]


def _lines(run: Run, row_centres: Sequence[float]) -> Iterator[list[tuple[float, float]]]:
    """Yield lines of points (time [s], height): above the bars that held up their loop, where they did."""
    for place, *times in zip(*(each.tolist() for each in held_up(run)), strict=True):
        y = row_centres[run.row_of[place]] - Size.full / 2
        yield [((time_ns - run.first_ns) / 1e9, y) for time_ns in times]
