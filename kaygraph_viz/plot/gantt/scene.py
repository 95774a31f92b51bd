"""What a chart over time shows, as data: its runs, their bars and parts, and the rows of all of them.

Belongs here: which span goes to which row of which run, what its bar consists of, and which rows become a band. Does
not belong here: rectangles (``layout``), and anything that knows a plotting library.

A branch that only hands its work to others is not drawn: the others say it all, and a row of waiting beside theirs
would look like one more worker. What it did by itself is drawn where it can be seen: where a stretch of it takes a
hundredth of the chart, or all of it a fiftieth of the time of the branches. Less is the cost of handing over. Branches
of one name are treated alike: either all of them are drawn, or none. What held up a loop is always drawn, and so is
what ended badly while nothing within it did: its end is marked. What kept a worker that did other things, too, is drawn
as well: that worker would look free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, count, groupby
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.blocked_loop import loop_blocks
from kaygraph_viz.analysis.own_time import contain_work, recorded_owner, with_own_time
from kaygraph_viz.analysis.summary import Summary, summarize
from kaygraph_viz.analysis.workers import kind_of_lane
from kaygraph_viz.base.parts import NO_SHARE, PART_CODE, derived_parts
from kaygraph_viz.plot.labels import clean, clean_apart
from kaygraph_viz.plot.rows import NAME_LIMIT, Row, assign_rows, stack
from kaygraph_viz.trace.columns import SpanColumns, Stretches, repeated, stretches, sums
from kaygraph_viz.trace.intervals import Bools, Ints, first_of_runs
from kaygraph_viz.trace.nesting import Nesting, Places, extent_ns, is_own_time, told_within, unit_mask
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.trace.trace import Trace

CPU, PAUSE, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "pause", "unknown"))


class Attempt(NamedTuple):
    """One attempt of a branch, or a pause between two of them, from and to [ns]."""

    started_ns: int
    ended_ns: int
    status: str
    cpu_ns: int = -1
    blocked_ns: int = 0
    is_pause: bool = False


class Attempts:
    """An index of the attempts of branches."""

    def __init__(self, nesting: Nesting) -> None:
        self._rows = nesting.columns.rows
        self._within: dict[int, list[int]] = {}
        for position in np.flatnonzero(nesting.columns.is_kind("attempt") & (nesting.parent >= 0)).tolist():
            self._within.setdefault(int(nesting.parent[position]), []).append(position)

    @property
    def several(self) -> list[int]:
        """The positions of the branches that were tried more than once."""
        return [position for position, within in self._within.items() if len(within) > 1]

    def of(self, position: int) -> list[Attempt]:
        """Return the attempts of a branch with the pauses between them, without gaps; of one attempt itself."""
        whole, within = self._attempt(position), self._within.get(position, [])
        if len(within) < 2:
            return [whole]
        found: list[Attempt] = []
        at = whole.started_ns
        for attempt in _with_shares([self._attempt(place) for place in within], whole):
            found += [Attempt(at, attempt.started_ns, "ok", is_pause=True), attempt]
            at = attempt.ended_ns
        found.append(Attempt(at, whole.ended_ns, "ok", is_pause=True))
        return [part for part in found if part.ended_ns > part.started_ns]

    def _attempt(self, position: int) -> Attempt:
        row = self._rows[position]
        start, end, cpu, blocked = (int(row[name]) for name in ("started_ns", "ended_ns", "cpu_ns", "blocked_ns"))
        return Attempt(start, end, STATUSES[row["status"]], cpu, blocked)


def _with_shares(attempts: list[Attempt], whole: Attempt) -> list[Attempt]:
    """Divide the CPU and blocked time of a branch among its attempts by their lengths, if only the sums are known."""
    if whole.cpu_ns < 0 or any(attempt.cpu_ns >= 0 for attempt in attempts):
        return attempts
    total = sum(attempt.ended_ns - attempt.started_ns for attempt in attempts) or 1
    lengths = [attempt.ended_ns - attempt.started_ns for attempt in attempts]
    return [
        attempt._replace(cpu_ns=whole.cpu_ns * length // total, blocked_ns=whole.blocked_ns * length // total)
        for attempt, length in zip(attempts, lengths, strict=True)
    ]


def bar_parts(columns: SpanColumns, units: Places, attempts: Attempts) -> Stretches:
    """Return the parts of the bars of a run, bar by bar in the order of time."""
    found, ids = stretches(columns, units), columns.rows["span_id"]
    several = np.intersect1d(attempts.several, units)
    old = {
        place: attempts.of(position)
        for place, position in zip(np.searchsorted(units, several).tolist(), several.tolist(), strict=True)
        if columns.parts.of(int(ids[position])) is None
    }
    if not old:
        return found
    added = [(place, *part) for place, attempts in old.items() for attempt in attempts for part in _parts(attempt)]
    kept = ~np.isin(found.owner, list(old))
    owner, kind, started, ended, share = zip(*added, strict=True)
    owners = np.concatenate([found.owner[kept], np.array(owner, np.intp)])
    starts = np.concatenate([found.started_ns[kept], np.array(started, np.int64)])
    order = np.lexsort((starts, owners))
    return Stretches(
        owners[order],
        np.concatenate([found.kind[kept], np.array(kind, np.uint8)])[order],
        starts[order],
        np.concatenate([found.ended_ns[kept], np.array(ended, np.int64)])[order],
        np.concatenate([found.cpu_share[kept], np.array(share, np.float64)])[order],
    )


def _parts(attempt: Attempt) -> Iterator[tuple[int, int, int, float]]:
    """Yield kind, start and end [ns] and share of CPU of each part of an attempt, as `Stretches` has them."""
    at = attempt.started_ns
    known = derived_parts(at, attempt.ended_ns, attempt.cpu_ns, attempt.blocked_ns)
    for code, until_ns, share in ((PAUSE, attempt.ended_ns, NO_SHARE),) if attempt.is_pause else known:
        unknown_share = np.nan if share < 0 else share
        yield code, at, until_ns, float(code == CPU) if code != UNKNOWN else unknown_share
        at = until_ns


# -- branches around others ------------------------------------------------------------------------------------------

LEAST_SHARE = 0.02  # of the time of the branches
LEAST_WIDTH = 0.01  # of the chart


def with_drawn_own_time(nesting: Nesting) -> Nesting:
    """Return the spans with phases for the own time of the branches around others that are drawn."""
    is_around = contain_work(nesting)
    if not is_around.any():
        return nesting
    is_bad = is_around & ~told_within(nesting)
    is_seen = _worked(nesting, is_around)
    name, lane, around_it = nesting.columns.rows["name"], nesting.columns.column("lane"), nesting.nearest(is_around)
    is_step = (around_it >= 0) & (lane[around_it] == lane)
    drawn_lanes = lane[unit_mask(nesting) & ~is_around & ~is_step]  # in any case: their workers would look free
    is_seen[name[is_bad | (is_around & np.isin(lane, drawn_lanes))]] = True
    is_drawn = is_around & is_seen[name]
    found = with_own_time(nesting, has_generators=False, of=is_drawn)  # generators do nothing while nobody asks

    # the time in the queue of a branch stands before what it did by itself at its begin
    rows, parent = found.columns.rows.copy(), found.parent
    own = np.flatnonzero(is_own_time(found.columns))
    at_begin = own[rows["started_ns"][own] == rows["started_ns"][parent[own]]]
    rows["submitted_ns"][at_begin] = rows["submitted_ns"][parent[at_begin]]

    # what ended badly has its status at the end of what it did by itself
    own = own[np.lexsort((found.columns.column("started_ns")[own], parent[own]))]
    is_last = np.append(first_of_runs(parent[own])[1:], True)[: len(own)]
    ends = own[is_last & np.isin(rows["span_id"][parent[own]], nesting.columns.rows["span_id"][is_bad])]
    rows["status"][ends] = rows["status"][parent[ends]]
    return Nesting(replace(found.columns, rows=rows), parent)


def _worked(nesting: Nesting, around: Bools) -> Bools:
    """Return whether what the branches of each name around others did by themselves can be seen."""
    columns, found = nesting.columns, with_own_time(nesting, has_generators=False)
    own = np.flatnonzero(is_own_time(found.columns))
    name, size = columns.column("name"), len(columns.names)
    own_name = found.columns.column("name")[found.parent[own]]
    own_ns = (found.columns.column("ended_ns") - found.columns.column("started_ns"))[own]
    lasted_ns = (columns.column("ended_ns") - columns.column("started_ns"))[around]
    first_ns, last_ns = extent_ns(columns)
    worked = sums(own_name, own_ns, size)
    is_seen: Bools = (worked > 0) & (worked >= LEAST_SHARE * sums(name[around], lasted_ns, size))
    is_seen[own_name[own_ns >= LEAST_WIDTH * (last_ns - first_ns)]] = True
    held_up = nesting.parent[loop_blocks(columns)]
    is_seen[name[held_up[held_up >= 0]]] = True
    return is_seen


# -- runs and rows ---------------------------------------------------------------------------------------------------

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
    trace: Trace
    nesting: Nesting
    units: Places
    row_of: Ints
    nodes: tuple[NodeLine, ...]
    first_ns: int
    last_ns: int

    @property
    def predicted_from(self) -> str:
        """What it was predicted from; empty if it was measured."""
        return self.trace.predicted_from

    @cached_property
    def summary(self) -> Summary:
        """Its numbers."""
        return summarize(self.trace)

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
        return sum(run.trace.dropped for run in self.runs)

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
    run = Run(name, trace, nesting, units, row_of + len(rows), nodes, *extent)
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


# -- bands -----------------------------------------------------------------------------------------------------------

MAX_ROWS = 200  # that are drawn one by one
MAX_BANDS = 30  # each still has room for a name
FEW_ROWS = 10  # rows of one kind of worker that stay as they are beside bands of others
DIGITS = "0123456789"


def folded(chart: Chart, most: int = MAX_ROWS) -> Chart:
    """Return the chart, with its rows folded into bands if it has more than `most` rows of workers."""
    if chart.row_count <= most:
        return chart
    firsts = sorted([*_firsts(chart), *(number for number, row in enumerate(chart.rows) if row.is_heading)])
    sizes = np.diff([*firsts, len(chart.rows)])
    rows = list[Row]()
    for first, size in zip(firsts, sizes.tolist(), strict=True):
        row, last = chart.rows[first], chart.rows[first + size - 1]
        band = Row(row.lane, f"{_names(row.lane, last.lane)} ({size:,})", stands_for=size)
        rows.append(row if size == 1 else band)
    new = repeated(np.arange(len(firsts)), sizes)
    runs = (
        replace(run, row_of=new[run.row_of], nodes=tuple(replace(line, row=int(new[line.row])) for line in run.nodes))
        for run in chart.runs
    )
    return Chart(tuple(runs), tuple(rows))


def _firsts(chart: Chart) -> Iterator[int]:
    """Yield the first row of each band, and the rows that stay as they are."""
    stretches = list(_by_kind(chart))
    if len(stretches) > MAX_BANDS:
        stretches = chart.blocks()
    small = [stretch for stretch in stretches if len(stretch) <= FEW_ROWS]
    if sum(map(len, small)) <= MAX_BANDS:
        yield from chain.from_iterable(small)
        stretches = [stretch for stretch in stretches if len(stretch) > FEW_ROWS]
    limit = max(MAX_BANDS, len(stretches))
    sizes = (step * 10**power for power in count() for step in (1, 2, 5))
    size = next(size for size in sizes if sum(-(-len(stretch) // size) for stretch in stretches) <= limit)
    for stretch in stretches:
        yield from stretch[::size]


def _by_kind(chart: Chart) -> Iterator[range]:
    """Yield the rows of each kind of worker that follow each other; those of the main thread are apart."""
    for block in chart.blocks():
        for _, rows in groupby(block, lambda row: (chart.rows[row].lane == "main", kind_of_lane(chart.rows[row].lane))):
            mine = list(rows)
            yield range(mine[0], mine[-1] + 1)


def _names(first: str, last: str) -> str:
    if first == last:
        return clean_apart([first], NAME_LIMIT)[0]
    words = clean_apart([first, last], NAME_LIMIT)
    before, after = first.rstrip(DIGITS), last.rstrip(DIGITS)
    is_short = before == after and "" not in (before, last[len(after) :])
    return f"{words[0]} to {clean(last[len(after) :]) if is_short else words[1]}"
