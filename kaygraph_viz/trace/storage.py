"""The storage of a recorder: its interface, and the light one of processes that send their rows on.

Belongs here: keeping rows without NumPy. Does not belong here: columns (``columns``), translating rows (``wire``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from kaygraph_viz.trace.span import Row, RowTuple

if TYPE_CHECKING:
    from kaygraph_viz.trace.columns import SpanColumns

__all__ = ["RowList", "Storage"]

PARENT = Row._fields.index("parent_id")


class Storage(Protocol):
    """The interface of a storage of rows: `Spans`, or `RowList` in a process that only sends them on."""

    buffer: list[RowTuple]
    dropped: int

    @property
    def append(self) -> Callable[[RowTuple], None]:
        """The function that keeps a row."""

    def compact(self) -> None:
        """Make room in the buffer."""

    def columns(self) -> SpanColumns:
        """Return all rows so far."""

    def sealed(self, last: Mapping[int, RowTuple]) -> SpanColumns:
        """Return the rows compacted so far and those of `last` that are not among them."""


class RowList:
    """The storage of a recorder in a process that keeps no trace of its own: rows that are fetched after each item."""

    def __init__(self, max_spans: int) -> None:
        self.buffer: list[RowTuple] = []
        self.dropped = 0
        self._max_spans = max_spans
        self._rows: list[RowTuple] = []

    def append(self, row: RowTuple) -> None:
        """Keep a row."""
        self.buffer.append(row)

    def compact(self) -> None:
        """Move the buffer, which the recorder keeps short, to the rows that are kept."""
        count = len(self.buffer)
        room = max(0, self._max_spans - len(self._rows))
        rows = self.buffer[: min(count, room)] + [row for row in self.buffer[room:count] if not row[PARENT]]
        self._rows += rows
        self.dropped += count - len(rows)
        del self.buffer[:count]

    def fetch(self) -> list[Row]:
        """Return the rows since the last time."""
        return [Row._make(row) for row in self.take()]

    def take(self) -> list[RowTuple]:
        """Return the rows since the last time as they were given: most are plain tuples."""
        count = len(self.buffer)
        rows, self._rows = self._rows + self.buffer[:count], []
        del self.buffer[:count]
        return rows

    def columns(self) -> SpanColumns:
        """Raise `NotImplementedError`: a worker process keeps no trace."""
        raise NotImplementedError("a worker process keeps no trace")

    def sealed(self, last: Mapping[int, RowTuple]) -> SpanColumns:
        """Raise `NotImplementedError`: a worker process keeps no trace."""
        raise NotImplementedError("a worker process keeps no trace")
