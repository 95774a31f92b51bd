"""The curve of a limit on calls: how much of it was used over time, and what it was.

Belongs here: the picture of one gauge. Does not belong here: the limit itself (``execute.rate_limit``), and keeping its
numbers (``trace.memory``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.canvas import Canvas, checked_axes, checked_trace
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.labels import clean, heading
from kaygraph_viz.plot.style import BAR, CRITICAL, FILLS, TEXT, Size, Stroke
from kaygraph_viz.plot.text import escaped
from kaygraph_viz.trace.gauges import GaugeSamples
from kaygraph_viz.trace.nesting import extent_ns
from kaygraph_viz.trace.trace import Trace

USED = FILLS["wait"]._replace(label="used")
LIMIT = Stroke(CRITICAL.colour, "the limit", 1.8, "--")
MARGINS_PT = (46.0, 14.0, 36.0, 46.0)
HEIGHT_IN = 2.6
EMPTY = "Empty curve of a limit: no call was made under a RateLimit."


def limit_curve(
    trace: Trace, of: str | None = None, *, ax: Axes | None = None, title: str | None = None, end_s: float = 0.0
) -> Axes:
    """Draw how much of a `RateLimit` was used over time, below a line for the limit.

    The limit that binds is the one whose curve stays at its line. The line of ``RateLimit(in_flight="adaptive")`` is
    the number that it has found: it grows until the service refuses a call, and then falls.

    Parameters
    ----------
    trace
        What was recorded; a live trace shows what there is so far.
    of
        Which curve, or the end of its name: ``"calls in flight"``, ``"calls per second"``, ``"calls per minute"`` or
        ``"units per minute"``, as far as the limit has them; ``trace.gauges`` has all names. Default: the first.
    ax
        Where to draw; default: a new figure.
    title
        Default: the most that was used, and the limit.
    end_s
        The time axis reaches at least this far [s].

    Returns
    -------
    Axes
        The x axis is in seconds since the first submission. Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range, or the trace has no such curve.

    Notes
    -----
    What is used of a limit per second or minute is read whenever a call begins or says its units. Long runs keep some
    2,000 points.

    Examples
    --------
    >>> from kaygraph_viz.clock.clock import sleep
    >>> from kaygraph_viz.execute.rates.rate_limit import RateLimit
    >>> from kaygraph_viz.recording import record
    >>> from kaygraph_viz.trace.recorder import span
    >>> limit = RateLimit(in_flight=2)
    >>> with record(clock="virtual") as trace, span("ask"), limit:
    ...     sleep(1)
    >>> limit_curve(trace).get_title(loc="left")
    'calls in flight: at most 1 of 2'
    """
    gauges = checked_trace(trace).gauges
    checked_axes(ax)
    checked_seconds("end_s", end_s, "end_s=serial.makespan_s")
    name = _chosen(gauges, of)
    if name is None or not gauges[name].times_ns:
        text = heading(title, "No call was made under a RateLimit")
        return Canvas.empty(ax).finish(text, [], Description(EMPTY))
    return _draw(trace, name, gauges[name], Canvas.of(ax, Size.figure_width, HEIGHT_IN, MARGINS_PT), title, end_s)


def _chosen(gauges: Mapping[str, GaugeSamples], of: str | None) -> str | None:
    """Return the name of the curve that was asked for; None where there is none at all."""
    if of is None or not gauges:
        return next(iter(gauges), None)
    fitting = [name for name in gauges if isinstance(of, str) and name.endswith(of)]
    if not fitting:
        known = ", ".join(map(repr, gauges))
        raise OptionError("of", of, f"one of {known}, or the end of it", f"limit_curve(trace, {next(iter(gauges))!r})")
    return fitting[0]


def _draw(trace: Trace, name: str, samples: GaugeSamples, canvas: Canvas, title: str | None, end_s: float) -> Axes:
    first_ns, last_ns = extent_ns(trace.columns) if len(trace) else (samples.times_ns[0], samples.times_ns[-1])
    last_ns = max(last_ns, samples.times_ns[-1])
    seconds = (np.array([*samples.times_ns, last_ns], np.int64) - first_ns) / 1e9
    used, most = (np.array([*column, column[-1]], np.int64) for column in (samples.used, samples.most))
    canvas.make_plain()
    canvas.set_time(max((last_ns - first_ns) / 1e9, end_s))
    canvas.ax.fill_between(seconds, used, step="post", facecolor=USED.colour, edgecolor="none", gid="used")
    canvas.ax.plot(seconds, used, drawstyle="steps-post", color=BAR, linewidth=0.9, gid="used-line")
    style: dict[str, Any] = {"color": LIMIT.colour, "linestyle": LIMIT.style, "linewidth": LIMIT.width}
    canvas.ax.plot(seconds, most, drawstyle="steps-post", gid="limit", **style)
    what = clean(name.rpartition(": ")[2], 40)
    _set_height(canvas.ax, what, int(max(used.max(), most.max())))
    return canvas.finish(heading(title, _title(what, samples)), [USED, LIMIT], _description(name, samples, seconds))


def _set_height(ax: Axes, what: str, highest: int) -> None:
    ax.set_ylim(0, 1.08 * max(highest, 1))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
    ax.set_ylabel(escaped(what), fontsize=Size.font, color=TEXT)


def _title(what: str, samples: GaugeSamples) -> str:
    lowest, highest = min(samples.most), max(samples.most)
    if lowest == highest:
        return f"{what}: at most {max(samples.used):,} of {highest:,}"
    return f"{what}: the limit was {lowest:,} to {highest:,}, and {samples.most[-1]:,} at the end"


def _description(name: str, samples: GaugeSamples, seconds: np.ndarray[Any, np.dtype[np.float64]]) -> Description:
    """Return the picture in words: what was used of which limit at some times."""
    places = sorted({*np.linspace(0, len(samples.used) - 1, 9).astype(int).tolist(), int(np.argmax(samples.most))})
    rows = [
        (duration(max(0.0, float(seconds[place]))), f"{samples.used[place]:,}", f"{samples.most[place]:,}")
        for place in places
    ]
    return Description(f"Curve of a limit: {_title(clean(name), samples)}.", [Table(("after", "used", "limit"), rows)])
