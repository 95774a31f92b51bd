"""What a panel shows for settings that were not run: the schedule that is predicted from the nearest run of its log.

Belongs here: making a prediction, its words and its pictures. Does not belong here: how it is made
(``analysis.what_if``), and when it is shown (``playground``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.playground.options import WORKERS
from kaygraph_viz.widgets.playground.pictures import Picture, gantt_picture, sketch_picture
from kaygraph_viz.widgets.playground.state import Log, Settings, Tried

__all__ = ["Forecast", "Preview", "forecast", "preview"]


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
