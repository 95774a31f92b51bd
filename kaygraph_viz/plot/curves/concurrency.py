"""The curve of concurrency: how many branches ran at once, as a step function of time.

Belongs here: arithmetic on step functions, with as many points as a screen shows, and the picture of one beside the
number of workers. Does not belong here: queues (``queues``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kaygraph_viz.analysis.summary import Summary, summarize
from kaygraph_viz.analysis.wording import counted, duration, significant
from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.plot.canvas import Canvas, checked_axes, checked_trace
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.plot.labels import heading
from kaygraph_viz.plot.style import BAR, FILLS, MUTED, TEXT, Key, Size, Stroke
from kaygraph_viz.trace.intervals import Ints, concurrency as open_intervals
from kaygraph_viz.trace.trace import Trace

MAX_POINTS = 3_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """A step function: the number of open intervals over time, from 0 to an end."""

    times_ns: Ints
    counts: Ints
    end_ns: int

    @classmethod
    def of(cls, starts: Ints, ends: Ints, end_ns: int) -> Steps:
        """Count intervals [ns] that lie between 0 and `end_ns`."""
        times, counts = open_intervals(starts, ends)
        if not len(times) or times[0] > 0:
            times, counts = np.insert(times, 0, 0), np.insert(counts, 0, 0)
        return cls(times, counts, end_ns)

    @property
    def peak(self) -> int:
        """The highest number."""
        return int(self.counts.max())

    @property
    def mean(self) -> float:
        """The mean over the whole time."""
        return float((self.counts * self._lengths_ns()).sum()) / self.end_ns if self.end_ns else 0.0

    def lasted_ns(self) -> dict[int, int]:
        """Return by number for how long there were so many [ns], the smallest number first."""
        known, place = np.unique(self.counts, return_inverse=True)
        lasted = np.zeros(len(known), np.int64)
        np.add.at(lasted, place, self._lengths_ns())
        return {count: spent for count, spent in zip(known.tolist(), lasted.tolist(), strict=True) if spent}

    def _lengths_ns(self) -> Ints:
        return np.diff(np.append(self.times_ns, max(self.end_ns, int(self.times_ns[-1]))))

    def drawn(self, most: int = MAX_POINTS) -> tuple[Floats, Floats, Floats]:
        """Return the points of a curve: times [s], and the mean and the highest number from each time to the next."""
        if len(self.times_ns) <= most:
            counts = np.append(self.counts, self.counts[-1]).astype(np.float64)
            return np.append(self.times_ns, self.end_ns) / 1e9, counts, counts
        edges = np.linspace(0, self.end_ns, most + 1).round().astype(np.int64)
        before = np.append(0, np.cumsum(self.counts * self._lengths_ns()))
        last = np.searchsorted(self.times_ns, edges, side="right") - 1
        until = before[last] + (edges - self.times_ns[last]) * self.counts[last]
        mean = np.diff(until) / np.diff(edges)
        stops = np.searchsorted(self.times_ns, edges[1:], side="left")
        places = np.stack([last[:-1], np.maximum(stops, last[:-1] + 1)], axis=1).ravel()
        highest = np.maximum.reduceat(np.append(self.counts, 0), places)[::2].astype(np.float64)
        return edges / 1e9, np.append(mean, mean[-1]), np.append(highest, highest[-1])


# -- the curve -------------------------------------------------------------------------------------------------------

RUNNING = FILLS["busy"]
MARGINS_PT = (40.0, 14.0, 36.0, 46.0)
HEIGHT_IN, MAX_ROWS = 2.8, 20
EMPTY = "Empty curve of how much ran at once: nothing was recorded."


def concurrency(trace: Trace, *, ax: Axes | None = None, title: str | None = None, end_s: float = 0.0) -> Axes:
    """Draw how many branches ran at once, over time, with a line for the number of workers.

    The room between the curve and the line is time of workers that had nothing to do.

    Parameters
    ----------
    trace
        What was recorded; a live trace shows what has ended so far.
    ax
        Where to draw; default: a new figure.
    title
        Default: workers, the most at once, and the mean.
    end_s
        The time axis reaches at least this far [s].

    Returns
    -------
    Axes
        The x axis is in seconds since the first submission. Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    Counted are the units of work: branches, and the phases around them. Their mean number is no speedup: it counts
    those that wait for the GIL as well. Where the number changes more often than a screen can show, the filled curve is
    the mean of each moment, and the line above it the highest number.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2))
    >>> concurrency(trace).get_title(loc="left")
    '2 workers, at most 2 at once, 1.5 on average'
    """
    run = Chart.of(checked_trace(trace)).runs[0]
    checked_axes(ax)
    checked_seconds("end_s", end_s, "end_s=serial.makespan_s")
    summary = summarize(trace)
    text = heading(title, _title(summary))
    if not summary.counts.get("units"):
        return Canvas.empty(ax).finish(text, [], Description(EMPTY))
    steps = Steps.of(run.since_start("started_ns"), run.since_start("ended_ns"), run.last_ns - run.first_ns)
    canvas = Canvas.of(ax, Size.figure_width, HEIGHT_IN, MARGINS_PT)
    canvas.make_plain()
    canvas.set_time(max(run.extent_s, end_s))
    canvas.ax.set_ylim(0, 1.08 * max(1, summary.workers, steps.peak))
    canvas.ax.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    canvas.ax.set_ylabel("running at once", fontsize=Size.font, color=TEXT)
    keys = [*_draw(canvas.ax, steps), *_lines(canvas.ax, summary)]
    return canvas.finish(text, keys, _description(summary, steps))


def _title(summary: Summary) -> str:
    if not summary.counts.get("units"):
        return "Empty trace"
    mean = significant(summary.mean_concurrency, 2)
    return f"{counted(summary.workers, 'worker')}, at most {summary.peak_concurrency:,} at once, {mean} on average"


def _draw(ax: Axes, steps: Steps) -> list[Key]:
    """Draw the filled curve and the line of the highest number, and return the entries of the legend."""
    times, mean, highest = steps.drawn()
    ax.fill_between(times, mean, step="post", facecolor=RUNNING.colour, edgecolor="none", gid="running")
    ax.plot(times, highest, drawstyle="steps-post", color=BAR, linewidth=0.9, gid="highest")
    if mean is highest:
        return [RUNNING]
    return [RUNNING._replace(label="running, mean per interval"), Stroke(BAR, "maximum per interval", 0.9)]


def _lines(ax: Axes, summary: Summary) -> list[Key]:
    lines = [
        (summary.workers, Stroke(BAR, counted(summary.workers, "worker"), 1.4, "--")),
        (summary.mean_concurrency, Stroke(MUTED, f"mean {significant(summary.mean_concurrency, 2)}", 1.4, ":")),
    ]
    for height, stroke in lines:
        ax.axhline(height, color=stroke.colour, linestyle=stroke.style, linewidth=stroke.width, gid="line")
    return [stroke for _, stroke in lines]


def _description(summary: Summary, steps: Steps) -> Description:
    """Return the picture in words, with a table of the time spent at each number."""
    lasted = steps.lasted_ns()
    idle = duration(lasted.get(0, 0) / 1e9)
    sentence = (
        f"Curve of how much ran at once: at most {summary.peak_concurrency:,} and on average "
        f"{significant(summary.mean_concurrency, 2)} of {counted(summary.workers, 'worker')} over "
        f"{duration(summary.makespan_s)}; nothing ran for {idle}."
    )
    whole = max(1, steps.end_ns)
    rows = [(f"{count:,}", duration(spent / 1e9), f"{spent / whole:.0%}") for count, spent in lasted.items()]
    if len(rows) > MAX_ROWS:
        rows[MAX_ROWS // 2 : -MAX_ROWS // 2] = [("...", "", "")]
    return Description(sentence, [Table(("at once", "time", "share"), rows, words=0)])
