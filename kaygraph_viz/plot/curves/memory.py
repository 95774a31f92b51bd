"""The curve of the memory that a run took, over time.

Belongs here: the picture of one curve. Does not belong here: reading it while the run goes on (``trace.memory``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kaygraph_viz.analysis.wording import duration, significant
from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.plot.canvas import Canvas, checked_axes, checked_trace
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.labels import heading
from kaygraph_viz.plot.style import BAR, FILLS, TEXT, Size, Stroke
from kaygraph_viz.trace.nesting import extent_ns
from kaygraph_viz.trace.trace import Trace

IN_USE = FILLS["wait"]._replace(label="in use by this process and its child processes")
MARGINS_PT = (46.0, 14.0, 36.0, 46.0)
HEIGHT_IN = 2.8
EMPTY = "Empty curve of memory in use: record(memory=True) records memory."
UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))


def memory_curve(trace: Trace, *, ax: Axes | None = None, title: str | None = None, end_s: float = 0.0) -> Axes:
    """Draw how much memory was in use over time, with a line for where it began.

    More workers hold more items at once. What does not come back to where it began was kept, such as results.

    Parameters
    ----------
    trace
        Recorded with ``record(memory=True)``; a live trace shows what there is so far.
    ax
        Where to draw; default: a new figure.
    title
        Default: the most that was in use, and by how much that is more than at the start.
    end_s
        The time axis reaches at least this far [s].

    Returns
    -------
    Axes
        The x axis is in seconds since the first submission, the y axis in bytes; their ticks may be written in ms and
        MB. Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    Memory is read some 50 times a second, less often in runs of several minutes: a peak between two readings is not
    seen. It is the resident memory of processes: pages that several share count for each.

    Examples
    --------
    >>> from kaygraph_viz.recording import record
    >>> from kaygraph_viz.trace.recorder import span
    >>> with record(memory=True) as trace, span("a"):
    ...     pass
    >>> memory_curve(trace).get_ylabel().startswith("memory in use [")
    True
    """
    times_ns, size = checked_trace(trace).memory
    checked_axes(ax)
    checked_seconds("end_s", end_s, "end_s=serial.makespan_s")
    if not len(size):
        text = heading(title, "No memory was recorded: record(memory=True)")
        return Canvas.empty(ax).finish(text, [], Description(EMPTY))
    first_ns, last_ns = extent_ns(trace.columns) if len(trace) else (int(times_ns[0]), int(times_ns[-1]))
    seconds = (times_ns - first_ns) / 1e9
    canvas = Canvas.of(ax, Size.figure_width, HEIGHT_IN, MARGINS_PT)
    canvas.make_plain()
    canvas.set_time(max((last_ns - first_ns) / 1e9, end_s))
    canvas.ax.fill_between(seconds, size, facecolor=IN_USE.colour, edgecolor="none", gid="memory")
    canvas.ax.plot(seconds, size, color=BAR, linewidth=0.9, gid="memory-line")
    begin = Stroke(BAR, f"at the start {_in_words(int(size[0]))}", 1.2, ":")
    style: dict[str, Any] = {"color": begin.colour, "linestyle": begin.style, "linewidth": begin.width}
    canvas.ax.axhline(float(size[0]), gid="line", **style)
    _set_height(canvas.ax, float(size.max()))
    return canvas.finish(heading(title, _title(size)), [IN_USE, begin], _description(seconds, size))


def _set_height(ax: Axes, most: float) -> None:
    unit, factor = _unit(most)
    ax.set_ylim(0, 1.08 * max(most, 1.0))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y / factor:,.10g}"))
    ax.set_ylabel(f"memory in use [{unit}]", fontsize=Size.font, color=TEXT)


def _unit(size: float) -> tuple[str, float]:
    """Return the unit that fits a number of bytes, and how many bytes it has."""
    return next(pair for pair in UNITS if size >= pair[1] or pair[1] == 1)


def _in_words(size: int) -> str:
    """Return a number of bytes with a unit that fits it."""
    unit, factor = _unit(size)
    return f"{significant(size / factor)} {unit}"


def _title(size: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> str:
    return f"at most {_in_words(int(size.max()))}, {_in_words(int(size.max() - size[0]))} more than at the start"


def _description(
    seconds: np.ndarray[tuple[int, ...], np.dtype[np.float64]], size: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> Description:
    """Return the picture in words: how much at first, at most and at last."""
    peak = int(size.argmax())
    rows = [
        (name, duration(max(0.0, float(seconds[place]))), _in_words(int(size[place])))
        for name, place in (("at the start", 0), ("maximum", peak), ("at the end", -1))
    ]
    sentence = f"Curve of memory in use: {_title(size)}, after {rows[1][1]}; at the end {rows[2][2]}."
    return Description(sentence, [Table(("", "after", "memory"), rows)])
