"""Rows for spans that have no lane: those that overlap get different ones.

Belongs here: which row of its group a span is in. Does not belong here: what the groups are (``otlp_reader``), rows of
a chart (``plot.rows``).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

__all__ = ["Packed", "pack_rows"]


class Packed(NamedTuple):
    """A span to put into a row: its group, its begin and end [ns], and the position of the span around it, or -1."""

    group: int
    started_ns: int
    ended_ns: int
    parent: int


class _Group:
    """The rows of one group: which are free, and until when the others are taken."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int]] = []  # (end, row)
        self._free: list[int] = []
        self._count = 0
        self.open: dict[int, list[tuple[int, int]]] = {}  # by row: end and position of the spans within each other

    def take(self, started_ns: int, ended_ns: int) -> int:
        """Return the lowest row in which nothing runs any more, and take it."""
        while self._taken and self._taken[0][0] <= started_ns:
            heappush(self._free, heappop(self._taken)[1])
        if not self._free:
            heappush(self._free, self._count)
            self._count += 1
        row = heappop(self._free)
        heappush(self._taken, (ended_ns, row))
        self.open[row] = []
        return row

    def is_innermost(self, row: int, position: int, now_ns: int) -> bool:
        """Return whether a span runs in a row, and none within it."""
        spans = self.open[row]
        while spans and spans[-1][0] <= now_ns:
            spans.pop()
        return bool(spans) and spans[-1][1] == position


def pack_rows(spans: Sequence[Packed]) -> list[int]:
    """Return the row of each span in its group, from 0, such that spans of one row lie within or beside each other."""
    groups: dict[int, _Group] = {}
    rows: list[int] = []
    for position, (number, started_ns, ended_ns, parent) in enumerate(spans):
        group = groups.setdefault(number, _Group())
        is_with_parent = (
            0 <= parent < position
            and spans[parent].group == number
            and group.is_innermost(rows[parent], parent, started_ns)
        )
        row = rows[parent] if is_with_parent else group.take(started_ns, ended_ns)
        group.open[row].append((ended_ns, position))
        rows.append(row)
    return rows
