"""The pictures of a panel, as bytes and as HTML with their text: of its runs, and of what is predicted from them.

Belongs here: figures for panels, each drawn once, predictions for settings that were not run, and the style sheet. Does
not belong here: what is drawn (``plot``), how a prediction is made (``analysis.what_if``), and widgets
(``playground``).

Every figure is one of its own: the state of pyplot may not be touched from a thread. Two are never drawn at once.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.base.threads import RLock
from kaygraph_viz.plot.curves.speedup import speedup_sketch
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.scene import Chart, folded
from kaygraph_viz.plot.style import Size
from kaygraph_viz.plot.text import width_pt
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.playground.options import WORKERS
from kaygraph_viz.widgets.playground.state import Log, Settings, Tried

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


# -- predictions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forecast:
    """A run that was predicted."""

    settings: Settings
    source: Tried
    trace: Trace

    @property
    def sentence(self) -> str:
        """What is predicted, and from what."""
        workers = counted(self.settings[WORKERS], "worker")
        took = duration(self.trace.makespan_s)
        return f"Predicted from {self.trace.predicted_from}: {workers} would take {took}."


@dataclass(frozen=True)
class Preview:
    """A prediction with its pictures."""

    forecast: Forecast
    chart: Picture
    sketch: Picture | None


def forecast(log: Log, settings: Settings) -> Forecast | None:
    """Return what is predicted for settings; None where no run of the log has only other workers."""
    source = log.nearest(settings)
    if source is None or source.what_if is None:
        return None
    found = source.what_if.trace(settings[WORKERS])
    run = f"the run with {counted(source.workers, 'worker')}"
    return Forecast(dict(settings), source, found.as_predicted_from(run))


def preview(log: Log, settings: Settings, *, last: int) -> Preview | None:
    """Return a prediction with its pictures, at the scale of the charts of the log; None where there is none."""
    made = forecast(log, settings)
    if made is None:
        return None
    took_s = made.trace.makespan_s
    title = f"{log.named(settings)}: predicted {duration(took_s)}"
    chart = gantt_picture(made.trace, title, end_s=max(log.scale_s(made.source), took_s), rows=log.max_rows)
    return Preview(made, chart, sketch_picture(log, made.source, last=last, expected=(settings[WORKERS], took_s)))


# -- each drawn once -------------------------------------------------------------------------------------------------


class Album:
    """The pictures of the runs of a log, and of predictions from them."""

    def __init__(self, log: Log, last: int) -> None:
        self._log = log
        self._least = last
        self._charts: dict[tuple[Any, ...], Picture] = {}
        self._entries: list[Tried] | None = None  # those of the log when the following were drawn
        self._sketches: dict[int, Picture | None] = {}
        self._previews: list[Preview] = []

    @property
    def last(self) -> int:
        """Where the axis of workers ends: all runs have room."""
        return max([self._least, *(entry.workers for entry in self._log.entries)])

    def chart(self, tried: Tried) -> Picture:
        """Return the chart of a run, at the scale of the charts that it compares with."""
        log = self._log
        key = (id(tried), log.title(tried), log.scale_s(tried), log.max_rows)
        if key not in self._charts:
            alive = {id(entry) for entry in log.entries}
            self._charts = {old: chart for old, chart in self._charts.items() if old[0] in alive - {id(tried)}}
            self._charts[key] = gantt_picture(tried.trace, key[1], end_s=key[2], rows=key[3])
        return self._charts[key]

    def sketch(self, tried: Tried) -> Picture | None:
        """Return how fast the runs of the log were, with one marked."""
        self._forget_what_is_out_of_date()
        if id(tried) not in self._sketches:
            self._sketches[id(tried)] = sketch_picture(self._log, tried, last=self.last)
        return self._sketches[id(tried)]

    def known_preview(self, settings: Settings) -> Preview | None:
        """Return a prediction that was made of the log as it is; None where there is none yet."""
        self._forget_what_is_out_of_date()
        return next((each for each in self._previews if each.forecast.settings == settings), None)

    def new_preview(self, settings: Settings) -> Preview | None:
        """Return a prediction, and keep it unless the log has got another run meanwhile; None where there is none."""
        entries = self._log.entries
        made = preview(self._log, settings, last=self.last)
        if made is not None and entries is self._entries is self._log.entries:
            self._previews.append(made)
        return made

    def _forget_what_is_out_of_date(self) -> None:
        if self._entries is not self._log.entries:
            self._entries, self._sketches, self._previews = self._log.entries, {}, []


# -- looks -----------------------------------------------------------------------------------------------------------

SPACE = "\N{NO-BREAK SPACE}"  # the entries of a list would lose ordinary ones
MONOSPACED = "var(--jp-code-font-family, ui-monospace, monospace)"
HIDDEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"  # except for readers
STYLE = f"""<style>
.kv-playground {{ max-width: 1040px; gap: 4px; }}
.kv-playground .kv-controls {{ display: grid; gap: 0 20px; }}
.kv-playground .kv-controls {{ grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); }}
.kv-playground .kv-number > label {{ {HIDDEN}; }}
.kv-playground .kv-status {{ min-height: 1.7em; }}
.kv-playground .kv-status .widget-html-content {{ white-space: normal; line-height: 1.45; }}
.kv-playground .kv-chart .widget-html-content {{ white-space: normal; }}
.kv-pictures {{ display: flex; flex-wrap: wrap; align-items: flex-start; gap: 4px; }}
.kv-playground .kv-pale .widget-html-content {{ opacity: 0.3; filter: grayscale(1); }}
.kv-words {{ margin: 2px 0 6px; color: var(--jp-ui-font-color2, #555); line-height: 1.45; }}
.kv-columns, .kv-log select {{ font-family: {MONOSPACED} !important; font-size: 13px !important; white-space: pre; }}
.kv-columns {{ padding-left: 5px; color: var(--jp-ui-font-color2, #555); line-height: 1.3; }}
.kv-playground .kv-log {{ width: auto; margin-right: 4px; flex-direction: column; height: auto; }}
.kv-playground .kv-log > label {{ {HIDDEN}; }}
.kv-playground .kv-log select {{ width: 100%; box-sizing: border-box; overflow-y: auto; }}
.kv-playground .kv-log select {{ flex: none; height: auto; min-height: 0; }}
</style>"""


def lines_of(table: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines with straight columns, the first left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    first, *others = widths
    gap = SPACE * 2
    return [
        gap.join(
            [
                row[0].ljust(first, SPACE),
                *(cell.replace(" ", SPACE).rjust(width, SPACE) for cell, width in zip(row[1:], others, strict=True)),
            ]
        )
        for row in table
    ]
