"""What became of spans, and of all units of one name, from one run to another.

Belongs here: durations of both runs, and the ratio. Does not belong here: what it did to the whole (``compare``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.span import KINDS, Kind

__all__ = ["GroupChange", "SpanChange", "SpanChanges", "ratio_of", "service_ns"]


@dataclass(frozen=True, slots=True)
class SpanChange:
    """One span that both runs have.

    Parameters
    ----------
    name, index, kind
        As in the span of the second run.
    a_id, b_id
        The number of the span in the first and in the second trace.
    a_ns, b_ns
        How long it took [ns].
    """

    name: str
    index: int | None
    kind: Kind
    a_id: int
    b_id: int
    a_ns: int
    b_ns: int

    @property
    def change_s(self) -> float:
        """How much longer it took in the second run [s]; negative where it got faster."""
        return (self.b_ns - self.a_ns) / 1e9

    @property
    def ratio(self) -> float:
        """How many times as long it took in the second run; below 1 where it got faster."""
        return ratio_of(self.a_ns, self.b_ns)


class SpanChanges(Sequence[SpanChange]):
    """The spans that both runs have, in the order of the second; objects are made only when they are looked at.

    Parameters
    ----------
    a, b
        The spans of both runs.
    a_at, b_at
        Where the same span lies in each of them, shape (n,).
    """

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
    """All units of work of one name, in both runs.

    Parameters
    ----------
    name
        The branch, or the phase with its node.
    matched
        How many units both runs have.
    a_ns, b_ns
        How long the matched ones took, added up [ns].
    a_steps, b_steps
        How many of this name, matched or not, were steps of the critical path.
    a_path_ns, b_path_ns
        How long these were on it [ns].
    """

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
        """How many times as long the matched ones took in the second run; below 1 where they got faster."""
        return ratio_of(self.a_ns, self.b_ns)

    @property
    def makespan_change_ns(self) -> int:
        """What this did to the makespan [ns]; negative where it made the run shorter."""
        return self.b_path_ns - self.a_path_ns


def service_ns(columns: SpanColumns) -> Ints:
    """Return how long each span took [ns]."""
    return columns.column("ended_ns") - columns.column("started_ns")


def ratio_of(before: int, after: int) -> float:
    """Return how many times as long something took; infinite where it took no time before.

    Examples
    --------
    >>> ratio_of(4, 1), ratio_of(0, 0), ratio_of(0, 1)
    (0.25, 1.0, inf)
    """
    if before:
        return after / before
    return float("inf") if after else 1.0
