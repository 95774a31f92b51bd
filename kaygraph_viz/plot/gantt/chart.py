"""The data of a chart over time: its runs, each from its own first submission on, and the rows of all of them.

Belongs here: which span goes to which row of which run. Does not belong here: rectangles (``layout``, ``bins``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.nesting import Nesting, Places, extent_ns, unit_mask
from kaygraph_viz.analysis.own_time import recorded_owner
from kaygraph_viz.plot.gantt.attempts import Attempts, bar_parts
from kaygraph_viz.plot.gantt.own_time import with_drawn_own_time
from kaygraph_viz.plot.labels import clean, clean_apart
from kaygraph_viz.plot.rows import Row, assign_rows, stack
from kaygraph_viz.trace.part_table import Stretches
from kaygraph_viz.trace.trace import Trace

__all__ = ["Chart", "NodeLine", "Run"]

NODE_HEIGHT = 0.62  # of one level of node lines [rows]
MAX_NODE_LEVELS = 3


@dataclass(frozen=True)
class NodeLine:
    """One run of a node: a line in the row above the workers."""

    row: int
    level: int
    x0_s: float
    x1_s: float
    label: str


@dataclass(frozen=True)
class Run:
    """One trace in a chart: its bars, their rows, and the lines of its nodes."""

    name: str
    nesting: Nesting
    units: Places
    row_of: Ints
    nodes: tuple[NodeLine, ...]
    first_ns: int
    last_ns: int
    dropped: int = 0
    predicted_from: str = ""

    @cached_property
    def ids(self) -> Ints:
        """The number of each unit; of what a branch around others did by itself, that of the branch."""
        return recorded_owner(self.nesting.columns)[self.units]

    @property
    def extent_s(self) -> float:
        """The makespan [s]."""
        return (self.last_ns - self.first_ns) / 1e9

    @cached_property
    def attempts(self) -> Attempts:
        """The attempts of its branches."""
        return Attempts(self.nesting)

    @cached_property
    def parts(self) -> Stretches:
        """The parts of its bars, by the order of bars."""
        return bar_parts(self.nesting.columns, self.units, self.attempts)

    def since_start(self, name: str) -> Ints:
        """Return a column of times of its units [ns], from the first submission."""
        return self.nesting.columns.column(name)[self.units] - self.first_ns


@dataclass(frozen=True)
class Chart:
    """The runs of a chart and its rows, from top to bottom."""

    runs: tuple[Run, ...]
    rows: tuple[Row, ...]

    @classmethod
    def of(
        cls,
        traces: Trace | Mapping[str, Trace],
        group_by: str = "worker",
        *,
        is_short: bool = True,
        has_own_time: bool = False,
    ) -> Chart:
        """Arrange the rows of one trace, or of several below each other, each under its name."""
        named = traces.items() if isinstance(traces, Mapping) else [("", traces)]
        rows: list[Row] = []
        runs = tuple(
            _run(clean(name) if name else "", trace, rows, group_by, is_short, has_own_time) for name, trace in named
        )
        return cls(runs, tuple(rows))

    @property
    def extent_s(self) -> float:
        """The longest makespan [s]."""
        return max((run.extent_s for run in self.runs), default=0.0)

    @property
    def bar_count(self) -> int:
        """The number of units of work in all runs."""
        return sum(len(run.units) for run in self.runs)

    @property
    def dropped(self) -> int:
        """The number of spans that were not kept, in all runs."""
        return sum(run.dropped for run in self.runs)

    @property
    def row_count(self) -> int:
        """The number of rows of workers, also of those that are folded into bands."""
        return sum(row.stands_for for row in self.rows if not row.is_heading)

    @property
    def folded_count(self) -> int:
        """The number of rows of workers that are folded into bands."""
        return sum(row.stands_for for row in self.rows if row.stands_for > 1)

    @property
    def band_count(self) -> int:
        """The number of bands: rows that stand for several."""
        return sum(row.stands_for > 1 for row in self.rows)

    def blocks(self) -> list[range]:
        """Return the rows of workers, as ranges of rows that follow each other."""
        found: list[range] = []
        for number, row in enumerate(self.rows):
            if row.is_heading:
                continue
            follows = found and found[-1].stop == number
            found[-1:] = [range(found[-1].start, number + 1)] if follows else [*found[-1:], range(number, number + 1)]
        return found


def _run(name: str, trace: Trace, rows: list[Row], group_by: str, is_short: bool, has_own_time: bool) -> Run:
    """Append the rows of a trace to those above it."""
    nesting = Nesting.of(trace.columns)
    if has_own_time:
        nesting = with_drawn_own_time(nesting)
    units = np.flatnonzero(unit_mask(nesting))
    row_of, mine = assign_rows(nesting, units, group_by, is_short=is_short)
    nodes = _node_lines(nesting, len(rows)) if group_by == "worker" else ()
    levels = 1 + max((line.level for line in nodes), default=-1)
    if name or levels:
        rows.append(Row("", name, is_heading=True, height=max(bool(name), levels * NODE_HEIGHT)))
    extent = extent_ns(nesting.columns)
    run = Run(name, nesting, units, row_of + len(rows), nodes, *extent, trace.dropped, trace.predicted_from)
    rows.extend(mine)
    return run


def _node_lines(nesting: Nesting, row: int) -> tuple[NodeLine, ...]:
    """Return a line for each run of a node, outer nodes above inner ones; none where there is only one node."""
    columns = nesting.columns
    nodes = np.flatnonzero(columns.is_kind("node"))
    starts, ends = (columns.column(name)[nodes] - extent_ns(columns)[0] for name in ("started_ns", "ended_ns"))
    depth = nesting.depth()[nodes]
    level, levels = np.full(len(nodes), -1), 0
    for outer in np.unique(depth).tolist():
        mine = depth == outer
        found = stack(starts[mine], ends[mine])
        if levels + int(found.max()) >= MAX_NODE_LEVELS:
            break
        level[mine], levels = levels + found, levels + int(found.max()) + 1
    shown = np.flatnonzero(level >= 0)
    if len(shown) < 2:
        return ()
    names = clean_apart([columns.names[code] for code in columns.rows["name"][nodes[shown]].tolist()])
    places = zip(
        level[shown].tolist(), (starts[shown] / 1e9).tolist(), (ends[shown] / 1e9).tolist(), names, strict=True
    )
    return tuple(NodeLine(row, *place) for place in places)
