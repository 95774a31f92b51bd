"""The bars of a run and their attempts as arrays, for charts of any number of bars.

Belongs here: which attempts and pauses a bar consists of, for all bars at once. Does not belong here: what went on in
them when (``piece_parts``), and how they are sent (``packing``).

``plot.gantt.layout`` does the same bar by bar for the static chart; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.plot.gantt.chart import Run
from kaygraph_viz.trace.counting import sums, tally

__all__ = ["Pieces", "pieces_of"]


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
