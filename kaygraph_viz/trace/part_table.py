"""The parts of many spans as typed columns: 13 bytes a part and 16 a span, and none for spans of which sums say it all.

Belongs here: keeping parts, and reading those of any spans at once. Does not belong here: what a part is and who notes
it (``kaygraph_viz.parts``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kaygraph_viz.parts import NO_SHARE, PART_CODE, RowParts
from kaygraph_viz.trace.counting import repeated

__all__ = ["PART_DTYPE", "PartCollector", "PartTable", "Stretches", "part_totals_ns", "stretches"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
PART_DTYPE = np.dtype([("until_ns", "i8"), ("share", "f4"), ("kind", "u1")])
NO_SPAN = 0  # no number of a span: they begin at 1, and those that analyses add are below 0
CPU, WAIT, BLOCKED, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "blocked", "unknown"))


def _no_parts() -> npt.NDArray[np.void]:
    return np.empty(0, PART_DTYPE)


@dataclass(frozen=True, slots=True)
class PartTable:
    """The parts of those spans that have noted any."""

    span_id: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    first: Ints = field(default_factory=lambda: np.zeros(1, np.int64))
    parts: npt.NDArray[np.void] = field(default_factory=_no_parts)

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
    """Return kind, share and end [ns] of parts of which only sums are known: as `kaygraph_viz.parts.derived_parts`."""
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
