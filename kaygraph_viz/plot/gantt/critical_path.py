"""The critical path on the rows of a chart: along the bars that made the run as long as it was.

Belongs here: where its lines run, and drawing them. Does not belong here: which spans are on it
(``analysis.critical_path``), and the path on a graph (``diagram.stats``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.collections import LineCollection

from kaygraph_viz.analysis.critical_path import PathStep, recorded_network, recorded_steps
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.scene import Run
from kaygraph_viz.plot.style import CRITICAL, Size
from kaygraph_viz.trace.nesting import Nesting, unit_mask

Line = list[tuple[float, float]]
RESOLUTION = 2_000  # a gap in a row below this fraction of the run is not drawn: it would be thinner than a pixel


class PathLines(NamedTuple):
    """The critical path as lines of points (time [s], height)."""

    along: list[Line]
    between: list[Line]
    waits: list[Line]


def path_steps(nesting: Nesting) -> tuple[PathStep, ...]:
    """Return the steps of the critical path of a run."""
    return recorded_steps(nesting, recorded_network(nesting, unit_mask(nesting))) if len(nesting.columns) else ()


def draw_path(canvas: Canvas, run: Run, steps: Sequence[PathStep]) -> None:
    """Draw the critical path of a run: thick along its bars, thin between them, dashed while it stood still."""
    lines = path_lines(run, steps, canvas.row_centres.tolist())
    _add_lines(canvas, lines.along, "critical", linewidths=CRITICAL.width)
    _add_lines(canvas, lines.between, "critical-next", linewidths=1.2)
    _add_lines(canvas, lines.waits, "critical-wait", linewidths=1.2, linestyles=(0, (2, 1.5)))


def _add_lines(canvas: Canvas, lines: Sequence[Any], gid: str, **style: Any) -> None:
    if lines:
        style = {"colors": CRITICAL.colour, "zorder": 3.5, "capstyle": "butt", **style}
        canvas.ax.add_collection(LineCollection(lines, gid=gid, **style), autolim=False)


def path_lines(run: Run, steps: Sequence[PathStep], row_centres: Sequence[float]) -> PathLines:
    """Return the lines of the critical path of a run."""
    ids = run.ids
    row_of = dict(zip(ids.tolist(), run.row_of.tolist(), strict=True))
    lines = PathLines([], [], [])
    for step in steps:
        if step.span_id in row_of:
            y = row_centres[row_of[step.span_id]] + Size.full / 2
            times = ((time - run.first_ns) / 1e9 for time in (step.started_ns, step.ended_ns))
            start_s, end_s = times
            before_s, before_y = lines.along[-1][-1] if lines.along else (start_s, y)
            if lines.along and before_y == y and start_s - before_s <= run.extent_s / RESOLUTION:
                lines.along[-1][-1] = (end_s, y)  # it goes on in its row
                continue
            if lines.along:
                link = [(before_s, before_y), (before_s, y), (start_s, y)]
                (lines.waits if start_s > before_s else lines.between).append(link)
            lines.along.append([(start_s, y), (end_s, y)])
    return lines
