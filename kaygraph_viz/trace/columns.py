"""Many spans as typed columns: 76 bytes a span, and 13 bytes more for each part that was noted.

Belongs here: the storage of finished spans, their parts and their links, and the way to and from rows and `Span`
objects. Does not belong here: one row (``row``), when spans are collected (``recorder``), what they mean
(``analysis``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.parts import NO_SHARE, PART_CODE, RowParts
from kaygraph_viz.base.texts import cut, without_secrets
from kaygraph_viz.trace.row import Row, RowTuple, kind_of
from kaygraph_viz.trace.span import KINDS, NO_ATTRIBUTES, STATUSES, Span

# -- places in arrays, also where they have 32 bits, as in a browser tab ----------------------------------------------
# NumPy takes a number of 64 bits for a place of 32 only where it is told to. Places are counted from 0, and there are
# fewer than 2**31 of them, so nothing is lost. Where numbers of two places make one key, they are multiplied as int64.


def as_places(numbers: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Return whole numbers as places in an array."""
    return np.asarray(numbers).astype(np.intp, copy=False)


def tally(places: npt.ArrayLike, size: int = 0) -> npt.NDArray[np.int64]:
    """Return how often each place occurs, for `size` places or more."""
    return np.bincount(as_places(places), minlength=size).astype(np.int64, copy=False)


def sums(places: npt.ArrayLike, weights: npt.ArrayLike, size: int = 0) -> npt.NDArray[np.float64]:
    """Return the sum of the weights of each place, for `size` places or more."""
    return np.bincount(as_places(places), weights, size).astype(np.float64, copy=False)


