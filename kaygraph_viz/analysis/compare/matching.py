"""The spans that two runs have in common, and how their durations changed.

Belongs here: matching spans by a key, and the durations of both runs, by span and by name. Does not belong here: what
that did to the whole run (``compare``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, overload

import numpy as np

from kaygraph_viz.analysis.intervals import Ints, first_of_runs
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.counting import repeated
from kaygraph_viz.trace.span import KINDS, Kind

__all__ = ["GroupChange", "Pairs", "SpanChange", "SpanChanges", "match", "ratio_of", "service_ns"]

KEYED = ("node", "phase", "branch")


class Pairs(NamedTuple):
    """The positions of matched and unmatched spans in two traces."""

    first: Places
    second: Places
    only_first: Places
    only_second: Places


def match(first: Nesting, second: Nesting) -> Pairs:
    """Pair the nodes, phases and branches of two traces that are the same thing."""
    keys = _Both.of(first, second).keys()
    size = len(first.columns)
    of_first, of_second = np.flatnonzero(keys[:size] >= 0), np.flatnonzero(keys[size:] >= 0)
    _, at, other_at = np.intersect1d(
        keys[:size][of_first], keys[size:][of_second], assume_unique=True, return_indices=True
    )
    order = np.argsort(other_at)
    return Pairs(
        of_first[at[order]], of_second[other_at[order]], np.delete(of_first, at), np.delete(of_second, other_at)
    )


class _Both(NamedTuple):
    """The spans of two traces as one table: columns of equal length, the first trace's spans first."""

    parent: Places
    level: Ints
    trace: Ints
    kind: Ints
    name: Ints
    item: Ints
    started: Ints

    @classmethod
    def of(cls, first: Nesting, second: Nesting) -> _Both:
        parents, levels = zip(*(_keyed_parents(nesting) for nesting in (first, second)), strict=True)
        size = len(first.columns)
        number: dict[str, int] = {}
        names = [
            np.array([number.setdefault(text, len(number)) for text in nesting.columns.names], np.int64)
            for nesting in (first, second)
        ]

        def joined(column: str) -> Ints:
            return np.concatenate([first.columns.column(column), second.columns.column(column)])

        return cls(
            np.concatenate([parents[0], np.where(parents[1] >= 0, parents[1] + size, -1)]),
            np.concatenate(levels),
            repeated(np.arange(2), [size, len(second.columns)]),
            joined("kind"),
            np.concatenate([names[0][first.columns.rows["name"]], names[1][second.columns.rows["name"]]]),
            joined("index"),
            joined("started_ns"),
        )

    def keys(self) -> Ints:
        """Return a number for each span, equal for spans that are the same thing."""
        by_level = np.argsort(self.level, kind="stable")
        borders = np.searchsorted(self.level[by_level], np.arange(int(self.level.max(initial=-1)) + 2))
        keys = np.full(len(self.level) + 1, -1)  # the last place: where -1, no parent, refers to
        for first, last in pairwise(borders.tolist()):
            at = by_level[first:last]
            keys[at] = keys.max() + 1 + self._numbered(at, keys[self.parent[at]])
        return keys[:-1]

    def _numbered(self, at: Places, above: Ints) -> Ints:
        """Return numbers from 0 for spans of one level, given the keys of what encloses them."""
        columns = (above, self.kind[at], self.name[at], self.item[at])
        order = np.lexsort((self.started[at], self.trace[at], *reversed(columns)))
        alike = [column[order] for column in columns]
        begins = first_of_runs(*alike, self.trace[at][order])
        occurrence = np.arange(len(at)) - np.maximum.accumulate(np.where(begins, np.arange(len(at)), 0))
        group = np.cumsum(first_of_runs(*alike))
        again = np.lexsort((occurrence, group))
        numbers = np.empty(len(at), np.int64)
        numbers[order[again]] = np.cumsum(first_of_runs(group[again], occurrence[again])) - 1
        return numbers


def _keyed_parents(nesting: Nesting) -> tuple[Places, Ints]:
    """Return the nearest node, phase or branch around each span, and how many enclose it; -1 for other spans."""
    is_keyed = nesting.columns.is_kind(*KEYED)
    parent = np.append(nesting.nearest(is_keyed), -1)[nesting.parent]
    level = Nesting(nesting.columns, parent).depth()
    return parent, np.where(is_keyed, level, -1)


# -- how they changed -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpanChange:
    """The change of one span that both runs have."""

    name: str
    index: int | None
    kind: Kind
    a_id: int
    b_id: int
    a_ns: int
    b_ns: int

    @property
    def change_s(self) -> float:
        """Additional time in the second run [s]; negative where it got faster."""
        return (self.b_ns - self.a_ns) / 1e9

    @property
    def ratio(self) -> float:
        """Duration in the second run / in the first; below 1 where it got faster."""
        return ratio_of(self.a_ns, self.b_ns)


class SpanChanges(Sequence[SpanChange]):
    """The changes of all spans that both runs have, in the order of the second; each is created when it is read."""

    def __init__(self, a: SpanColumns, b: SpanColumns, a_at: Places, b_at: Places) -> None:
        self._a, self._b = a, b
        self.a_at, self.b_at = a_at, b_at
        self.a_ns = service_ns(a)[a_at]
        self.b_ns = service_ns(b)[b_at]

    def __len__(self) -> int:
        return len(self.a_at)

    @overload
    def __getitem__(self, position: int) -> SpanChange: ...
    @overload
    def __getitem__(self, position: slice) -> list[SpanChange]: ...
    def __getitem__(self, position: int | slice) -> SpanChange | list[SpanChange]:
        if isinstance(position, slice):
            return [self[place] for place in range(*position.indices(len(self)))]
        row = self._b.rows[self.b_at[position]]
        return SpanChange(
            self._b.names[row["name"]],
            None if row["index"] < 0 else int(row["index"]),
            KINDS[row["kind"]],
            int(self._a.rows["span_id"][self.a_at[position]]),
            int(row["span_id"]),
            int(self.a_ns[position]),
            int(self.b_ns[position]),
        )

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'span')} in both runs>"


class GroupChange(NamedTuple):
    """The change of all units of work of one name."""

    name: str
    matched: int
    a_ns: int
    b_ns: int
    a_steps: int
    b_steps: int
    a_path_ns: int
    b_path_ns: int

    @property
    def ratio(self) -> float:
        """Duration of the matched ones in the second run / in the first; below 1 where they got faster."""
        return ratio_of(self.a_ns, self.b_ns)

    @property
    def makespan_change_ns(self) -> int:
        """Contribution to the change of the makespan [ns]; negative where it made the run shorter."""
        return self.b_path_ns - self.a_path_ns


def service_ns(columns: SpanColumns) -> Ints:
    """Return the duration of each span [ns]."""
    return columns.column("ended_ns") - columns.column("started_ns")


def ratio_of(before: int, after: int) -> float:
    """Return a time / an earlier one: 1 where both are 0, infinite where only the earlier one is."""
    if before:
        return after / before
    return float("inf") if after else 1.0
