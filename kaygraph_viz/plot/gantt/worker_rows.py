"""Drawing rows of workers over time: bars or an image of them, both axes, and the entries of the legend.

Belongs here: what all charts with rows of workers share. Does not belong here: what one of them adds to it (``gantt``,
``curves.queues``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from kaygraph_viz.analysis.blocked_loop import loop_blocks
from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.bars import add_node_lines, bar_fills, draw_bars
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.image import draw_image, image_keys
from kaygraph_viz.plot.gantt.key import explained
from kaygraph_viz.plot.gantt.layout import Layout, make_layout
from kaygraph_viz.plot.gantt.loops import draw_blocked_loops, with_turns
from kaygraph_viz.plot.legend import LEGEND_LINE_PT, legend_lines
from kaygraph_viz.plot.style import BANDS_NOTE, LOOP_HELD_UP, PREDICTED, STATUS_FILLS, Fill, Key, Size
from kaygraph_viz.plot.text import width_pt

__all__ = ["MAX_BARS", "STACKED_NOTE", "Options", "draw_rows"]

MAX_BARS = 5_000
TOP_PT, BOTTOM_PT, SIDE_PT = 46.0, 36.0, 14.0
MIN_PART_PT = 1.2  # narrower parts are not drawn alone: stripes of a pixel alias
STACKED_NOTE = "where parts are too short to draw, the height of a colour is its share of the time"


@dataclass(frozen=True)
class Options:
    """Options for drawing rows; their names and meanings are those of `gantt`."""

    color_by: str = "part"
    labels: bool = True
    max_bars: int = MAX_BARS
    end_s: float = 0.0
    key: bool = False


def draw_rows(chart: Chart, ax: Axes | None, options: Options, more: Sequence[Key] = ()) -> tuple[Canvas, list[Key]]:
    """Draw the bars of a chart, or an image of them, with both axes."""
    extent_s = max(chart.extent_s, options.end_s)
    given = Canvas(ax) if ax is not None else None
    room_pt = given.width_pt if given is not None else _room_pt(chart)
    is_image = chart.bar_count > options.max_bars or chart.band_count > 0
    shortest_s = MIN_PART_PT * extent_s / room_pt
    layout = None if is_image else make_layout(chart, color_by=options.color_by, shortest_s=shortest_s)
    fills = bar_fills(layout, options.color_by) if layout is not None else {}
    expected = _keys(layout, fills, ()) if layout is not None else image_keys(chart)
    note = _note(chart, layout)
    has_blocked = layout is not None and any(len(loop_blocks(run.nesting.columns)) for run in chart.runs)
    expected = _legend([*expected, *[LOOP_HELD_UP] * has_blocked, *more], chart, options)
    canvas = given if given is not None else _new_canvas(chart, note, expected)
    canvas.set_time(extent_s, note)
    canvas.set_rows(chart.rows)
    add_node_lines(canvas, chart)
    if layout is None:
        return canvas, _legend([*draw_image(canvas, chart), *more], chart, options)
    marked = draw_bars(canvas, layout, fills, labels=options.labels)
    held_up = draw_blocked_loops(canvas, chart)
    return canvas, _legend([*_keys(layout, fills, marked), *held_up, *more], chart, options)


def _legend(keys: Sequence[Key], chart: Chart, options: Options) -> list[Key]:
    """Return the entries of the legend in their final words."""
    found = with_turns(keys, chart)
    return explained(found, chart) if options.key else found


def _keys(layout: Layout, fills: Mapping[str, Fill], marked: Collection[str]) -> list[Key]:
    """Return the entries of the legend: each fill once, and each way in which something ended badly."""
    found = {rect.fill for rect in layout.failed} | {bar.status for bar in layout.bars}
    keys = {fill.label: fill for fill in fills.values()}
    for status, fill in STATUS_FILLS.items():
        if status in found:
            colour = keys.get(fill.label, fill).colour  # where bars are filled by how they ended
            keys[fill.label] = fill._replace(colour=colour, marker=fill.marker if status in marked else "")
    return [*keys.values(), *[PREDICTED] * any(bar.is_predicted for bar in layout.bars)]


def _note(chart: Chart, layout: Layout | None) -> str:
    """Return the sentence below the time axis: what readers of the picture could misunderstand."""
    if layout is not None:
        share = STACKED_NOTE if layout.is_stacked else ""
    elif chart.band_count:
        share = f"{chart.folded_count:,} rows in {counted(chart.band_count, 'band')}: {BANDS_NOTE}"
    else:
        share = f"{chart.bar_count:,} bars: a darker colour means that more of the time was used"
    dropped = f"{counted(chart.dropped, 'span')} dropped, not shown" if chart.dropped else ""
    predicted = dict.fromkeys(f"predicted from {run.predicted_from}" for run in chart.runs if run.predicted_from)
    return "; ".join(filter(None, [*predicted, share, dropped]))


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
