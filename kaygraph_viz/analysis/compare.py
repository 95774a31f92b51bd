"""Comparison of two runs: what got faster, and what that did to the whole run.

Belongs here: matching the spans that both have, and the changes of each, of each name and of the makespan. Does not
belong here: the critical path of one run (``critical_path``), and drawing both (``plot``).
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, overload

import numpy as np

from kaygraph_viz.analysis.critical_path import recorded_network, recorded_steps
from kaygraph_viz.analysis.own_time import with_own_time
from kaygraph_viz.analysis.wording import aligned, counted, duration, html_table, join_words, named, significant
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.trace.columns import SpanColumns, repeated, tally
from kaygraph_viz.trace.intervals import Ints, first_of_runs
from kaygraph_viz.trace.nesting import Nesting, Places, extent_ns, unit_mask
from kaygraph_viz.trace.span import KINDS, Kind
from kaygraph_viz.trace.trace import Trace

MAX_ROWS = 12
MAX_NAMED = 2
WORTH_NAMING = 0.1
ALIKE = 0.05  # what changed by less than 5% took about the same time
KEYED = ("node", "phase", "branch")
_HEADINGS = ("unit of work", "in both", "first run", "second run", "ratio", "critical steps", "makespan")


@dataclass(frozen=True)
class Comparison:
    """The changes from one run, a, to another one, b.

    Parameters
    ----------
    a_makespan_ns, b_makespan_ns
        The makespans [ns].
    spans
        The nodes, phases and branches that both have.
    groups
        The units of work by name, those that did most to the makespan first.
    standstill_ns
        By how much longer the critical path stood still in the second run, ``waiting for a worker`` that was to begin
        the next step, and otherwise ``between the steps`` [ns].
    only_in_a, only_in_b
        The number of spans, by name, that the other run does not have.
    """

    a_makespan_ns: int
    b_makespan_ns: int
    spans: SpanChanges
    groups: tuple[GroupChange, ...]
    standstill_ns: Mapping[str, int]
    only_in_a: Mapping[str, int] = field(default_factory=dict)
    only_in_b: Mapping[str, int] = field(default_factory=dict)

    @property
    def makespan_change_s(self) -> float:
        """Additional makespan of the second run [s]; negative where it was faster."""
        return (self.b_makespan_ns - self.a_makespan_ns) / 1e9

    @property
    def ratio(self) -> float:
        """Makespan of the second run / makespan of the first; below 1 where it was faster."""
        return ratio_of(self.a_makespan_ns, self.b_makespan_ns)

    @property
    def causes_ns(self) -> Mapping[str, int]:
        """Contribution of each name and each standstill to the change of the makespan [ns]; the sum is exact."""
        return {group.name: group.makespan_change_ns for group in self.groups} | dict(self.standstill_ns)

    @property
    def sentence(self) -> str:
        """The change of the makespan, its main reasons, and the change of the work in both runs, as one sentence.

        Examples
        --------
        >>> from kaygraph_viz.testing import bar, make_trace
        >>> compare(make_trace(bar("a", "main", 0, 4)), make_trace(bar("b", "main", 0, 2))).sentence
        'The second run took 2.00 s instead of 4.00 s, but the runs have no unit of work in common.'
        """
        if self._is_empty:
            return "One of the runs is empty, so they cannot be compared."
        took = f"{duration(self.b_makespan_ns / 1e9)} instead of {duration(self.a_makespan_ns / 1e9)}"
        matched = sum(group.matched for group in self.groups)
        if not matched:
            return f"The second run took {took}, but the runs have no unit of work in common."
        work = ratio_of(sum(group.a_ns for group in self.groups), sum(group.b_ns for group in self.groups))
        units = f"the {counted(matched, 'unit')} of work in both runs {_ran(work)} in total"
        return f"The second run took {took}: it {_ran(self.ratio)}{self._reasons()}; {units}."

    @property
    def _is_empty(self) -> bool:
        return not self.a_makespan_ns or not self.b_makespan_ns

    def _reasons(self) -> str:
        """Return what contributed most to the change of the makespan, in its direction, in words."""
        change = self.b_makespan_ns - self.a_makespan_ns
        if abs(change) < ALIKE * self.a_makespan_ns:
            return ""
        whys = {name: f"{_more_or_less(changed)} {name}" for name, changed in self.standstill_ns.items()}
        for group in self.groups:
            why = f"which {_ran(ratio_of(group.a_path_ns, group.b_path_ns))}"
            if group.a_steps != group.b_steps:
                why = f"{counted(group.b_steps, 'step')} in sequence instead of {group.a_steps:,}"
            whys[group.name] = f"{_more_or_less(group.makespan_change_ns)} in {one_line(group.name)} ({why})"
        causes = sorted(self.causes_ns.items(), key=lambda cause: -cause[1] * change)
        named = [whys[name] for name, changed in causes[:MAX_NAMED] if changed * change > WORTH_NAMING * change**2]
        return f", mainly because of {join_words(named)}" if named else ""

    def _rows(self) -> list[tuple[str, ...]]:
        some = [group for group in self.groups if group.a_ns or group.b_ns or group.makespan_change_ns]
        shown = some[: MAX_ROWS - 1] if len(some) > MAX_ROWS else some
        rest = sum(group.makespan_change_ns for group in some[len(shown) :])
        rows = [
            (
                group.name,
                f"{group.matched:,}",
                duration(group.a_ns / 1e9),
                duration(group.b_ns / 1e9),
                _factor(group.ratio) if group.matched else "",
                f"{group.a_steps:,} → {group.b_steps:,}",
                _signed(group.makespan_change_ns),
            )
            for group in shown
        ]
        others = [(f"{len(some) - len(shown)} others", *[""] * 5, _signed(rest))] if rest else []
        makespans = (duration(self.a_makespan_ns / 1e9), duration(self.b_makespan_ns / 1e9))
        change = _signed(self.b_makespan_ns - self.a_makespan_ns)
        standstill = [(name, *[""] * 5, _signed(changed)) for name, changed in self.standstill_ns.items()]
        return [*rows, *others, *standstill, ("makespan", "", *makespans, _factor(self.ratio), "", change)]

    def _unmatched(self) -> list[str]:
        """Return a sentence for each run that names the spans that only it has."""
        found = []
        for run, only in (("first", self.only_in_a), ("second", self.only_in_b)):
            names = [f"{name} ({count:,})" for name, count in list(only.items())[:MAX_ROWS]]
            if len(only) > MAX_ROWS:
                names.append(f"{len(only) - MAX_ROWS} more names")
            if names:
                found.append(f"Only in the {run} run: {join_words(names)}.")
        return found

    def __str__(self) -> str:
        if self._is_empty:
            return self.sentence
        table = aligned([_HEADINGS, *self._rows()], right=range(1, len(_HEADINGS)))
        return "\n\n".join([self.sentence, table, *self._unmatched()])

    def _repr_html_(self) -> str:
        if self._is_empty:
            return f"<p>{self.sentence}</p>"
        table = html_table(self._rows(), right=range(1, len(_HEADINGS)), headings=_HEADINGS)
        texts = "".join(f"<p>{html.escape(text)}</p>" for text in self._unmatched())
        return f"<p>{html.escape(self.sentence)}</p>{table}{texts}"


def _ran(ratio: float) -> str:
    """Return a ratio of times in words."""
    if abs(ratio - 1) < ALIKE:
        return "took about the same time"
    if not 0 < ratio < math.inf:
        return "took some time instead of none" if ratio else "took no time in the second run"
    if ratio < 1:
        return f"ran {significant(1 / ratio, 2)} times as fast"
    return f"took {significant(ratio, 2)} times as long"


def _factor(ratio: float) -> str:
    return f"{significant(ratio, 2)}x" if ratio < math.inf else ""


def _more_or_less(change_ns: int) -> str:
    return f"{duration(abs(change_ns) / 1e9)} {'less' if change_ns < 0 else 'more'}"


def _signed(change_ns: int) -> str:
    sign = "-" if change_ns < 0 else "+" if change_ns else ""
    return f"{sign}{duration(abs(change_ns) / 1e9)}"


def compare(a: Trace, b: Trace) -> Comparison:
    """Compare two runs: span by span, by name, and as a whole.

    Use it to see whether a change helped, and why: the same work on more workers, another executor, the code before
    and after.

    Parameters
    ----------
    a, b
        The first and the second run.

    Returns
    -------
    Comparison
        ``print`` it, or let the notebook show it.

    Notes
    -----
    Spans are matched by node and item: kind, name and index, and the same for what encloses them; graphs and workers do
    not matter. The makespan is the length of the critical path, so its change is that of the times which the spans of
    each name spent on it, and of the time in which it stood still.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> one = make_trace(bar("page", "main", 0, 2, index=0), bar("page", "main", 2, 3, index=1, queued_s=2))
    >>> two = make_trace(bar("page", "t-1", 0, 2, index=0), bar("page", "t-2", 0, 1, index=1))
    >>> found = compare(one, two)
    >>> found.makespan_change_s, [change.ratio for change in found.spans], found.causes_ns["page"]
    (-1.0, [1.0, 1.0], -1000000000)
    """
    first, second = Nesting.of(a.columns), Nesting.of(b.columns)
    pairs = match(first, second)
    paths = _Path.of(first), _Path.of(second)
    return Comparison(
        a_makespan_ns=paths[0].makespan_ns,
        b_makespan_ns=paths[1].makespan_ns,
        spans=SpanChanges(first.columns, second.columns, pairs.first, pairs.second),
        groups=_groups(first, second, pairs, paths),
        standstill_ns={name: spent - paths[0].standstill_ns[name] for name, spent in paths[1].standstill_ns.items()},
        only_in_a=_counts(first, pairs.only_first),
        only_in_b=_counts(second, pairs.only_second),
    )


class _Path(NamedTuple):
    """The critical path of one run: number and time of its steps by name [ns], and the time it stood still [ns]."""

    makespan_ns: int
    steps: Mapping[str, tuple[int, int]]
    standstill_ns: Mapping[str, int]

    @classmethod
    def of(cls, nesting: Nesting) -> _Path:
        nesting = with_own_time(nesting)
        first_ns, last_ns = extent_ns(nesting.columns)
        steps = recorded_steps(nesting, recorded_network(nesting, unit_mask(nesting))) if last_ns > first_ns else ()
        found: dict[str, tuple[int, int]] = {}
        for step in steps:
            count, spent = found.get(step.name, (0, 0))
            found[step.name] = (count + 1, spent + step.duration_ns)
        waiting = sum(step.undelivered_ns for step in steps)
        between = last_ns - first_ns - waiting - sum(spent for _, spent in found.values())
        return cls(last_ns - first_ns, found, {"waiting for a worker": waiting, "between the steps": between})


def _groups(first: Nesting, second: Nesting, pairs: Pairs, paths: tuple[_Path, _Path]) -> tuple[GroupChange, ...]:
    """Return the changes of units of work by name: of those in both runs, and on either critical path."""
    is_unit = unit_mask(first)[pairs.first] & unit_mask(second)[pairs.second]
    a_at, b_at = pairs.first[is_unit], pairs.second[is_unit]
    number, names = named(second, b_at)
    matched = {name: (0, 0, 0) for path in paths for name in path.steps}
    columns = [tally(number, len(names))]
    for values in (service_ns(first.columns)[a_at], service_ns(second.columns)[b_at]):
        columns.append(np.zeros(len(names), np.int64))
        np.add.at(columns[-1], number, values)
    matched |= dict(zip(names, zip(*(column.tolist() for column in columns), strict=True), strict=True))
    groups = [
        GroupChange(name, *sums, a_steps, b_steps, a_path_ns, b_path_ns)
        for name, sums in matched.items()
        for (a_steps, a_path_ns), (b_steps, b_path_ns) in [[path.steps.get(name, (0, 0)) for path in paths]]
    ]
    return tuple(sorted(groups, key=lambda group: -abs(group.makespan_change_ns)))


def _counts(nesting: Nesting, positions: Places) -> dict[str, int]:
    number, names = named(nesting, positions)
    return dict(Counter(names[place] for place in number.tolist()).most_common())


# -- which spans are the same -----------------------------------------------------------------------------------------


class Pairs(NamedTuple):
    """The positions of matched and unmatched spans in two traces."""

    first: Places
    second: Places
    only_first: Places
    only_second: Places


def match(first: Nesting, second: Nesting) -> Pairs:
    """Pair the nodes, phases and branches of two traces that are the same thing."""
    both, size = (first, second), len(first.columns)
    parents, levels = [], []
    for nesting in both:  # the nearest node, phase or branch around each span, and how many enclose it
        is_keyed = nesting.columns.is_kind(*KEYED)
        parents.append(np.append(nesting.nearest(is_keyed), -1)[nesting.parent])
        levels.append(np.where(is_keyed, Nesting(nesting.columns, parents[-1]).depth(), -1))
    number: dict[str, int] = {}
    names = [
        np.array([number.setdefault(text, len(number)) for text in nesting.columns.names], np.int64)[
            nesting.columns.rows["name"]
        ]
        for nesting in both
    ]

    # One table of all spans, those of the first trace first.
    parent = np.concatenate([parents[0], np.where(parents[1] >= 0, parents[1] + size, -1)])
    level, name = np.concatenate(levels), np.concatenate(names)
    trace = repeated(np.arange(2), [size, len(second.columns)])
    kind, item, started = (
        np.concatenate([nesting.columns.column(column) for nesting in both])
        for column in ("kind", "index", "started_ns")
    )

    # Level by level, spans of the same kind, name, item and occurrence within the same key get the same key.
    by_level = np.argsort(level, kind="stable")
    borders = np.searchsorted(level[by_level], np.arange(int(level.max(initial=-1)) + 2))
    keys = np.full(len(level) + 1, -1)  # the last place: where -1, no parent, refers to
    for begin, end in pairwise(borders.tolist()):
        at = by_level[begin:end]
        columns = (keys[parent[at]], kind[at], name[at], item[at])
        order = np.lexsort((started[at], trace[at], *reversed(columns)))
        alike = [column[order] for column in columns]
        begins = first_of_runs(*alike, trace[at][order])
        occurrence = np.arange(len(at)) - np.maximum.accumulate(np.where(begins, np.arange(len(at)), 0))
        group = np.cumsum(first_of_runs(*alike))
        again = np.lexsort((occurrence, group))
        numbers = np.empty(len(at), np.int64)
        numbers[order[again]] = np.cumsum(first_of_runs(group[again], occurrence[again])) - 1
        keys[at] = keys.max() + 1 + numbers

    of_first, of_second = np.flatnonzero(keys[:size] >= 0), np.flatnonzero(keys[size:-1] >= 0)
    first_keys, second_keys = keys[:size][of_first], keys[size:-1][of_second]
    _, at, other_at = np.intersect1d(first_keys, second_keys, assume_unique=True, return_indices=True)
    order = np.argsort(other_at)
    return Pairs(
        of_first[at[order]], of_second[other_at[order]], np.delete(of_first, at), np.delete(of_second, other_at)
    )


# -- how they changed -------------------------------------------------------------------------------------------------


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
