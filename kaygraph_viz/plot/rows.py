"""Rows of a chart: which lane is drawn where, and how bars of one lane that overlap are kept apart.

Belongs here: order and number of rows. Does not belong here: what is in them (``layout``).
"""

from __future__ import annotations

import heapq
import re
from typing import Any, NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import Ints, first_of_runs, running_max_by_group
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.analysis.workers import idle_lanes
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.columns import SpanColumns

__all__ = ["RowLabel", "assign_rows", "lane_order", "stack"]


class RowLabel(NamedTuple):
    """One row: its lane, and which of the rows of that lane it is, from 0."""

    lane: str
    part: int

    @property
    def text(self) -> str:
        """What stands beside the row: the lane, once."""
        return clean(self.lane, 24) if not self.part else ""


def lane_order(lane: str) -> tuple[Any, ...]:
    """Return the sorting key of a lane: main first, then by kind of worker, then by number.

    Examples
    --------
    >>> sorted(["thread-10", "process-1", "thread-2", "main"], key=lane_order)
    ['main', 'process-1', 'thread-2', 'thread-10']
    """
    kind, _, _ = lane.rpartition("-")
    return (lane != "main", kind, [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _numbers(lane)])


def _numbers(lane: str) -> list[str]:
    return [part for part in re.split(r"(\d{1,18})", lane[:200]) if part]


def assign_rows(columns: SpanColumns, units: Places) -> tuple[Ints, tuple[RowLabel, ...]]:
    """Return the row of each unit, and the rows from top to bottom.

    Workers that got nothing to do have an empty row. Where units of one lane overlap, as coroutines in one thread do,
    the lane gets as many rows as it needs.

    Parameters
    ----------
    columns
        The spans of a trace.
    units
        Positions of the units of work.
    """
    codes = columns.column("lane")[units]
    starts, ends = columns.column("started_ns")[units], columns.column("ended_ns")[units]
    crowded = _crowded_lanes(codes, starts, ends)
    row_of = np.zeros(len(units), np.int64)
    rows: list[RowLabel] = []
    code_of: dict[str, int] = {columns.lanes[code]: code for code in np.unique(codes).tolist()}
    for lane in sorted([*code_of, *idle_lanes(columns)], key=lane_order):
        mine = np.flatnonzero(codes == code_of.get(lane, -1))
        is_crowded = code_of.get(lane) in crowded
        part = stack(starts[mine], ends[mine]) if is_crowded else np.zeros(len(mine), np.int64)
        row_of[mine] = len(rows) + part
        rows += [RowLabel(lane, number) for number in range(int(part.max(initial=0)) + 1)]
    return row_of, tuple(rows)


def _crowded_lanes(codes: Ints, starts: Ints, ends: Ints) -> set[int]:
    order = np.lexsort((ends, starts, codes))
    codes, starts, ends = codes[order], starts[order], ends[order]
    is_first = first_of_runs(codes)
    overlaps = (starts[1:] < running_max_by_group(ends, is_first)[:-1]) & ~is_first[1:]
    return set(codes[1:][overlaps].tolist())


def stack(starts: Ints, ends: Ints) -> Ints:
    """Return a level for each interval such that those of one level do not overlap, with as few levels as possible.

    Examples
    --------
    >>> stack(np.array([0, 1, 5]), np.array([4, 2, 6])).tolist()
    [0, 1, 0]
    """
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
