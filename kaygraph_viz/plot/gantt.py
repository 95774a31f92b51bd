"""The Gantt chart: one row per worker, one bar per unit of work.

Belongs here: putting a layout on an Axes, and the same in one sentence. Does not belong here: the geometry
(``layout``, ``bins``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb

from kaygraph_viz.analysis.metrics import Summary, summarize
from kaygraph_viz.analysis.nesting import Nesting, unit_mask
from kaygraph_viz.analysis.wording import counted, duration, join_words, significant
from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.axes import (
    LEGEND_LINE_PT,
    add_legend,
    checked_axes,
    legend_columns,
    new_axes,
    set_rows,
    set_time,
    set_title,
    size_pt,
)
from kaygraph_viz.plot.bins import Bins, make_bins
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.layout import Bar, Layout, NodeLine, Rect, make_layout, place_labels
from kaygraph_viz.plot.rows import RowLabel, assign_rows
from kaygraph_viz.plot.style import (
    BAR,
    CROSS,
    FAILED,
    FILLS,
    MUTED,
    NAME_COLOURS,
    OTHER,
    PAPER,
    STATUS_COLOURS,
    STATUS_WORDS,
    TEXT,
    Fill,
    Size,
)
from kaygraph_viz.plot.text import cut_to_width, escaped, width_pt
from kaygraph_viz.trace.trace import Trace

__all__ = ["describe_gantt", "gantt"]

MAX_BARS = 5_000
COLOUR_BY = ("part", "name", "status")
TOP_PT, BOTTOM_PT, RIGHT_PT = 46.0, 36.0, 14.0
BACKING = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.0}  # keeps a text on a hatch readable
HEADER_ROWS = 0.62  # height of one level of node lines


def gantt(
    trace: Trace,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    colour_by: str = "part",
    labels: bool = True,
    max_bars: int = MAX_BARS,
    until_s: float = 0.0,
) -> Axes:
    """Draw when each branch waited, ran and ended: one row per worker.

    The chart answers at a glance whether branches really ran at once, which worker was idle, and whether the time went
    into computing, waiting or the queue.

    Parameters
    ----------
    trace
        What was recorded; a live trace shows what has ended so far.
    ax
        Where to draw; default: a new figure whose height fits the number of workers.
    title
        Default: workers, branches, makespan and speedup.
    colour_by
        ``"part"``: CPU, waiting, blocked; ``"name"``: one colour for each branch name; ``"status"``: how it ended.
    labels
        Whether to write names into the bars they fit into.
    max_bars
        Above this number of bars [1 or more] the chart becomes an image, in which the depth of the colour is the share
        of a pixel's time.
    until_s
        The time axis reaches at least this far [s]; give several charts the same, and their lengths can be compared.

    Returns
    -------
    Axes
        The x axis is in seconds since the first submission; its ticks may be written in ms. Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    The parts of a bar stand in a fixed order, CPU first, then waiting, then blocked: how they alternated is not
    recorded. Thin lines in front of a bar are its time in the queue, drawn only while its worker was free. Failures are
    hatched, named where there is room and crossed where there is none.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace(bar("a", "thread-1", 0, 1, cpu_s=0.2), bar("b", "thread-2", 0, 2, cpu_s=0.1))
    >>> gantt(trace).get_title(loc="left")
    '2 workers, 2 branches, 2.0 s, speedup 1.5'
    """
    _check(trace, colour_by, max_bars, until_s)
    checked_axes(ax)
    if not len(trace):
        return _empty(ax, title)
    summary = summarize(trace)
    if summary.counts["units"] > max_bars:
        ax, legend_rows = _draw_image(trace, ax, until_s)
    else:
        ax, legend_rows = _draw_bars(trace, ax, colour_by, labels, until_s)
    set_title(ax, clean(title, 200) if title is not None else _title(summary), legend_rows)
    ax.set_label(describe_gantt(trace))
    return ax


def describe_gantt(trace: Trace) -> str:
    """Return in one or two sentences what the chart shows, as a text for those who cannot see it.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> describe_gantt(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2)))
    'Gantt chart of 2 branches on 2 workers (2 rows) over 2.00 s, speedup 1.5; the longest bar is b on t-2 with 2.00 s.'
    """
    summary, columns = summarize(trace), trace.columns
    units = np.flatnonzero(unit_mask(Nesting.of(columns)))
    if not len(units):
        return "Gantt chart without bars: nothing was recorded."
    service = columns.column("ended_ns")[units] - columns.column("started_ns")[units]
    longest = columns.span(int(units[service.argmax()]))
    rows = counted(len(assign_rows(columns, units)[1]), "row")
    return (
        f"Gantt chart of {_what(summary)} on {counted(summary.workers, 'worker')} ({rows}) over "
        f"{duration(summary.makespan_s)}, speedup {significant(summary.speedup, 2)}; the longest bar is "
        f"{clean(longest.name)} on {clean(longest.lane)} with {duration(longest.service_s)}.{_failures(summary)}"
    )


def _failures(summary: Summary) -> str:
    counts = summary.counts
    found = [f"{counts[status]:,} {STATUS_WORDS[status]}" for status in STATUS_WORDS if counts.get(status)]
    if counts["retries"]:
        found.append(counted(counts["retries"], "retry", "retries"))
    return f" Marked: {join_words(found)}." if found else ""


def _check(trace: object, colour_by: str, max_bars: object, until_s: float) -> None:
    if not isinstance(trace, Trace):
        raise OptionError("trace", trace, "a Trace, as record() yields it", "with record() as trace: ...")
    if colour_by not in COLOUR_BY:
        raise OptionError("colour_by", colour_by, f"one of {', '.join(COLOUR_BY)}", 'colour_by="name"')
    if not isinstance(max_bars, int) or isinstance(max_bars, bool) or max_bars < 1:
        raise OptionError("max_bars", max_bars, "a whole number, 1 or more", "max_bars=5000")
    if not isinstance(until_s, (int, float)) or isinstance(until_s, bool) or not 0 <= until_s < float("inf"):
        raise OptionError("until_s", until_s, "a number of seconds, 0 or more", "until_s=serial.makespan_s")


def _empty(ax: Axes | None, title: str | None) -> Axes:
    if ax is None:
        ax = new_axes(Size.figure_width, Size.min_height, margins_pt=(14, RIGHT_PT, 14, TOP_PT))
    ax.set_axis_off()
    ax.text(0.5, 0.5, "nothing was recorded", transform=ax.transAxes, ha="center", va="center", color=MUTED)
    set_title(ax, clean(title, 200) if title is not None else "Empty trace", 0)
    ax.set_label("Gantt chart without bars: nothing was recorded.")
    return ax


def _what(summary: Summary) -> str:
    branches = summary.counts["branches"]
    return counted(branches, "branch", "branches") if branches else counted(summary.counts["units"], "bar")


def _title(summary: Summary) -> str:
    makespan, speedup = duration(summary.makespan_s, 2), significant(summary.speedup, 2)
    return f"{counted(summary.workers, 'worker')}, {_what(summary)}, {makespan}, speedup {speedup}"


def _axes_for(rows: Sequence[RowLabel], levels: int, note: str, legend: Sequence[Fill]) -> Axes:
    """Make a figure that has room for the rows and their names, the legend and the note."""
    names_pt = max((width_pt(row.text, Size.font) for row in rows), default=0)
    room = Size.figure_width * 72 - names_pt - 14 - RIGHT_PT
    top = TOP_PT + LEGEND_LINE_PT * (-(-len(legend) // max(1, legend_columns(legend, room))) - 1)
    bottom = BOTTOM_PT + (12 if note else 0)
    height = (top + bottom) / 72 + (len(rows) + levels * HEADER_ROWS) * Size.row_height
    height = min(max(height, Size.min_height), Size.max_height)
    return new_axes(Size.figure_width, height, margins_pt=(names_pt + 14, RIGHT_PT, bottom, top))


def _note(trace: Trace, *others: str) -> str:
    dropped = f"{counted(trace.dropped, 'span')} dropped, not shown" if trace.dropped else ""
    return "; ".join(filter(None, [*others, dropped]))


def _draw_bars(trace: Trace, ax: Axes | None, colour_by: str, labels: bool, until_s: float) -> tuple[Axes, int]:
    layout = make_layout(trace, colour_by=colour_by)
    levels = 1 + max((line.level for line in layout.nodes), default=-1)
    note = _note(trace)
    fills = _fills(layout, colour_by)
    legend = _legend(fills, layout)
    ax = _axes_for(layout.rows, levels, note, legend) if ax is None else ax
    set_time(ax, max(layout.extent_s, until_s), note)
    set_rows(ax, [row.text for row in layout.rows], levels * HEADER_ROWS)
    _add_parts(ax, layout, fills)
    _add_node_lines(ax, layout.nodes, levels)
    unlabelled = _add_labels(ax, layout.bars) if labels else layout.bars
    _add_crosses(ax, [(bar.row, bar.x1_s) for bar in unlabelled if bar.is_failed])
    return ax, add_legend(ax, legend)


def _fills(layout: Layout, colour_by: str) -> dict[str, Fill]:
    """Return how to fill each kind of rectangle that occurs, in the order of the legend."""
    present = dict.fromkeys(rect.fill for rect in layout.rects)
    found = {key: fill for key, fill in FILLS.items() if key in present}
    if colour_by == "status":
        return found | {key: Fill(colour, key) for key, colour in STATUS_COLOURS.items() if key in present}
    if colour_by == "name":
        time_s: dict[str, float] = dict.fromkeys(present, 0.0)
        for rect in layout.rects:
            time_s[rect.fill] += rect.x1_s - rect.x0_s
        names = sorted(present.keys() - FILLS.keys(), key=lambda name: (-time_s[name], name))
        colours = dict(zip(names, NAME_COLOURS, strict=False))
        return found | {name: Fill(colours.get(name, OTHER), name if name in colours else "others") for name in names}
    return found


def _legend(fills: dict[str, Fill], layout: Layout) -> list[Fill]:
    shown = list(dict.fromkeys(fills.values()))
    has_failed = any(rect.is_failed for rect in layout.rects) or any(bar.is_failed for bar in layout.bars)
    return [*shown, FAILED._replace(colour=PAPER)] if has_failed else shown


def _add_boxes(ax: Axes, rects: Sequence[Rect] | Sequence[Bar], gid: str, **style: Any) -> None:
    """Draw all rectangles of one look as a single artist."""
    if rects:
        boxes = np.array([(rect.x0_s, rect.x1_s, rect.row, rect.height) for rect in rects], np.float64)
        x0, x1, low, high = boxes[:, 0], boxes[:, 1], boxes[:, 2] - boxes[:, 3] / 2, boxes[:, 2] + boxes[:, 3] / 2
        corners: Any = np.stack([np.stack(c, axis=1) for c in ((x0, low), (x1, low), (x1, high), (x0, high))], axis=1)
        ax.add_collection(PolyCollection(corners, gid=gid, **style), autolim=False)


def _add_parts(ax: Axes, layout: Layout, fills: Mapping[str, Fill]) -> None:
    """Draw the parts, a hatch over what failed, and a frame around each bar."""
    for key, fill in fills.items():
        edge = {"edgecolors": BAR, "hatch": fill.hatch} if fill.hatch else {"edgecolors": "none"}
        same = [rect for rect in layout.rects if rect.fill == key]
        _add_boxes(ax, same, f"part-{key[:20]}", facecolors=fill.colour, linewidths=0, **edge)
    failed = [rect for rect in layout.rects if rect.is_failed]
    _add_boxes(ax, failed, "failed", facecolors="none", edgecolors=FAILED.colour, hatch=FAILED.hatch, linewidths=0)
    _add_boxes(ax, layout.bars, "outline", facecolors="none", edgecolors=BAR, linewidths=0.6)


def _add_labels(ax: Axes, bars: tuple[Bar, ...]) -> list[Bar]:
    """Write what fits into the bars, and return the bars that got nothing."""
    width, height = size_pt(ax)
    low, high = ax.get_xlim()
    bottom, top = ax.get_ylim()
    row_pt = height / abs(bottom - top)
    font = min(Size.small_font, row_pt * Size.full - 3)
    if font < 5:
        return list(bars)
    placed = place_labels(bars, width / (high - low), lambda text, room: cut_to_width(text, room, font))
    for label in placed:
        _write(ax, label.x_s, label.row, label.text, va="center_baseline", fontsize=font, color=TEXT,
               bbox=BACKING if label.bar.is_marked else None)  # fmt: skip
    done = {label.bar.span_id for label in placed}
    return [bar for bar in bars if bar.span_id not in done]


def _write(ax: Axes, x_s: float, y: float, text: str, **style: Any) -> None:
    ax.text(x_s, y, escaped(text), ha="center", clip_on=True, **style)


def _add_crosses(ax: Axes, places: Sequence[tuple[float, float]]) -> None:
    """Mark failures that have no room for a word."""
    if places:
        rows, times = np.array(places, np.float64).T
        look: dict[str, Any] = {"marker": "X", "s": 34, "c": FAILED.colour, "edgecolors": PAPER, "linewidths": 0.7}
        ax.scatter(times, rows, zorder=4, gid="crosses", **look)


def _add_node_lines(ax: Axes, nodes: Sequence[NodeLine], levels: int) -> None:
    """Draw above the rows when each node ran, with its name where that fits."""
    if not nodes:
        return
    heights = [-0.5 - HEADER_ROWS * (levels - line.level - 1) - 0.12 for line in nodes]
    low, high = ax.get_xlim()
    points_per_s = size_pt(ax)[0] / (high - low)
    lines = [_shortened(line, y, 1.2 / points_per_s) for line, y in zip(nodes, heights, strict=True)]
    ax.add_collection(LineCollection(lines, colors=MUTED, linewidths=1.6, capstyle="butt", gid="nodes"), autolim=False)
    widest = sorted(zip(nodes, heights, strict=True), key=lambda pair: pair[0].x0_s - pair[0].x1_s)[:100]
    for line, y in widest:
        text = cut_to_width(line.label, (line.x1_s - line.x0_s) * points_per_s - 4, Size.small_font)
        if text:
            middle = (line.x0_s + line.x1_s) / 2
            _write(ax, middle, y - 0.06, text, va="bottom", fontsize=Size.small_font, color=MUTED)


def _shortened(line: NodeLine, y: float, by: float) -> list[tuple[float, float]]:
    """Return the ends of a line that leaves a gap to the next one, unless it is too short for that."""
    inset = by if line.x1_s - line.x0_s > 4 * by else 0.0
    return [(line.x0_s + inset, y), (line.x1_s - inset, y)]


def _draw_image(trace: Trace, ax: Axes | None, until_s: float) -> tuple[Axes, int]:
    made = ax
    if made is None:
        columns = trace.columns
        rows = assign_rows(columns, np.flatnonzero(unit_mask(Nesting.of(columns))))[1]
        made = _axes_for(rows, 0, "note", (CROSS,))
    bins = make_bins(trace, max(50, round(size_pt(made)[0] / 72 * made.figure.dpi)))
    share = f"{bins.bar_count:,} bars: the deeper the colour, the more of that moment was used"
    set_time(made, max(bins.extent_s, until_s), _note(trace, share))
    set_rows(made, [row.text for row in bins.rows], 0)
    limits = made.get_xlim(), made.get_ylim()
    made.imshow(_image(bins), extent=(0, bins.extent_s or 1e-9, len(bins.rows) - 0.5, -0.5), aspect="auto",
                interpolation="nearest", origin="upper", zorder=1.5)  # fmt: skip
    made.set_xlim(limits[0])
    made.set_ylim(limits[1])
    _add_crosses(made, [(row, time) for row, time in bins.failed.tolist()])
    parts = {key: FILLS[key]._replace(hatch="") for key in FILLS if key in bins.shares}
    return made, add_legend(made, [*parts.values(), *([CROSS] if len(bins.failed) else [])])


def _image(bins: Bins) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Mix the colours of the parts with white by their shares; few rows get a gap between them."""
    some = next(iter(bins.shares.values()))
    mixed = np.ones((*some.shape, 3))
    for part, share in bins.shares.items():
        mixed -= share[:, :, None] * (1 - np.array(to_rgb(FILLS[part].colour)))
    if len(some) > 60:
        return mixed.clip(0, 1)
    lines = np.repeat(mixed[:, None], 8, axis=1)
    lines[:, [0, -1]] = 1
    return lines.reshape(-1, *mixed.shape[1:]).clip(0, 1)
