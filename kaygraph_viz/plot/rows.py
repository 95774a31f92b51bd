"""The rows of a chart: the rows of each lane, one or more so that bars in a row do not overlap.

Belongs here: order, number and height of rows. Does not belong here: what is in them (``gantt.layout``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.workers import idle_lanes, kind_of_lane, lane_order
from kaygraph_viz.plot.labels import clean_apart
from kaygraph_viz.trace.intervals import Ints, first_of_runs, running_max_by_group
from kaygraph_viz.trace.nesting import Nesting, Places

GROUP_BY = ("worker", "node")
MAX_GROUPS = 40
OUTSIDE = "outside nodes"
NAME_LIMIT = 24


class Row(NamedTuple):
    """One row of a chart, of a worker, a heading, or a band of many rows of workers."""

    lane: str
    text: str
    is_heading: bool = False
    height: float = 1.0
    stands_for: int = 1


def centres(rows: Sequence[Row]) -> list[float]:
    """Return the height of the middle of each row, counted downwards from the first row with a lane."""
    ends = np.cumsum([row.height for row in rows])
    middles = ends - np.array([row.height for row in rows]) / 2
    zero = next((middle for row, middle in zip(rows, middles, strict=True) if row.lane), 0.5)
    found: list[float] = (middles - zero).tolist()
    return found


def assign_rows(
    nesting: Nesting, units: Places, group_by: str = "worker", *, is_short: bool = True
) -> tuple[Ints, tuple[Row, ...]]:
    """Return the row of each unit, and the rows from top to bottom."""
    group, names = _groups(nesting, units) if group_by == "node" else (np.zeros(len(units), np.int64), [""])
    strips = [*_strips(nesting, units, group)]
    strips += _idle(nesting, {kind_of_lane(strip.lane): strip.group for strip in reversed(strips)})
    lanes = sorted({strip.lane for strip in strips})
    shown = dict(zip(lanes, clean_apart(lanes, NAME_LIMIT), strict=True))
    row_of, rows = np.zeros(len(units), np.int64), list[Row]()
    strips.sort(key=lambda strip: (strip.group, lane_order(strip.lane)))
    for number, members in groupby(strips, key=lambda strip: strip.group):
        mine = list(members)
        is_merged = is_short and len(mine) == 1 and mine[0].height == 1
        if names[number] and not is_merged:
            rows.append(Row("", names[number], is_heading=True))
        for strip in mine:
            row_of[strip.places] = len(rows) + strip.level
            rows += strip.rows(shown[strip.lane], names[number] if is_merged else "")
    return row_of, tuple(rows)


class _Strip(NamedTuple):
    """The bars of one lane in one group: their places among the units, and the level of each, one level at least."""

    group: int
    lane: str
    places: Places
    level: Ints

    @property
    def height(self) -> int:
        return int(self.level.max()) + 1

    def rows(self, name: str, group: str) -> Iterator[Row]:
        yield Row(self.lane, f"{group} · {name}" if group else name)
        for _ in range(self.height - 1):
            yield Row(self.lane, "")


def _idle(nesting: Nesting, group_of: Mapping[str, int]) -> Iterator[_Strip]:
    """Yield the lanes of workers without work, each in the first group that has workers of its kind."""
    for lane in idle_lanes(nesting.columns):
        yield _Strip(group_of.get(kind_of_lane(lane), 0), lane, np.empty(0, np.intp), np.zeros(1, np.int64))


def _groups(nesting: Nesting, units: Places) -> tuple[Ints, list[str]]:
    """Return the number of the node of each unit, by name, in the order in which nodes began, and their names."""
    columns = nesting.columns
    node = nesting.nearest(columns.is_kind("node", "graph"))[units]
    code = np.append(columns.column("name"), -1)[node]
    known, first, number = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    names = clean_apart([columns.names[code] if code >= 0 else OUTSIDE for code in known[order].tolist()], NAME_LIMIT)
    if len(names) > MAX_GROUPS:
        names[MAX_GROUPS - 1 :] = [f"{len(names) - MAX_GROUPS + 1:,} more nodes"]
    return np.minimum(rank[number], len(names) - 1), names or [OUTSIDE]


def _strips(nesting: Nesting, units: Places, group: Ints) -> Iterator[_Strip]:
    columns = nesting.columns
    lane, starts, ends = (columns.column(name)[units] for name in ("lane", "started_ns", "ended_ns"))
    order = np.lexsort((ends, starts, lane, group))
    starts, ends = starts[order], ends[order]
    is_first = first_of_runs(group[order], lane[order])
    overlaps = (starts[1:] < running_max_by_group(ends, is_first)[:-1]) & ~is_first[1:]
    crowded = set(np.cumsum(is_first)[1:][overlaps].tolist())
    borders = [*np.flatnonzero(is_first).tolist(), len(units)]
    for number, (low, high) in enumerate(pairwise(borders), 1):
        level = stack(starts[low:high], ends[low:high]) if number in crowded else np.zeros(high - low, np.int64)
        at = order[low]
        yield _Strip(int(group[at]), columns.lanes[lane[at]], order[low:high], level)


def stack(starts: Ints, ends: Ints) -> Ints:
    """Return a level for each interval such that those of one level do not overlap, with as few levels as possible."""
    level_of = np.zeros(len(starts), np.int64)
    busy: list[tuple[int, int]] = []  # (end, level)
    free: list[int] = []
    levels = 0
    for place in np.lexsort((ends, starts)).tolist():
        while busy and busy[0][0] <= starts[place]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            free, levels = [levels], levels + 1
        level_of[place] = level = heapq.heappop(free)
        heapq.heappush(busy, (int(ends[place]), level))
    return level_of
