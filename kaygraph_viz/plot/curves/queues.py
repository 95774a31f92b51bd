"""The chart of queue depths: the number of items in each queue over time, above the workers that empty it.

Belongs here: which items are in which queue, and ribbons on an Axes. Does not belong here: the rows and bars of the
workers (``gantt.scene``, ``gantt.drawing``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from kaygraph_viz.analysis.wording import counted, duration, join_words, significant
from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.plot.canvas import Canvas, checked_axes, checked_trace
from kaygraph_viz.plot.curves.concurrency import Steps
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.gantt.drawing import Options, draw_rows, most_rows
from kaygraph_viz.plot.gantt.scene import Chart, Run, folded
from kaygraph_viz.plot.labels import heading
from kaygraph_viz.plot.rows import Row
from kaygraph_viz.plot.style import BAR, FILLS, Fill, Key, Stroke
from kaygraph_viz.trace.columns import stretches
from kaygraph_viz.trace.intervals import Ints
from kaygraph_viz.trace.nesting import Places
from kaygraph_viz.trace.trace import Trace

RIBBON_HEIGHT, RIBBON, MARK = 1.7, 1.15, 0.3  # heights of the row, of the ribbon in it, of the mark above that [rows]
WAITING = Fill("#B9BEC2", "waiting in the queue")
BLOCKED = FILLS["blocked"]._replace(label="producers blocked")
BOUND = Stroke(BAR, "capacity of the queue", 1.0, "--")
MAX_QUEUES = 12


@dataclass(frozen=True)
class Queue:
    """The queue in front of the workers of a node, or of a stage of a pipeline."""

    row: int
    name: str
    bound: int | None
    depth: Steps
    blocked: Steps
    waits_ns: Ints

    @property
    def top(self) -> int:
        """The number of items at which the ribbon reaches its full height."""
        return max(self.bound or 0, self.depth.peak, 1)

    @property
    def title(self) -> str:
        """The text beside the ribbon."""
        return f"{self.name} · queue" + (f" of {self.bound:,}" if self.bound else "")


def queue_depth(
    trace: Trace, *, ax: Axes | None = None, title: str | None = None, labels: bool = True, end_s: float = 0.0
) -> Axes:
    """Draw the number of items in each queue over time, as a ribbon above the workers that empty it.

    In a pipeline this shows where the bottleneck is: the queues before it are full, and the stages that fill them are
    blocked; those behind it are empty.

    Parameters
    ----------
    trace
        What was recorded; a live trace shows what has ended so far.
    ax
        Where to draw; default: a new figure whose height fits the number of workers and queues.
    title
        Default: the number of queues, and the one that was fullest.
    labels
        Whether to write names into the bars they fit into.
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
    An item is in the queue of a node or stage from its submission until a worker begins with it. What failed before it
    was begun has no span and is not counted. A mark above a ribbon shows when a branch that had made items for it was
    blocked. Rows that are too many to be told apart are folded into bands as in `gantt`.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> items = [bar("store", "t-2", 2, 4, queued_s=1, index=0), bar("store", "t-2", 4, 6, queued_s=2, index=1)]
    >>> trace = make_trace((bar("store", "main", 1, 6, kind="node", buffer=2), items))
    >>> queue_depth(trace).get_title(loc="left")
    '1 queue; in front of store 0.60 of 2 on average'
    """
    chart = folded(Chart.of(checked_trace(trace), "node", is_short=False), most_rows(checked_axes(ax)))
    checked_seconds("end_s", end_s, "end_s=serial.makespan_s")
    queues = list(queues_of(chart))
    text, description = heading(title, _title(chart, queues)), _description(queues)
    if not chart.bar_count:
        return Canvas.empty(ax).finish(text, [], description)
    rows = list(chart.rows)
    for queue in queues:  # their headings are high enough for a ribbon
        rows[queue.row] = Row("", queue.title, is_heading=True, height=RIBBON_HEIGHT)
    chart = replace(chart, rows=tuple(rows))
    canvas, keys = draw_rows(chart, ax, Options(labels=labels, end_s=end_s), _keys(queues))
    for queue in queues:
        _add_ribbon(canvas.ax, queue, float(canvas.row_centres[queue.row]) + RIBBON_HEIGHT / 2 - 0.1)
    return canvas.finish(text, keys, description)


def queues_of(chart: Chart) -> Iterator[Queue]:
    """Yield the queues of a chart whose rows are grouped by node, without those in which no item ever waited."""
    (run,) = chart.runs
    columns = run.nesting.columns
    node = run.nesting.nearest(columns.is_kind("node", "graph"))[run.units]
    is_branch = columns.is_kind("branch")[run.units]
    submitted, started = run.since_start("submitted_ns"), run.since_start("started_ns")
    headings = [row for row, each in enumerate(chart.rows) if each.is_heading]
    group = np.searchsorted(headings, run.row_of) - 1
    for number, row in enumerate(headings):
        mine = np.flatnonzero((group == number) & is_branch)
        if (started[mine] > submitted[mine]).any():
            extent_ns = run.last_ns - run.first_ns
            depth = Steps.of(submitted[mine], started[mine], extent_ns)
            bound = _bound(run, np.unique(node[mine]))
            waits = started[mine] - submitted[mine]
            yield Queue(row, chart.rows[row].text, bound, depth, _blocked(run, run.units[mine]), waits)


def _bound(run: Run, nodes: Places) -> int | None:
    """Return the bound of a queue, which the span of its stage has as the attribute ``buffer``."""
    ids = run.nesting.columns.column("span_id")[nodes[nodes >= 0]].tolist()
    noted = [run.nesting.columns.attributes.get(number, {}).get("buffer") for number in ids]
    found = [bound for bound in noted if isinstance(bound, int) and bound > 0]
    return max(found) if found else None


def _blocked(run: Run, consumers: Places) -> Steps:
    """Return how many of the branches that made the items of a queue were blocked, over time."""
    columns = run.nesting.columns
    ids = columns.column("span_id")
    links = (columns.links.get(number, ()) for number in ids[consumers].tolist()) if columns.links else ()
    makers = np.flatnonzero(np.isin(ids, sorted({target for targets in links for target in targets})))
    parts = stretches(columns, makers)
    is_blocked = parts.kind == PART_CODE["blocked"]
    starts, ends = (column[is_blocked] - run.first_ns for column in (parts.started_ns, parts.ended_ns))
    return Steps.of(starts, ends, run.last_ns - run.first_ns)


def _keys(queues: Sequence[Queue]) -> list[Key]:
    bounds: list[Key] = [BOUND] if any(queue.bound for queue in queues) else []
    marks: list[Key] = [BLOCKED] if any(queue.blocked.peak for queue in queues) else []
    return [*([WAITING] if queues else []), *bounds, *marks]


def _add_ribbon(ax: Axes, queue: Queue, base: float) -> None:
    """Draw a ribbon on a base line, its edge, a line for its bound, and marks where its producers were blocked."""
    times, mean, highest = queue.depth.drawn()
    size = RIBBON / queue.top
    style: dict[str, Any] = {"step": "post", "linewidth": 0}
    ax.fill_between(times, base, base - size * mean, facecolor=WAITING.colour, gid="ribbon", **style)
    ax.plot(times, base - size * highest, drawstyle="steps-post", color=BAR, linewidth=0.8, gid="ribbon-edge")
    if queue.bound:
        ends = (0.0, queue.depth.end_ns / 1e9)
        ax.plot(
            ends,
            [base - size * queue.bound] * 2,
            color=BOUND.colour,
            linestyle=BOUND.style,
            linewidth=BOUND.width,
            gid="bound",
        )
    if queue.blocked.peak:
        times, _, highest = queue.blocked.drawn()
        spans = np.stack([times[:-1], np.diff(times)], axis=1)[highest[:-1] > 0]
        style = {"facecolor": BLOCKED.colour, "edgecolor": BLOCKED.line, "hatch": BLOCKED.hatch, "linewidth": 0}
        ax.broken_barh(spans.tolist(), (base - RIBBON - 0.08, -MARK), gid="blocked-mark", **style)


def _title(chart: Chart, queues: Sequence[Queue]) -> str:
    if not chart.bar_count:
        return "Empty trace"
    if not queues:
        return "No item waited in a queue"
    fullest = max(queues, key=lambda queue: queue.depth.mean / queue.top)
    mean = significant(fullest.depth.mean, 2) + (f" of {fullest.bound:,}" if fullest.bound else "")
    return f"{counted(len(queues), 'queue')}; in front of {fullest.name} {mean} on average"


def _description(queues: Sequence[Queue]) -> Description:
    """Return the picture in words."""
    if not queues:
        return Description("Empty chart of queues: no item waited in a queue.")
    parts = [
        f"{queue.name} with at most {queue.depth.peak:,}"
        + (f" of {queue.bound:,}" if queue.bound else "")
        + f" and on average {significant(queue.depth.mean, 2)} items waiting"
        for queue in queues[:MAX_QUEUES]
    ]
    more = [f"{len(queues) - MAX_QUEUES:,} more"] if len(queues) > MAX_QUEUES else []
    rows = [_line(queue) for queue in queues]
    headings = ("queue", "capacity", "items", "maximum", "mean", "mean wait", "longest wait", "producers blocked")
    sentence = f"Chart of {counted(len(queues), 'queue')} above the workers: {join_words([*parts, *more])}."
    return Description(sentence, [Table(headings, rows)])


def _line(queue: Queue) -> tuple[str, ...]:
    blocked_ns = queue.blocked.end_ns - queue.blocked.lasted_ns().get(0, 0)
    return (
        queue.name,
        f"{queue.bound:,}" if queue.bound else "",
        f"{len(queue.waits_ns):,}",
        f"{queue.depth.peak:,}",
        significant(queue.depth.mean),
        duration(float(queue.waits_ns.mean()) / 1e9),
        duration(int(queue.waits_ns.max()) / 1e9),
        duration(blocked_ns / 1e9),
    )
