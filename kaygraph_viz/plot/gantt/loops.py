"""What is told of loops of coroutines in a chart: bars that waited for their loop, and what held it up.

Belongs here: words for bars that wait for a turn, and where and how what held up a loop is drawn. Does not belong here:
which spans these are (``analysis.blocked_loop``), and the waits as parts of bars (``part_fills``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection

from kaygraph_viz.analysis.blocked_loop import loop_blocks
from kaygraph_viz.analysis.workers import is_loop_lane
from kaygraph_viz.parts import PART_CODE
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.awaiting import RowStretches
from kaygraph_viz.plot.gantt.chart import Chart, Run
from kaygraph_viz.plot.style import FILLS, LOOP_HELD_UP, Key, Size

__all__ = ["draw_blocked_loops", "held_up", "turns_of", "turns_on", "with_turns"]

Line = list[tuple[float, float]]
INTERPRETER, LOOP = "the interpreter", "the loop"
MOST_LINES = 5_000


def turns_of(runs: Sequence[Run]) -> str:
    """Return what bars waited for that could have gone on: the interpreter, the loop of coroutines, or both."""
    lanes: set[str] = set()
    for run in runs:
        owner = run.parts.owner[run.parts.kind == PART_CODE["gil"]]
        columns = run.nesting.columns
        lanes |= {columns.lanes[code] for code in np.unique(columns.column("lane")[run.units[owner]]).tolist()}
    return turns_on(lanes)


def turns_on(lanes: Iterable[str]) -> str:
    """Return what spans on these lanes wait for that could go on."""
    return " or ".join(sorted({LOOP if is_loop_lane(lane) else INTERPRETER for lane in lanes})) or INTERPRETER


def with_turns(keys: Sequence[Key], chart: Chart) -> list[Key]:
    """Return the entries of a legend, of which that of waits for a turn says what for."""
    usual = FILLS["gil"].label
    words = f"waiting for {turns_of(chart.runs)}" if any(key.label == usual for key in keys) else usual
    return [key._replace(label=words) if key.label == usual else key for key in keys]


def draw_blocked_loops(canvas: Canvas, chart: Chart) -> list[Key]:
    """Draw a line along each stretch of a bar that held up its loop, and return the entry of the legend, if any."""
    lines = [line for run in chart.runs for line in _lines(run, canvas.row_centres.tolist())]
    if not lines:
        return []
    style: dict[str, Any] = {
        "colors": LOOP_HELD_UP.colour,
        "linewidths": LOOP_HELD_UP.width,
        "zorder": 3.4,
        "capstyle": "butt",
    }
    canvas.ax.add_collection(LineCollection(lines, gid="loop-held-up", **style), autolim=False)
    return [LOOP_HELD_UP]


def held_up(run: Run) -> RowStretches:
    """Return when bars held up their loop: at most 5,000 stretches, by row and start."""
    columns = run.nesting.columns
    waits = columns.rows[loop_blocks(columns)[:MOST_LINES]]
    owner = waits["parent_id"].astype(np.int64)
    order = np.flatnonzero(np.isin(run.ids, owner))
    order = order[np.argsort(run.ids[order], kind="stable")]  # those of one branch stay in the order of their starts
    first, last = (np.searchsorted(run.ids[order], owner, side=side) for side in ("left", "right"))
    has_bar = np.flatnonzero(first < last)
    place, waits = order[first[has_bar]], waits[has_bar]
    by_row = np.lexsort((waits["started_ns"], run.row_of[place]))
    return RowStretches(place[by_row], *(waits[name][by_row].astype(np.int64) for name in ("started_ns", "ended_ns")))


def _lines(run: Run, row_centres: Sequence[float]) -> Iterator[Line]:
    """Yield lines of points (time [s], height): above the bars that held up their loop, where they did."""
    for place, *times in zip(*(each.tolist() for each in held_up(run)), strict=True):
        y = row_centres[run.row_of[place]] - Size.full / 2
        yield [((time_ns - run.first_ns) / 1e9, y) for time_ns in times]