def repeated(values: npt.ArrayLike, times: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return each value as often as is said for it."""
    return np.repeat(np.asarray(values), as_places(times))


# -- the parts of many spans: 13 bytes a part and 16 a span, and none for spans of which sums say it all --------------


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
PART_DTYPE = np.dtype([("until_ns", "i8"), ("share", "f4"), ("kind", "u1")])
NO_SPAN = 0  # no number of a span: they begin at 1, and those that analyses add are below 0
CPU, WAIT, BLOCKED, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "blocked", "unknown"))


@dataclass(frozen=True, slots=True)
class PartTable:
    """The parts of those spans that have noted any."""

    span_id: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    first: Ints = field(default_factory=lambda: np.zeros(1, np.int64))
    parts: npt.NDArray[np.void] = field(default_factory=lambda: np.empty(0, PART_DTYPE))

    @classmethod
    def of_spans(cls, span_id: Ints, counts: Ints, parts: npt.NDArray[np.void]) -> PartTable:
        """Return the table of spans with these numbers, in any order, and so many of the parts each."""
        order = np.argsort(span_id, kind="stable")
        firsts = np.concatenate([[0], np.cumsum(counts)])
        if (order[:-1] < order[1:]).all():
            return cls(span_id, firsts, parts)
        moved = np.concatenate([[0], np.cumsum(counts[order])])
        source = repeated(firsts[:-1][order] - moved[:-1], counts[order]) + np.arange(len(parts))
        return cls(span_id[order], moved, parts[source])

    def of(self, span_id: int) -> RowParts | None:
        """Return the parts of a span as a row has them, or None if it has noted none."""
        at = int(np.searchsorted(self.span_id, span_id))
        if at == len(self.span_id) or self.span_id[at] != span_id:
            return None
        mine = self.parts[self.first[at] : self.first[at + 1]]
        return tuple((kind, until_ns, share) for until_ns, share, kind in mine.tolist())


class PartCollector:
    """A collector of the parts of rows for a `PartTable`."""

    def __init__(self) -> None:
        self._ids: list[Ints] = []
        self._counts: list[Ints] = []
        self._parts: list[npt.NDArray[np.void]] = []
        self._table = PartTable()

    def add(self, ids: Sequence[int], parts: Sequence[RowParts | None]) -> None:
        """Keep the parts of spans with these numbers."""
        some = [(number, its) for number, its in zip(ids, parts, strict=True) if its is not None]
        if not some:
            return
        flat = [(until_ns, share, code) for _, its in some for code, until_ns, share in its]
        self._ids.append(np.array([number for number, _ in some], np.int64))
        self._counts.append(np.array([len(its) for _, its in some], np.int64))
        kept = np.array(flat, PART_DTYPE)
        kept["share"] = kept["share"].round(3)  # as files have it
        self._parts.append(kept)

    def table(self) -> PartTable:
        """Return all parts so far."""
        if self._ids:
            old = self._table
            ids = np.concatenate([old.span_id, *self._ids])
            counts = np.concatenate([np.diff(old.first), *self._counts])
            self._table = PartTable.of_spans(ids, counts, np.concatenate([old.parts, *self._parts]))
            self._ids, self._counts, self._parts = [], [], []
        return self._table


class _Columns(Protocol):
    """Spans as columns, with the parts that some have noted."""

    rows: npt.NDArray[np.void]
    parts: PartTable


class Stretches(NamedTuple):
    """Parts of several spans, span by span and in the order of time, m of them."""

    owner: npt.NDArray[np.intp]
    kind: npt.NDArray[np.uint8]
    started_ns: Ints
    ended_ns: Ints
    cpu_share: Floats


def stretches(columns: _Columns, positions: npt.NDArray[np.intp] | None = None) -> Stretches:
    """Return the parts of spans, also of those of which only sums are known."""
    rows = columns.rows if positions is None else columns.rows[positions]
    table = columns.parts
    started, ended, ids = (rows[name].astype(np.int64, copy=False) for name in ("started_ns", "ended_ns", "span_id"))
    place = np.searchsorted(table.span_id, ids)
    has_noted = np.append(table.span_id, NO_SPAN)[place] == ids
    blocked_from = np.maximum(started, ended - rows["blocked_ns"])
    derived = (started < blocked_from).astype(np.int64) + (blocked_from < ended)
    counts = np.where(has_noted, np.append(np.diff(table.first), 0)[place], derived)
    owner = repeated(np.arange(len(rows)), counts)
    firsts = np.cumsum(counts) - counts
    within = np.arange(len(owner)) - firsts[owner]
    kind, share, until = _derived(rows, blocked_from, owner, within)
    noted = np.flatnonzero(has_noted[owner])
    source = table.parts[table.first[place[owner[noted]]] + within[noted]]
    kind[noted], share[noted], until[noted] = source["kind"], source["share"], source["until_ns"]
    begins = np.where(within == 0, started[owner], np.append(0, until[:-1])[: len(until)])
    cpu_share = np.where(kind == CPU, 1.0, np.where(kind != UNKNOWN, 0.0, np.where(share < 0, np.nan, share)))
    return Stretches(owner, kind, begins, until, cpu_share)


def _derived(
    rows: npt.NDArray[np.void], blocked_from: Ints, owner: npt.NDArray[np.intp], within: Ints
) -> tuple[npt.NDArray[np.uint8], Floats, Ints]:
    """Return kind, share and end [ns] of parts of which only sums are known: as `derived_parts`."""
    cpu, lasted = rows["cpu_ns"], blocked_from - rows["started_ns"]
    main = np.where(cpu >= lasted, CPU, np.where(cpu == 0, WAIT, UNKNOWN))
    share = np.where((main == UNKNOWN) & (cpu > 0), cpu / np.maximum(lasted, 1), NO_SHARE)
    is_main = (within == 0) & (lasted > 0)[owner]
    kind = np.where(is_main, main[owner], BLOCKED).astype(np.uint8)
    until = np.where(is_main, blocked_from[owner], rows["ended_ns"][owner])
    return kind, np.where(is_main, share[owner], NO_SHARE), until


def part_totals_ns(columns: _Columns, positions: npt.NDArray[np.intp] | None = None) -> dict[str, Ints]:
    """Return the sums of parts of each span [ns], by the kinds that occur, shape (number of spans,) each."""
    found = stretches(columns, positions)
    size = len(columns.rows) if positions is None else len(positions)
    lasted = found.ended_ns - found.started_ns
    totals: dict[str, Ints] = {}
    for kind, code in PART_CODE.items():
        some = found.kind == code
        if some.any():
            totals[kind] = np.zeros(size, np.int64)
            np.add.at(totals[kind], found.owner[some], lasted[some])
    return totals


# -- spans ------------------------------------------------------------------------------------------------------------


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

_KIND_CODE: dict[str, int] = {kind: code for code, kind in enumerate(KINDS)}
_STATUS_CODE: dict[str, int] = {status: code for code, status in enumerate(STATUSES)}
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
    _parents: npt.NDArray[np.intp] | None = field(default=None, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> npt.NDArray[np.int64]:
        """Return one numeric column as signed 64-bit integers, shape (n,)."""
        return self.rows[name].astype(np.int64, copy=False)

    def is_kind(self, *kinds: str) -> npt.NDArray[np.bool_]:
        """Return a mask, shape (n,), of the spans of any of these kinds."""
        return np.isin(self.rows["kind"], [_KIND_CODE[kind] for kind in kinds])

    def is_status(self, *statuses: str) -> npt.NDArray[np.bool_]:
        """Return a mask, shape (n,), of the spans of any of these statuses."""
        return np.isin(self.rows["status"], [_STATUS_CODE[status] for status in statuses])

    def parents(self) -> npt.NDArray[np.intp]:
        """Return the position of the parent of each span, shape (n,); -1 where it has none. It is found once."""
        if self._parents is None:
            ids, wanted = self.column("span_id"), self.column("parent_id")
            found = np.empty(0, np.intp)
            if len(ids):
                order = np.argsort(ids, kind="stable")
                at = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
                found = np.where((ids[at] == wanted) & (wanted > 0), at, -1)
            self._parents = found
        return self._parents

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
            room = max(0, self.max_spans - self.kept)
            rows = self.buffer[: min(count, room)]
            rows += [row for row in self.buffer[room:count] if kind_of(row) in ALWAYS_KEPT]
            del self.buffer[:count]
            self.kept += len(rows)
            self.dropped += count - len(rows)
            self._chunks.append(self._to_array(rows))

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
        table = SpanColumns(  # of copies, since ours go on growing
            self._chunks[0],
            _texts(self._names),
            _texts(self._lanes),
            self._errors.copy(),
            self._attributes.copy(),
            self._links.copy(),
            self._parts.table(),
        ).in_order()
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
    """Return names as they are kept; there may be a million, and only one with "=" or ":" may hold a credential."""
    return tuple(
        text
        if len(text) <= TEXT_LIMIT and "=" not in text and ":" not in text
        else cut(without_secrets(text[: 4 * TEXT_LIMIT]), TEXT_LIMIT)
        for text in known
    )


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


# -- links that are said once for two phases ---------------------------------------------------------------------------

Needs = Callable[[int], Iterable[int]]


class Relation(NamedTuple):
    """A relation between two phases: branches of one needed the results of branches of the other."""

    consumers: int
    producers: int
    needs: Needs


def with_links(columns: SpanColumns, relations: Iterable[Relation]) -> SpanColumns:
    """Return the same spans with a link for each pair of branches of the relations, beside the links that they have."""
    links = dict(columns.links)
    for relation in relations:
        known = _branches(columns, relation.producers)
        for index, span_id in _branches(columns, relation.consumers).items():
            found = tuple(known[needed] for needed in relation.needs(index) if needed in known)
            if found:
                links[span_id] = (*links.get(span_id, ()), *found)
    return replace(columns, links=links)


def _branches(columns: SpanColumns, around: int) -> dict[int, int]:
    """Return the numbers of the branches in a span or in its phases, by the positions of their items."""
    parents = columns.rows["parent_id"]
    phases = columns.rows["span_id"][columns.is_kind("phase") & (parents == around)]
    rows = columns.rows[columns.is_kind("branch") & np.isin(parents, [around, *phases.tolist()])]
    rows = rows[np.argsort(rows["span_id"])]
    return dict(zip(rows["index"].tolist(), rows["span_id"].tolist(), strict=True))
