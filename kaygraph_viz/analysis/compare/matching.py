"""Which span of one trace is the same thing as which span of another.

Belongs here: giving both the same key. Does not belong here: what became of the spans that have it (``compare``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import Ints, first_of_runs
from kaygraph_viz.analysis.nesting import Nesting, Places

__all__ = ["Pairs", "match"]

KEYED = ("node", "phase", "branch")


class Pairs(NamedTuple):
    """Positions of spans in two traces.

    Parameters
    ----------
    first, second
        Spans that are the same, in the order of the second trace.
    only_first, only_second
        Spans that the other trace does not have.
    """

    first: Places
    second: Places
    only_first: Places
    only_second: Places


def match(first: Nesting, second: Nesting) -> Pairs:
    """Pair the nodes, phases and branches of two traces that are the same thing.

    Two spans are the same if their kind, name and item are, if they are as manieth of these within what encloses them
    (by start), and if that is the same again. Graphs do not count, nor does the worker: a node that was run alone is
    the same as within a graph, and an item is the same on whatever lane.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> one = make_trace(bar("page", "t-1", 0, 1, index=0), bar("page", "t-2", 0, 1, index=1))
    >>> other = make_trace(bar("page", "t-1", 0, 1, index=1), bar("page", "t-1", 1, 2, index=2))
    >>> pairs = match(Nesting.of(one.columns), Nesting.of(other.columns))
    >>> [column.tolist() for column in pairs]
    [[1], [0], [0], [1]]
    """
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
            np.repeat(np.arange(2), [size, len(second.columns)]),
            joined("kind"),
            np.concatenate([names[0][first.columns.rows["name"]], names[1][second.columns.rows["name"]]]),
            joined("index"),
            joined("started_ns"),
        )

    def keys(self) -> Ints:
        """Return a number for each span, the same for those that are the same thing; -1 for what is never matched.

        It goes from the outside inwards, since the key of a span holds that of what encloses it.
        """
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
        manieth = np.arange(len(at)) - np.maximum.accumulate(np.where(begins, np.arange(len(at)), 0))
        group = np.cumsum(first_of_runs(*alike))
        again = np.lexsort((manieth, group))
        numbers = np.empty(len(at), np.int64)
        numbers[order[again]] = np.cumsum(first_of_runs(group[again], manieth[again])) - 1
        return numbers


def _keyed_parents(nesting: Nesting) -> tuple[Places, Ints]:
    """Return the nearest node, phase or branch around each span, and how many there are; -1 for other spans."""
    is_keyed = nesting.columns.is_kind(*KEYED)
    parent = np.append(nesting.nearest(is_keyed), -1)[nesting.parent]
    level = Nesting(nesting.columns, parent).depth()
    return parent, np.where(is_keyed, level, -1)
