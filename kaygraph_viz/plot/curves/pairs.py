"""Paired bars of two runs: the time of each kind of work in both, and the effect of the change on the makespan.

Belongs here: drawing a comparison. Does not belong here: finding out what is the same (``analysis.compare``); two runs
on one time axis are drawn by ``gantt``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from kaygraph_viz.analysis.compare import Comparison
from kaygraph_viz.analysis.wording import duration, significant
from kaygraph_viz.base.checks import checked_word
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.canvas import Canvas, checked_axes
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.labels import clean, heading
from kaygraph_viz.plot.rows import Row
from kaygraph_viz.plot.style import TEXT, Fill, Size
from kaygraph_viz.plot.text import cut_apart, cut_to_width, escaped, width_pt

BY = ("name", "span")
MAX_PAIRS, NAME_PT = 15, 150.0
BAR_HEIGHT, SHIFT, ROW_IN = 0.36, 0.19, 0.42
REMARK_SHARE = 0.45  # of the width of the Axes: longer remarks are cut, so that bars keep more than half of it
FIRST, SECOND = Fill("#FFFFFF", "first run", "...."), Fill("#56A5DD", "second run")
MARGINS_PT = (14.0, 14.0, 36.0, 46.0)


class _Pair(NamedTuple):
    """One pair of bars: a name, its time in either run [ns], and a remark that is written beside it."""

    name: str
    a_ns: float
    b_ns: float
    remark: str


def paired_bars(comparison: Comparison, *, by: str = "name", ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw what changed from one run to another: a pair of bars for each kind of work, or for each span.

    Parameters
    ----------
    comparison
        What `compare` returns.
    by
        ``"name"``: the time of all units of a name that both runs have, added up, those that did most to the makespan
        first. ``"span"``: single branches that changed, those that changed most first.
    ax
        Where to draw; default: a new figure.
    title
        Default: both makespans.

    Returns
    -------
    Axes
        The x axis is in seconds; its ticks may be written in ms. Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type.

    Notes
    -----
    The first pair are the makespans; at most 15 others are shown. Beside each pair stands how many times as long it
    took in the second run, and what that name did to the makespan: the change of the time that it spent on the critical
    path. These changes, with those of the time in which the path stood still, add up to that of the makespan.

    Examples
    --------
    >>> from kaygraph_viz.analysis.compare import compare
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> one, two = make_trace(bar("page", "t-1", 0, 4)), make_trace(bar("page", "t-1", 0, 1))
    >>> paired_bars(compare(one, two)).get_title(loc="left")
    '4.0 s before, 1.0 s after: 0.25 times as long'
    """
    if not isinstance(comparison, Comparison):
        raise OptionError("comparison", comparison, "a result of compare()", "paired_bars(compare(one, other))")
    checked_word("by", by, BY, 'by="name"')
    checked_axes(ax)
    whole = _Pair("makespan", comparison.a_makespan_ns, comparison.b_makespan_ns, _ratio(comparison.ratio))
    pairs = [whole, *islice(_by_name(comparison) if by == "name" else _by_span(comparison), MAX_PAIRS)]
    fit = cut_apart((pair.name for pair in pairs), Size.font)
    rows = [Row("-", fit(pair.name, NAME_PT) or "…") for pair in pairs]
    names_pt = max(width_pt(row.text, Size.font) for row in rows)
    left, right, bottom, top = MARGINS_PT
    height = (bottom + top) / 72 + ROW_IN * len(rows)
    canvas = Canvas.of(ax, Size.figure_width, height, (names_pt + left, right, bottom, top))
    _draw(canvas, pairs, rows, "total time" if by == "name" else "time")
    text = heading(title, _title(comparison))
    return canvas.finish(text, [FIRST, SECOND], _description(comparison, pairs, by))


def _by_name(comparison: Comparison) -> Iterator[_Pair]:
    for group in comparison.groups:
        change = group.makespan_change_ns
        if not (group.a_ns or group.b_ns or change):
            continue
        effect = f"makespan {'+' if change > 0 else '-'}{duration(abs(change) / 1e9, 2)}" if change else ""
        ratio = _ratio(group.ratio) if group.matched else "in one run only"
        count = f"{group.matched:,} units" if group.matched > 1 else ""
        yield _Pair(clean(group.name), group.a_ns, group.b_ns, ", ".join(filter(None, [ratio, effect, count])))


