"""Rows of workers over time on an Axes: bars or an image of them, both axes, and the entries of the legend.

Belongs here: what all charts with rows of workers share. Does not belong here: what one of them adds to it (``gantt``,
``curves.queues``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.plot.axes import LEGEND_LINE_PT, legend_columns, new_axes, set_rows, set_time, set_title, size_pt
from kaygraph_viz.plot.gantt.bars import add_node_lines, bar_fills, draw_bars
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.image import draw_image, image_keys
from kaygraph_viz.plot.gantt.layout import Layout, make_layout
from kaygraph_viz.plot.style import MUTED, STATUS_FILLS, Fill, Key, Size
from kaygraph_viz.plot.text import width_pt

__all__ = ["MAX_BARS", "Look", "draw_rows", "empty_axes"]

MAX_BARS = 5_000
TOP_PT, BOTTOM_PT, RIGHT_PT = 46.0, 36.0, 14.0
SHORTEST_PT = 1.2  # how wide a part is that is drawn alone
STACKED_NOTE = "too short to be drawn one by one: the height of a colour is its share of the time"


@dataclass(frozen=True)
class Look:
    """How rows are drawn: the options of `gantt` with the same names."""

    color_by: str = "part"
    labels: bool = True
    max_bars: int = MAX_BARS
    end_s: float = 0.0


def draw_rows(chart: Chart, ax: Axes | None, look: Look, more: Sequence[Key] = ()) -> tuple[Axes, list[Key]]:
    """Draw the bars of a chart, or an image of them, with both axes.

    Parameters
    ----------
    chart
        What is drawn, with at least one bar.
    ax
        Where; None: a new figure that has room for the rows, for their names and for the legend.
    look
        How.
    more
        Entries of the legend beside those of the bars.

    Returns
    -------
    Axes, entries of the legend
    """
    extent_s = max(chart.extent_s, look.end_s)
    room_pt = _room_pt(chart) if ax is None else size_pt(ax)[0]
    layout = _layout(chart, look, SHORTEST_PT * extent_s / room_pt) if chart.bar_count <= look.max_bars else None
    fills = bar_fills(layout, look.color_by) if layout is not None else {}
    expected = _keys(layout, fills, ()) if layout is not None else image_keys(chart)
    note = _note(chart, layout)
    ax = _axes_for(chart, note, [*expected, *more]) if ax is None else ax
    set_time(ax, extent_s, note)
    set_rows(ax, chart.rows)
    add_node_lines(ax, chart)
    if layout is None:
        return ax, [*draw_image(ax, chart), *more]
    marked = draw_bars(ax, chart, layout, fills, labels=look.labels)
    return ax, [*_keys(layout, fills, marked), *more]


def empty_axes(ax: Axes | None, title: str) -> Axes:
    """Say on an Axes, or a new one, that there is nothing to draw."""
    if ax is None:
        ax = new_axes(Size.figure_width, Size.min_height, margins_pt=(14, RIGHT_PT, 14, TOP_PT))
    ax.set_axis_off()
    ax.text(0.5, 0.5, "nothing was recorded", transform=ax.transAxes, ha="center", va="center", color=MUTED)
    set_title(ax, title, 0)
    return ax


def _keys(layout: Layout, fills: Mapping[str, Fill], marked: Collection[str]) -> list[Key]:
    """Return the entries of the legend: each look once, and each way in which something ended badly."""
    found = {rect.fill for rect in layout.failed} | {bar.status for bar in layout.bars}
    keys = {fill.label: fill for fill in fills.values()}
    for status, fill in STATUS_FILLS.items():
        if status in found:
            colour = keys.get(fill.label, fill).colour  # where bars are filled by how they ended
            keys[fill.label] = fill._replace(colour=colour, marker=fill.marker if status in marked else "")
    return list(keys.values())


def _layout(chart: Chart, look: Look, shortest_s: float) -> Layout:
    return make_layout(chart, color_by=look.color_by, shortest_s=shortest_s)


def _note(chart: Chart, layout: Layout | None) -> str:
    """Return what has to be said below the axis."""
    many = f"{chart.bar_count:,} bars: the deeper the colour, the more of that moment was used"
    share = STACKED_NOTE if layout is not None and layout.is_stacked else "" if layout is not None else many
    dropped = f"{counted(chart.dropped, 'span')} dropped, not shown" if chart.dropped else ""
    return "; ".join(filter(None, [share, dropped]))


def _names_pt(chart: Chart) -> float:
    """Return how wide the names of the rows are [pt]."""
    return max((width_pt(row.text, Size.font, is_bold=row.is_heading) for row in chart.rows), default=0)


def _room_pt(chart: Chart) -> float:
    """Return how wide a new Axes is [pt]."""
    return Size.figure_width * 72 - _names_pt(chart) - 14 - RIGHT_PT


def _axes_for(chart: Chart, note: str, keys: Sequence[Key]) -> Axes:
    names_pt, room = _names_pt(chart), _room_pt(chart)
    lines = max(1, -(-len(keys) // max(1, legend_columns(keys, room))))
    top, bottom = TOP_PT + LEGEND_LINE_PT * (lines - 1), BOTTOM_PT + (12 if note else 0)
    height = (top + bottom) / 72 + sum(row.height for row in chart.rows) * Size.row_height
    height = min(max(height, Size.min_height), Size.max_height)
    return new_axes(Size.figure_width, height, margins_pt=(names_pt + 14, RIGHT_PT, bottom, top))
