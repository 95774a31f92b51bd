"""The bars of a run, their attempts and parts as arrays, for charts of any number of bars.

Belongs here: which attempts and pauses a bar consists of, for all bars at once, and the parts of those whose sums of
CPU and blocked time do not say what they did when. Does not belong here: how they are sent (``packing``).

``plot.gantt.layout`` does the same bar by bar for the static chart; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.plot.gantt.scene import Run
from kaygraph_viz.trace.columns import SpanColumns, stretches, sums, tally
from kaygraph_viz.trace.intervals import Bools, Ints
from kaygraph_viz.trace.nesting import Places


@dataclass(frozen=True)
class Pieces:
    """Pieces of bars, n of them, sorted by row and start; those of one row never overlap."""

    position: Places
    unit: Places
    row: Ints
    start_ns: Ints
    end_ns: Ints
    cpu_ns: Ints
    blocked_ns: Ints
    attempt: Ints
    tries: Ints
    is_pause: Bools
    is_first: Bools

    @property
    def is_piecewise(self) -> Bools:
        """Whether each is one of several pieces of its bar."""
        is_alone: Bools = self.is_first & np.append(self.is_first[1:], True)
        return ~is_alone

    def _at(self, order: npt.NDArray[np.intp]) -> Pieces:
        return Pieces(*(getattr(self, field.name)[order] for field in fields(self)))


def pieces_of(run: Run) -> Pieces:
    """Return the pieces of all bars of a run."""
    columns, units = run.nesting.columns, run.units
    row_of = np.zeros(len(columns), np.int64)
    row_of[units] = run.row_of
    attempts, owner = _attempts(run)
    has_several = np.zeros(len(columns), np.bool_)
    has_several[owner] = True
    whole = units[~has_several[units]]
    one = np.ones(len(whole), np.int64)
    tries = np.maximum(columns.column("attempt")[whole], 1)
    start, end, cpu, blocked = (
        columns.column(name)[whole] for name in ("started_ns", "ended_ns", "cpu_ns", "blocked_ns")
    )
    flat = Pieces(whole, whole, row_of[whole], start, end, cpu, blocked, tries, tries, one == 0, one == 1)
    parts = [flat, _tried(run, attempts, owner, row_of), _pauses(run, attempts, owner, row_of)]
    joined = Pieces(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pieces)))
    ordered = joined._at(np.lexsort((joined.end_ns, joined.start_ns, joined.row)))
    if not len(attempts):
        return ordered
    ordered.is_first[:] = ordered.unit != np.append(-1, ordered.unit[:-1])  # the pieces of a bar follow each other
    return ordered


def _attempts(run: Run) -> tuple[Places, Places]:
    """Return the attempts of bars that have several, in order, and the bar of each."""
    columns, parent = run.nesting.columns, run.nesting.parent
    is_unit = np.zeros(len(columns), np.bool_)
    is_unit[run.units] = True
    attempts = np.flatnonzero(columns.is_kind("attempt") & (parent >= 0))
    attempts = attempts[is_unit[parent[attempts]]]
    count = tally(parent[attempts], len(columns))
    attempts = attempts[count[parent[attempts]] > 1]
    attempts = attempts[np.lexsort((columns.column("started_ns")[attempts], parent[attempts]))]
    return attempts, parent[attempts]


def _tried(run: Run, attempts: Places, owner: Places, row_of: Ints) -> Pieces:
    """Return the attempts as pieces; CPU time that is only known of the whole bar is divided by their lengths."""
    columns = run.nesting.columns
    start, end, cpu, blocked = (
        columns.column(name)[attempts] for name in ("started_ns", "ended_ns", "cpu_ns", "blocked_ns")
    )
    size = len(columns)
    total = np.maximum(sums(owner, end - start, size).astype(np.int64), 1)
    is_shared = (sums(owner, cpu >= 0, size) == 0) & (columns.column("cpu_ns") >= 0)
    for mine, name in ((cpu, "cpu_ns"), (blocked, "blocked_ns")):
        shares = (columns.column(name)[owner] * ((end - start) / total[owner])).astype(np.int64)
        mine[:] = np.where(is_shared[owner], shares, mine)
    number = np.maximum(columns.column("attempt")[attempts], 1)
    tries = tally(owner, size)[owner]
    no = np.zeros(len(attempts), np.bool_)
    return Pieces(attempts, owner, row_of[owner], start, end, cpu, blocked, number, tries, no, no.copy())


def _pauses(run: Run, attempts: Places, owner: Places, row_of: Ints) -> Pieces:
    """Return the pauses: the time between the attempts of a bar, before the first and after the last."""
    columns = run.nesting.columns
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    is_first = owner != np.append(-1, owner[:-1])
    is_last = np.append(is_first[1:], True)[: len(owner)]
    before = np.append(0, ended[attempts][:-1])[: len(owner)]
    starts = np.concatenate([np.where(is_first, started[owner], before), ended[attempts][is_last]])
    ends = np.concatenate([started[attempts], ended[owner][is_last]])
    unit = np.concatenate([owner, owner[is_last]])
    tries = tally(owner, len(columns))[unit]
    number = np.concatenate([columns.column("attempt")[attempts], tries[len(owner) :]])
    kept = ends > starts
    unit, zero = unit[kept], np.zeros(int(kept.sum()), np.int64)
    rest = (starts[kept], ends[kept], zero, zero, number[kept], tries[kept], zero == 0, zero == 1)
    return Pieces(unit, unit, row_of[unit], *rest)


# -- parts -----------------------------------------------------------------------------------------------------------

CPU, WAIT, BLOCKED, PAUSE, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "blocked", "pause", "unknown"))
Floats = npt.NDArray[np.float64]


class PieceParts(NamedTuple):
    """Parts of some pieces, piece by piece and in the order of time, m of them."""

    owner: Places
    kind: npt.NDArray[np.uint8]
    end_ns: Ints
    share: Floats


def with_parts(columns: SpanColumns, pieces: Pieces) -> tuple[Pieces, PieceParts]:
    """Return the pieces with the sums of their parts, and the parts of those pieces whose sums do not say all."""
    mine = np.flatnonzero(np.isin(columns.rows["span_id"], columns.parts.span_id)[pieces.unit])
    if not len(columns.parts.parts):
        return pieces, PieceParts(mine[:0], np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0))
    parts = _cut(columns, pieces, mine)
    pieces = _with_sums(pieces, parts, mine)
    needed = _needed(pieces, parts)[parts.owner]
    return pieces, PieceParts(parts.owner[needed], parts.kind[needed], parts.end_ns[needed], parts.share[needed])


def _cut(columns: SpanColumns, pieces: Pieces, mine: Places) -> PieceParts:
    """Return the parts of pieces, cut at the ends of the pieces; `pieces` must hold all pieces of its bars."""
    is_first = pieces.is_first[mine]
    found = stretches(columns, pieces.unit[mine[is_first]])
    bar = np.cumsum(is_first) - 1
    ends, bars = np.concatenate([found.ended_ns, pieces.end_ns[mine]]), np.concatenate([found.owner, bar])
    is_piece = np.arange(len(ends)) >= len(found.owner)
    order = np.lexsort((is_piece, ends, bars))
    ends, bars, is_piece = ends[order], bars[order], is_piece[order]
    piece: Places = np.cumsum(is_piece) - is_piece  # how many have ended before
    part = np.arange(len(ends)) - piece
    is_new = np.append(True, (ends[1:] > ends[:-1]) | (bars[1:] > bars[:-1]))[: len(ends)]
    is_new &= (part < len(found.owner)) & (piece < len(mine))
    part, piece, ends, bars = part[is_new], piece[is_new], ends[is_new], bars[is_new]
    is_inside = (found.owner[part] == bars) & (bar[piece] == bars) & (ends > pieces.start_ns[mine[piece]])
    part, owner = part[is_inside], mine[piece[is_inside]]
    return PieceParts(owner, found.kind[part], ends[is_inside], found.cpu_share[part])


def _lengths_ns(pieces: Pieces, parts: PieceParts) -> tuple[Ints, Bools]:
    """Return how long each part lasts [ns], and whether it is the first of its piece."""
    is_first = parts.owner != np.append(-1, parts.owner[:-1])
    begins = np.where(is_first, pieces.start_ns[parts.owner], np.append(0, parts.end_ns[:-1]))
    return parts.end_ns - begins, is_first


def _with_sums(pieces: Pieces, parts: PieceParts, mine: Places) -> Pieces:
    """Return pieces with CPU and blocked time summed from their parts: the trace only has those of the whole bar."""
    lasted, _ = _lengths_ns(pieces, parts)
    size, tried = len(pieces.unit), mine[pieces.is_piecewise[mine]]
    cpu = sums(parts.owner, np.nan_to_num(parts.share) * lasted, size).round().astype(np.int64)
    cpu[sums(parts.owner, np.isnan(parts.share), size) > 0] = -1
    blocked = sums(parts.owner, (parts.kind == BLOCKED) * lasted, size).astype(np.int64)
    pieces.cpu_ns[tried], pieces.blocked_ns[tried] = cpu[tried], blocked[tried]
    return pieces


def _needed(pieces: Pieces, parts: PieceParts) -> Bools:
    """Return which pieces have parts that do not follow from their sums, as `derived_parts` does."""
    lasted, is_first = _lengths_ns(pieces, parts)
    rest = (pieces.end_ns - pieces.start_ns - pieces.blocked_ns)[parts.owner]
    cpu = pieces.cpu_ns[parts.owner]
    derived = np.where(cpu >= rest, CPU, np.where(cpu == 0, WAIT, UNKNOWN))
    is_pause = pieces.is_pause[parts.owner]
    derived[is_pause] = PAUSE
    is_derived = is_first & (parts.kind == derived) & (lasted == rest)
    is_last = np.append(is_first[1:], True)
    is_derived |= is_last & ~is_pause & (parts.kind == BLOCKED) & (lasted == pieces.blocked_ns[parts.owner])
    return sums(parts.owner, ~is_derived, len(pieces.unit)) > 0
