"""The Gantt chart: one row per worker, one bar per unit of work.

Belongs here: what the chart consists of. Does not belong here: its rows and bars (``scene``), where they stand
(``layout``), drawing them (``drawing``), and the chart in words (``description``).
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from kaygraph_viz.base.checks import checked_flag, checked_seconds, checked_whole, checked_word
from kaygraph_viz.plot.canvas import Canvas, checked_axes, checked_traces
from kaygraph_viz.plot.gantt.critical_path import draw_path, path_steps
from kaygraph_viz.plot.gantt.description import gantt_description, gantt_title
from kaygraph_viz.plot.gantt.drawing import MAX_BARS, Options, draw_rows, most_rows
from kaygraph_viz.plot.gantt.scene import Chart, folded
from kaygraph_viz.plot.labels import heading
from kaygraph_viz.plot.rows import GROUP_BY
from kaygraph_viz.plot.style import CRITICAL
from kaygraph_viz.trace.trace import Trace

COLOR_BY = ("part", "name", "status")


def gantt(
    trace: Trace | Mapping[str, Trace],
    *,
    ax: Axes | None = None,
    title: str | None = None,
    color_by: str = "part",
    group_by: str = "worker",
    critical_path: bool = False,
    labels: bool = True,
    max_bars: int = MAX_BARS,
    end_s: float = 0.0,
    legend: bool = False,
) -> Axes:
    """Draw a Gantt chart: when each branch waited, ran and ended, with one row per worker.

    The chart answers at a glance whether branches really ran at once, which worker was idle, and whether the time went
    into computing, waiting or the queue.

    Parameters
    ----------
    trace
        What was recorded; a live trace shows what has ended so far. Several traces by name, such as
        ``{"before": one, "after": other}``, are drawn below each other on one axis, each from its own beginning.
    ax
        Where to draw; default: a new figure whose height fits the number of workers.
    title
        Default: workers, branches, makespan, and how many ran at once on average.
    color_by
        ``"part"``: what went on when: CPU, waiting, blocked, ...; ``"name"``: one colour for each branch name;
        ``"status"``: how it ended.
    group_by
        ``"worker"``: a row for each worker. ``"node"``: the rows of each node together, and those of each stage of a
        pipeline, in the order in which they began.
    critical_path
        Whether to draw the chain of bars that made the run as long as it was.
    labels
        Whether to write names into the bars they fit into.
    max_bars
        Above this number of bars [1 or more] the chart becomes an image, in which the depth of the colour is the share
        of a pixel's time. Images and bands are coloured by parts.
    end_s
        The time axis reaches at least this far [s]; give several charts the same, and their lengths can be compared.
    legend
        Whether the legend above the bars says what each of its entries means, for people who see such a chart for the
        first time. It names only what is in the chart.

    Returns
    -------
    Axes
        The x axis is in seconds since the first submission; its ticks may be written in ms. The y axis counts workers'
        rows downwards, from 0. Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    The parts of a bar stand where they happened: see `Span.parts`. Where it is not known when a branch computed, as
    mostly in threads and processes under the real clock, the stretch is filled with the colour of CPU up to the share
    of its height that CPU has of its time. Parts too short to be drawn one by one stand on each other like that, too:
    threads that only compute take turns of 5 ms, and in a run of seconds each of four is filled to a quarter.

    More than 200 rows, fewer on a low Axes, are folded into bands, each of many neighbouring rows and named with their
    number. At each moment the height of a colour in a band is the share of its rows that were busy with it. What is
    drawn does then not grow with the number of workers. `describe` tells the same for each band in numbers.

    A branch that runs others has bars for its own work, and a slim grey bar while it waits for them. Where branches of
    its name only hand their work on, none of them has a row, but for those that failed or held up their loop.

    Thin lines in front of a bar are its time in the queue, drawn only while its worker was free. What ended
    badly is hatched, in a way of its own for each status, named where there is room and marked where there is none.
    All bars of a trace that `what_if` predicted have a wide grey hatch.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace(bar("a", "thread-1", 0, 1, cpu_s=0.2), bar("b", "thread-2", 0, 2, cpu_s=0.1))
    >>> gantt(trace).get_title(loc="left")
    '2 workers, 2 branches, 2.00 s, 1.5 at once'
    """
    checked_traces(trace)
    checked_word("color_by", color_by, COLOR_BY, 'color_by="name"')
    checked_word("group_by", group_by, GROUP_BY, 'group_by="node"')
    checked_whole("max_bars", max_bars, 1, example="max_bars=5000")
    checked_flag("legend", legend, "legend=True")
    options = Options(color_by, labels, max_bars, checked_seconds("end_s", end_s, "end_s=serial.makespan_s"), legend)
    checked_axes(ax)
    chart = folded(Chart.of(trace, group_by, has_own_time=True), most_rows(ax))
    text = heading(title, gantt_title(chart))
    if not chart.bar_count:
        return Canvas.empty(ax).finish(text, [], gantt_description(chart))
    paths = [path_steps(run.nesting) for run in chart.runs] if critical_path else []
    canvas, keys = draw_rows(chart, ax, options, [CRITICAL] if any(paths) else [])
    for run, steps in zip(chart.runs, paths, strict=False):
        draw_path(canvas, run, steps)
    return canvas.finish(text, keys, gantt_description(chart, paths))
