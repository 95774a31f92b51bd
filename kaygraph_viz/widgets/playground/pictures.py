"""Pictures of a panel as bytes, and as HTML that carries their text.

Belongs here: figures for panels. Does not belong here: what is drawn (``plot``), and widgets (``playground``).

Every figure is one of its own: the state of pyplot may not be touched from a thread. Two are never drawn at once.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kaygraph_viz.plot.curves.speedup_sketch import speedup_sketch
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.bands import folded
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.style import Size
from kaygraph_viz.plot.text import width_pt
from kaygraph_viz.real_threads import RLock
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.playground.state import Log, Tried

__all__ = ["Picture", "gantt_picture", "image", "sketch_picture"]

DPI = 120  # sharp enough for screens with more than one dot for each pixel
GANTT_IN, SKETCH_IN, SKETCH_HIGH_IN = 7.4, 2.9, 3.4
ROW_IN, MAX_HIGH_IN = 0.27, 8.0
LEAST_ROWS, EQUAL_ROWS = 4.0, 11.0  # all charts have room for the rows of the largest, up to so many
USUAL_NAME = "process-16"
TOP_PT, BOTTOM_PT, RIGHT_PT = 46, 36, 12
NOTE_PT = 14  # room for a note below the axis, also where there is none: the charts of a panel have one size


_one_at_a_time = RLock()


class Picture(NamedTuple):
    """A PNG, what it shows in words, and how wide it is meant to be [pixels]."""

    png: bytes
    alt: str
    width: int


def gantt_picture(trace: Trace, title: str | None = None, *, end_s: float = 0.0, rows: float = 0.0) -> Picture:
    """Draw the Gantt chart of a run at a scale that all runs of the panel share."""
    with _one_at_a_time:
        mine = folded(Chart.of(trace)).rows
        names = (width_pt(row.text, Size.font, is_bold=row.is_heading) for row in mine)
        left = 14 + max(width_pt(USUAL_NAME, Size.font), *names) if mine else 14
        height = max(sum(row.height for row in mine), min(rows, EQUAL_ROWS), LEAST_ROWS)
        below = BOTTOM_PT + NOTE_PT
        high_in = min((TOP_PT + below) / 72 + height * ROW_IN, MAX_HIGH_IN)
        ax = _axes(GANTT_IN, high_in, (left, RIGHT_PT, below, TOP_PT))
        gantt(trace, ax=ax, title=title, end_s=end_s)
        if mine:
            low, high = ax.get_ylim()
            ax.set_ylim(max(low, high + height), high)
        return _finished(ax, GANTT_IN)


def sketch_picture(log: Log, tried: Tried, *, last: int, expected: tuple[int, float] | None = None) -> Picture | None:
    """Draw the speedups of all runs with the same workload; return None where nothing can be compared."""
    if not tried.is_whole or not tried.trace.makespan_s:
        return None
    series = {entry.workers: entry.trace for entry in log.series(tried) if entry.trace.makespan_s}
    others = [(entry.workers, entry.trace) for entry in log.alike(tried) if entry not in log.series(tried)]
    with _one_at_a_time:
        ax = _axes(SKETCH_IN, SKETCH_HIGH_IN, (38, 8, BOTTOM_PT, TOP_PT))
        speedup_sketch(
            series,
            ax=ax,
            shown=expected or tried.workers,
            others=others,
            one_worker_s=log.one_worker_s(tried),
            what_if=log.predicted(tried),
            last=last,
        )
        return _finished(ax, SKETCH_IN)


def image(picture: Picture) -> str:
    """Return a picture as HTML."""
    source = base64.b64encode(picture.png).decode()
    style = f"flex:0 1 {picture.width}px;min-width:0;max-width:100%;height:auto"
    return f'<img alt="{html.escape(picture.alt)}" style="{style}" src="data:image/png;base64,{source}">'


def _axes(width_in: float, high_in: float, margins_pt: Sequence[float]) -> Axes:
    """Return an Axes with fixed margins (left, right, bottom, top): measuring texts costs more than drawing."""
    figure = Figure(figsize=(width_in, high_in))
    FigureCanvasAgg(figure)
    left, right, bottom, top = (margin / 72 for margin in margins_pt)
    wide, high = 1 - (left + right) / width_in, 1 - (bottom + top) / high_in
    return figure.add_axes((left / width_in, bottom / high_in, wide, high))


def _finished(ax: Axes, width_in: float) -> Picture:
    target, figure = io.BytesIO(), ax.figure.canvas.figure
    figure.savefig(target, format="png", dpi=DPI)
    return Picture(target.getvalue(), describe(ax).sentence, round(width_in * 96))
