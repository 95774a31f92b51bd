"""Many spans as typed columns: 76 bytes a span, and 13 bytes more for each part that was noted.

Belongs here: the storage of finished spans and their translation to and from rows and `Span` objects.
Does not belong here: when spans are collected (``recorder``) and what they mean (``analysis``).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from kaygraph_viz.texts import cut, without_secrets
from kaygraph_viz.trace.part_table import PartCollector, PartTable
from kaygraph_viz.trace.span import KINDS, NO_ATTRIBUTES, STATUSES, Row, RowTuple, Span

__all__ = ["SPAN_DTYPE", "SpanColumns", "SpanSequence", "Spans"]

SPAN_DTYPE = np.dtype(
    [
        ("span_id", "i8"),
        ("parent_id", "i8"),
        ("index", "i8"),
        ("submitted_ns", "i8"),
        ("started_ns", "i8"),
        ("ended_ns", "i8"),
        ("cpu_ns", "i8"),
        ("blocked_ns", "i8"),
        ("name", "u4"),
        ("lane", "u4"),
        ("attempt", "u2"),
        ("kind", "u1"),
        ("status", "u1"),
    ]
)
MAX_ATTEMPT = np.iinfo(np.uint16).max
TEXT_LIMIT = 200  # characters of a name: longer ones belong into an attribute
ALWAYS_KEPT = ("graph", "node", "phase")  # dropped spans must not take the structure of the run with them
TRANSPOSE_ROWS = 512  # rows that are turned into columns at once: few enough to stay in the processor's cache

_kind_of = itemgetter(Row._fields.index("kind"))  # a `Row` for each of very many that are dropped would take long
_KIND_CODE = {kind: code for code, kind in enumerate(KINDS)}
_STATUS_CODE = {status: code for code, status in enumerate(STATUSES)}
_INTEGERS = ("span_id", "parent_id", "index", "submitted_ns", "started_ns", "ended_ns", "cpu_ns", "blocked_ns")


@dataclass(slots=True)
class SpanColumns:
    """A table of spans, immutable by convention."""

    rows: npt.NDArray[np.void]
    names: Sequence[str] = ()
    lanes: Sequence[str] = ()
    errors: Mapping[int, str] = field(default_factory=dict)
    attributes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    links: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    parts: PartTable = field(default_factory=PartTable)

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> npt.NDArray[np.int64]:
        """Return one numeric column as signed 64-bit integers, shape (n,)."""
        return self.rows[name].astype(np.int64, copy=False)

    def is_kind(self, *kinds: str) -> npt.NDArray[np.bool_]:
        """Return a mask, shape (n,), of the spans of any of these kinds."""
        return np.isin(self.rows["kind"], [_KIND_CODE[kind] for kind in kinds])  # type: ignore[index]

    def is_status(self, *statuses: str) -> npt.NDArray[np.bool_]:
        """Return a mask, shape (n,), of the spans of any of these statuses."""
        return np.isin(self.rows["status"], [_STATUS_CODE[status] for status in statuses])  # type: ignore[index]

    def span(self, position: int) -> Span:
        """Return the span at `position` as an object."""
        fields = self.rows[position].item()
        span_id, parent_id, index, submitted, started, ended, cpu, blocked, name, lane, attempt, kind, status = fields
        return Span(
            span_id,
            parent_id or None,
            self.names[name],
            KINDS[kind],
            self.lanes[lane],
            submitted,
            started,
            ended,
            None if cpu < 0 else cpu,
            blocked,
            STATUSES[status],
            attempt,
            None if index < 0 else index,
            self.errors.get(span_id),
            dict(self.attributes[span_id]) if span_id in self.attributes else NO_ATTRIBUTES,
            self.links.get(span_id, ()),
            self.parts.of(span_id),
        )

    def in_order(self) -> SpanColumns:
        """Return the same spans ordered by start, then by number."""
        starts = self.rows["started_ns"]
        if (starts[:-1] < starts[1:]).all():
            return self
        order = np.lexsort((self.rows["span_id"], self.rows["started_ns"]))
        return replace(self, rows=self.rows[order])


class SpanSequence(Sequence[Span]):
    """The spans of a trace as a read-only sequence that makes `Span` objects only when they are looked at."""

    __slots__ = ("_columns",)

    def __init__(self, columns: SpanColumns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, position: int) -> Span: ...
    @overload
    def __getitem__(self, position: slice) -> list[Span]: ...
    def __getitem__(self, position: int | slice) -> Span | list[Span]:
        if isinstance(position, slice):
            return [self._columns.span(i) for i in range(*position.indices(len(self)))]
        return self._columns.span(position)

    def __repr__(self) -> str:
        return f"<{len(self)} spans>"


class Spans:
    """A storage that collects rows and turns full buffers into columns."""

    def __init__(self, max_spans: int = sys.maxsize) -> None:
        self.max_spans = max_spans
        self.kept = self.dropped = 0
        self.buffer: list[RowTuple] = []
        self.append = self.buffer.append
        self._chunks: list[npt.NDArray[np.void]] = []
        self._names = _Numbers()
        self._lanes = _Numbers()
        self._errors: dict[int, str] = {}
        self._attributes: dict[int, Mapping[str, Any]] = {}
        self._links: dict[int, tuple[int, ...]] = {}
        self._parts = PartCollector()

    def compact(self) -> None:
        """Move the rows buffered so far into columns; the caller holds a lock, so that only one thread compacts."""
        count = len(self.buffer)
        if count:
            rows = self._within_cap(self.buffer[:count])
            del self.buffer[:count]
            self._chunks.append(self._to_array(rows))

    def _within_cap(self, rows: list[RowTuple]) -> list[RowTuple]:
        room = max(0, self.max_spans - self.kept)
        wanted = rows[:room]
        wanted += [row for row in rows[room:] if _kind_of(row) in ALWAYS_KEPT]
        self.kept += len(wanted)
        self.dropped += len(rows) - len(wanted)
        return wanted

    def columns(self) -> SpanColumns:
        """Return all rows so far as one ordered table; the caller holds the same lock as for `compact`."""
        self.compact()
        return self._table()

    def sealed(self, last: Mapping[int, RowTuple]) -> SpanColumns:
        """Return the rows compacted so far and those of `last`, by span number, whose span is not among them."""
        ids = [chunk["span_id"] for chunk in self._chunks]
        ended = {number for part in ids for number in part[np.isin(part, list(last))].tolist()}
        self._chunks.append(self._to_array([row for number, row in last.items() if number not in ended]))
        return self._table()

    def _table(self) -> SpanColumns:
        if len(self._chunks) != 1:
            self._chunks = [np.concatenate([np.empty(0, SPAN_DTYPE), *self._chunks])]
        table = SpanColumns(
            self._chunks[0], _texts(self._names), _texts(self._lanes), self._errors.copy(), self._attributes.copy(),
            self._links.copy(), self._parts.table(),  # copies, since ours go on growing
        ).in_order()  # fmt: skip
        self._chunks = [table.rows]  # rows never change: reader and recorder can share them
        return table

    def _to_array(self, rows: list[RowTuple]) -> npt.NDArray[np.void]:
        array = np.empty(len(rows), SPAN_DTYPE)
        for first in range(0, len(rows), TRANSPOSE_ROWS):
            part = slice(first, first + TRANSPOSE_ROWS)
            self._fill(array[part], dict(zip(Row._fields, zip(*rows[part], strict=True), strict=True)))
        return array

    def _fill(self, array: npt.NDArray[np.void], columns: Mapping[str, Sequence[Any]]) -> None:
        for name in _INTEGERS:
            array[name] = _whole_numbers(columns[name])
        array["name"] = _coded(columns["name"], self._names)
        array["lane"] = _coded(columns["lane"], self._lanes)
        array["kind"] = _coded(columns["kind"], _KIND_CODE)
        array["status"] = _coded(columns["status"], _STATUS_CODE)
        array["attempt"] = np.minimum(_whole_numbers(columns["attempt"]), MAX_ATTEMPT)
        for name, kept in (("error", self._errors), ("attributes", self._attributes), ("links", self._links)):
            if any(columns[name]):
                found = zip(columns["span_id"], columns[name], strict=True)
                kept.update((span_id, value) for span_id, value in found if value)
        if any(columns["parts"]):
            self._parts.add(columns["span_id"], columns["parts"])


class _Numbers(dict[str, int]):
    """The numbers of texts, in the order of their first appearance."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


def _texts(known: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(text if len(text) <= TEXT_LIMIT and not _may_tell(text) else _kept(text) for text in known)


def _may_tell(text: str) -> bool:
    """Return whether there may be a credential in a name; this is fast, since there may be a million of them."""
    return "=" in text or ":" in text


def _kept(text: str) -> str:
    return cut(without_secrets(text[: 4 * TEXT_LIMIT]), TEXT_LIMIT)


def _whole_numbers(values: Sequence[int]) -> npt.NDArray[np.int64] | int:
    """Return numbers as an array, or one number where all are the same, which is faster."""
    if _are_the_same(values):
        return values[0]
    return np.fromiter(values, np.int64, len(values))


def _are_the_same(values: Sequence[Any]) -> bool:
    return values[0] == values[-1] and values.count(values[0]) == len(values)


def _coded(texts: Sequence[str], codes: Mapping[Any, int]) -> npt.NDArray[np.int64] | int:
    """Return the code of each text, or one code where all are the same, as is usual: that is five times as fast."""
    if _are_the_same(texts):
        return codes[texts[0]]
    return np.fromiter(map(codes.__getitem__, texts), np.int64, len(texts))
