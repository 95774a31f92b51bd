"""The tracks of spans in a viewer: rows in which spans lie within or beside each other.

Belongs here: order and nesting within lanes. Does not belong here: what an event looks like (``perfetto``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.trace.columns import SpanColumns

__all__ = ["Tracks", "enclosing", "nearest_node", "outside_in", "parent_positions", "place"]

Ints = npt.NDArray[np.int64]

COROUTINE_LANES = ("async", "task")  # on these kinds of lanes other branches run while one waits
CHUNK = 65_536
UNITS = ("branch", "attempt", "wait")


class Tracks(NamedTuple):
    """The order and the tracks of spans."""

    order: Ints
    apart: Ints


def place(columns: SpanColumns) -> Tracks:
    """Return the tracks of spans, such that those of one track lie within or beside each other."""
    parents, lanes = parent_positions(columns), _lane(columns)
    depth, _ = _climb(parents)
    numbers, starts, ends = (columns.column(name) for name in ("span_id", "started_ns", "ended_ns"))
    # By lane and start; spans that begin at the same time from outside in, then by their ends.
    order = np.lexsort((numbers, ends, depth, starts, lanes)).astype(np.int64)
    apart = np.zeros(len(columns), np.int64)
    kinds = (lane.rpartition("/")[2].rpartition("-")[0] for lane in columns.lanes)
    is_coroutine = np.array([kind in COROUTINE_LANES for kind in kinds], np.bool_)
    goes_apart = columns.is_kind(*UNITS) & is_coroutine[columns.rows["lane"]]
    row: list[int] = []  # the ends of what is open in the row of the lane [ns]
    rows_apart: dict[int, list[int]] = {}  # the same by number of their outermost span
    lane_before = -1
    for position, number, parent, lane, start, end in _in_chunks(order, numbers, parents, lanes, starts, ends):
        if lane != lane_before:
            row, rows_apart, lane_before = [], {}, lane
        home = int(apart[parent]) if parent >= 0 else 0
        if home in rows_apart and _fits(rows_apart[home], start, end) and rows_apart[home]:
            apart[position] = home
            rows_apart[home].append(end)
        elif _fits(row, start, end) and (row or not goes_apart[position]):
            row.append(end)
        else:
            apart[position] = number
            rows_apart[number] = [end]
    return Tracks(order, apart)


def _lane(columns: SpanColumns) -> Ints:
    """Return a number for the lane of each span; lanes whose names became equal by being cut are one."""
    first = {lane: code for code, lane in reversed(list(enumerate(columns.lanes)))}
    return np.array([first[lane] for lane in columns.lanes], np.int64)[columns.column("lane")]


def _in_chunks(order: Ints, *fields: Ints) -> Iterator[tuple[int, ...]]:
    """Yield each position with its fields; a list of all of them would take ten times as much memory."""
    for first in range(0, len(order), CHUNK):
        at = order[first : first + CHUNK]
        yield from zip(at.tolist(), *(field[at].tolist() for field in fields), strict=True)


def enclosing(columns: SpanColumns) -> Ints:
    """Return for each span the span id of the innermost one of its lane that encloses it by its times, or 0."""
    rows = columns.rows
    order = np.lexsort((rows["span_id"], -rows["ended_ns"], rows["started_ns"], rows["lane"]))
    fields = (columns.column(name) for name in ("span_id", "lane", "started_ns", "ended_ns"))
    found = np.zeros(len(rows), np.int64)
    open_spans: list[tuple[int, int]] = []  # (end, number)
    lane_before = -1
    for position, number, lane, start, end in _in_chunks(order.astype(np.int64), *fields):
        if lane != lane_before:
            open_spans, lane_before = [], lane
        while open_spans and open_spans[-1][0] <= start:
            open_spans.pop()
        if not open_spans or end <= open_spans[-1][0]:
            found[position] = open_spans[-1][1] if open_spans else 0
            open_spans.append((end, number))
    return found


def _fits(open_ends: list[int], start: int, end: int) -> bool:
    """Remove the spans that have ended, and return whether a span lies within those that are open."""
    while open_ends and open_ends[-1] <= start:
        open_ends.pop()
    return not open_ends or end <= open_ends[-1]


def outside_in(columns: SpanColumns) -> Ints:
    """Return the positions of all spans, parents before their children."""
    depth, _ = _climb(parent_positions(columns))
    return np.lexsort((columns.rows["span_id"], columns.rows["started_ns"], depth)).astype(np.int64)


def nearest_node(columns: SpanColumns) -> Ints:
    """Return the position of the innermost node that encloses each span, or is it; -1 where there is none."""
    is_node = columns.is_kind("node")
    _, last = _climb(np.where(is_node, -1, parent_positions(columns)))
    return np.where(is_node[last], last, -1) if len(last) else last


def parent_positions(columns: SpanColumns) -> Ints:
    """Return the position of the parent of each span, or -1."""
    numbers, parents = columns.column("span_id"), columns.column("parent_id")
    if not len(numbers):
        return parents
    order = np.argsort(numbers, kind="stable")
    at = order[np.minimum(np.searchsorted(numbers, parents, sorter=order), len(numbers) - 1)]
    return np.where(numbers[at] == parents, at, -1).astype(np.int64)


def _climb(parent: Ints) -> tuple[Ints, Ints]:
    """Return the number of ancestors of each position, and the topmost one, by doubling the distance in each pass."""
    steps, last = (parent >= 0).astype(np.int64), np.where(parent >= 0, parent, np.arange(len(parent)))
    jump = parent
    # So many passes are enough for any depth, and it ends also where a damaged trace has a cycle.
    for _ in range(len(parent).bit_length()):
        steps += np.where(jump >= 0, steps[jump], 0)
        last = np.where(jump >= 0, last[jump], last)
        jump = np.where(jump >= 0, jump[jump], -1)
    return steps, last
