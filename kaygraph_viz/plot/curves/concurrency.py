"""The curve of concurrency: the number of branches that ran at once, over time.

Belongs here: the picture of one step function beside the number of workers. Does not belong here: queues (``queues``).
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kaygraph_viz.analysis.summary import Summary, summarize
from kaygraph_viz.analysis.wording import counted, duration, significant
from kaygraph_viz.checks import checked_seconds
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.checks import checked_axes, checked_trace
from kaygraph_viz.plot.curves.steps import Steps
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.labels import heading
from kaygraph_viz.plot.style import BAR, FILLS, MUTED, TEXT, Key, Size, Stroke
from kaygraph_viz.trace.trace import Trace

__all__ = ["concurrency"]

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
