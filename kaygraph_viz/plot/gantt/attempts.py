"""The attempts of branches that were tried again, and the parts of all bars of a run.

Belongs here: which stretches of a bar are attempts and pauses, and the parts of bars, also in old recordings that have
only sums. Does not belong here: how parts are drawn (``part_fills``), and in which row (``layout``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.parts import NO_SHARE, PART_CODE, derived_parts
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.part_table import Stretches, stretches
from kaygraph_viz.trace.span import STATUSES

__all__ = ["Attempt", "Attempts", "bar_parts"]

CPU, PAUSE, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "pause", "unknown"))


class Attempt(NamedTuple):
    """One attempt of a branch, or a pause between two of them, from and to [ns]."""

    started_ns: int
    ended_ns: int
    status: str
    cpu_ns: int = -1
    blocked_ns: int = 0
    is_pause: bool = False


class Attempts:
    """An index of the attempts of branches."""

    def __init__(self, nesting: Nesting) -> None:
        self._rows = nesting.columns.rows
        self._within: dict[int, list[int]] = {}
        for position in np.flatnonzero(nesting.columns.is_kind("attempt") & (nesting.parent >= 0)).tolist():
            self._within.setdefault(int(nesting.parent[position]), []).append(position)

    @property
    def several(self) -> list[int]:
        """The positions of the branches that were tried more than once."""
        return [position for position, within in self._within.items() if len(within) > 1]

    def of(self, position: int) -> list[Attempt]:
        """Return the attempts of a branch with the pauses between them, without gaps; of one attempt itself."""
        whole, within = self._attempt(position), self._within.get(position, [])
        if len(within) < 2:
            return [whole]
        found: list[Attempt] = []
        at = whole.started_ns
        for attempt in _with_shares([self._attempt(place) for place in within], whole):
            found += [Attempt(at, attempt.started_ns, "ok", is_pause=True), attempt]
            at = attempt.ended_ns
        found.append(Attempt(at, whole.ended_ns, "ok", is_pause=True))
        return [part for part in found if part.ended_ns > part.started_ns]

    def _attempt(self, position: int) -> Attempt:
        row = self._rows[position]
        start, end, cpu, blocked = (int(row[name]) for name in ("started_ns", "ended_ns", "cpu_ns", "blocked_ns"))
        return Attempt(start, end, STATUSES[row["status"]], cpu, blocked)


def _with_shares(attempts: list[Attempt], whole: Attempt) -> list[Attempt]:
    """Divide the CPU and blocked time of a branch among its attempts by their lengths, if only the sums are known."""
    if whole.cpu_ns < 0 or any(attempt.cpu_ns >= 0 for attempt in attempts):
        return attempts
    total = sum(attempt.ended_ns - attempt.started_ns for attempt in attempts) or 1
    lengths = [attempt.ended_ns - attempt.started_ns for attempt in attempts]
    return [
        attempt._replace(cpu_ns=whole.cpu_ns * length // total, blocked_ns=whole.blocked_ns * length // total)
        for attempt, length in zip(attempts, lengths, strict=True)
    ]


def bar_parts(columns: SpanColumns, units: Places, attempts: Attempts) -> Stretches:
    """Return the parts of the bars of a run, bar by bar in the order of time."""
    found, ids = stretches(columns, units), columns.rows["span_id"]
    several = np.intersect1d(attempts.several, units)
    old = {
        place: attempts.of(position)
        for place, position in zip(np.searchsorted(units, several).tolist(), several.tolist(), strict=True)
        if columns.parts.of(int(ids[position])) is None
    }
    if not old:
        return found
    added = [(place, *part) for place, attempts in old.items() for attempt in attempts for part in _parts(attempt)]
    kept = ~np.isin(found.owner, list(old))
    owner, kind, started, ended, share = zip(*added, strict=True)
    owners = np.concatenate([found.owner[kept], np.array(owner, np.intp)])
    starts = np.concatenate([found.started_ns[kept], np.array(started, np.int64)])
    order = np.lexsort((starts, owners))
    return Stretches(
        owners[order],
        np.concatenate([found.kind[kept], np.array(kind, np.uint8)])[order],
        starts[order],
        np.concatenate([found.ended_ns[kept], np.array(ended, np.int64)])[order],
        np.concatenate([found.cpu_share[kept], np.array(share, np.float64)])[order],
    )


def _parts(attempt: Attempt) -> Iterator[tuple[int, int, int, float]]:
    """Yield kind, start and end [ns] and share of CPU of each part of an attempt, as `Stretches` has them."""
    at = attempt.started_ns
    known = derived_parts(at, attempt.ended_ns, attempt.cpu_ns, attempt.blocked_ns)
    for code, until_ns, share in ((PAUSE, attempt.ended_ns, NO_SHARE),) if attempt.is_pause else known:
        unknown_share = np.nan if share < 0 else share
        yield code, at, until_ns, float(code == CPU) if code != UNKNOWN else unknown_share
        at = until_ns