def _by_span(comparison: Comparison) -> Iterator[_Pair]:
    """Yield the branches from the largest change to the smallest; of runs without branches, phases and nodes."""
    spans = comparison.spans
    order = np.argsort(-np.abs(spans.b_ns - spans.a_ns), kind="stable").tolist()
    branches = (change for change in map(spans.__getitem__, order) if change.kind == "branch")
    first = next(branches, None)
    for change in chain([first], branches) if first is not None else map(spans.__getitem__, order):
        if change.a_ns == change.b_ns:
            return  # they come in the order of their changes: all that follow did not change either
        name = clean(change.name) + ("" if change.index is None else f" {change.index}")
        yield _Pair(name, change.a_ns, change.b_ns, _ratio(change.ratio))


def _ratio(ratio: float) -> str:
    return f"{significant(ratio, 2)}x" if ratio < math.inf else "new"


def _title(comparison: Comparison) -> str:
    before, after = (duration(ns / 1e9, 2) for ns in (comparison.a_makespan_ns, comparison.b_makespan_ns))
    times = f": {significant(comparison.ratio, 2)} times as long" if comparison.a_makespan_ns else ""
    return f"{before} before, {after} after{times}"


def _draw(canvas: Canvas, pairs: Sequence[_Pair], rows: Sequence[Row], what: str) -> None:
    canvas.make_plain()
    canvas.ax.grid(visible=False, axis="y")
    canvas.ax.spines["left"].set_visible(False)
    remarks = [cut_to_width(pair.remark, REMARK_SHARE * canvas.width_pt, Size.small_font) for pair in pairs]
    longest = [max(pair.a_ns, pair.b_ns) / 1e9 for pair in pairs]
    shares = [(width_pt(remark, Size.small_font) + 10) / canvas.width_pt for remark in remarks]
    limit = max(end / (1 - share) for end, share in zip(longest, shares, strict=True)) or 1e-9
    canvas.ax.set_xlim(0, limit)
    canvas.set_rows(rows)
    canvas.set_time_ticks(max(longest), what)
    _add_bars(canvas.ax, [pair.a_ns / 1e9 for pair in pairs], -SHIFT, FIRST)
    _add_bars(canvas.ax, [pair.b_ns / 1e9 for pair in pairs], SHIFT, SECOND)
    for row, (remark, end) in enumerate(zip(remarks, longest, strict=True)):
        style: dict[str, Any] = {"fontsize": Size.small_font, "color": TEXT, "gid": "remark"}
        canvas.ax.annotate(escaped(remark), (end, row), (5, 0), textcoords="offset points", va="center", **style)


def _add_bars(ax: Axes, values_s: Sequence[float], shift: float, fill: Fill) -> None:
    """Draw one bar in each row as a single artist."""
    rows = np.arange(len(values_s)) + shift
    low, high, zero = rows - BAR_HEIGHT / 2, rows + BAR_HEIGHT / 2, np.zeros(len(rows))
    points = ((zero, low), (values_s, low), (values_s, high), (zero, high))
    corners: Any = np.stack([np.stack(point, axis=1) for point in points], axis=1)
    style: dict[str, Any] = {"facecolors": fill.colour, "edgecolors": fill.line, "linewidths": 0.6, "hatch": fill.hatch}
    ax.add_collection(PolyCollection(corners, gid=fill.label, **style), autolim=False)


def _description(comparison: Comparison, pairs: Sequence[_Pair], by: str) -> Description:
    """Return the picture in words: what the comparison says, and a line for each pair."""
    rows = [(pair.name, duration(pair.a_ns / 1e9), duration(pair.b_ns / 1e9), pair.remark) for pair in pairs]
    table = Table((f"by {by}", "first run", "second run", "change"), rows, remarks=1)
    return Description(f"Paired bars of two runs. {comparison.sentence}", [table])
