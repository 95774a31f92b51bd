"""The nesting of the spans of a trace, computed for all spans at once.

Belongs here: parents, depths, ancestors, which spans are units of work, and telling a profile, whose spans are calls
within calls, from branches of parallel work. Does not belong here: arithmetic on their times (``intervals``,
``analysis``).

Everything doubles its step instead of walking up one parent at a time: log2(depth) passes over arrays, whether a
trace is wide or 10,000 levels deep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.intervals import Bools, Ints
from kaygraph_viz.trace.span import STATUSES

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Nesting:
    """The spans of a trace and their parents."""

    columns: SpanColumns
    parent: Places

    @classmethod
    def of(cls, columns: SpanColumns) -> Nesting:
        """Return the nesting of all spans."""
        return cls(columns, columns.parents())

    def enclosing(self, mask: Bools) -> Bools:
        """Return a mask of the spans that enclose, at any distance, a span of `mask`."""
        found = np.zeros(len(mask), np.bool_)
        found[self.parent[mask & (self.parent >= 0)]] = True
        for jump in self._ancestors():  # found: the ancestors nearer than twice the distance of the jump
            found[jump[found & (jump >= 0)]] = True
        return found

    def nearest(self, mask: Bools) -> Places:
        """Return for each span the position of the innermost span of `mask` that is it or encloses it, or -1."""
        jump = np.where(mask, np.arange(len(mask)), self.parent)
        for _ in self._ancestors():
            jump = _twice(jump)
        is_found = (jump >= 0) & mask[jump] if len(mask) else mask
        return np.where(is_found, jump, -1)

    def within(self, mask: Bools) -> Bools:
        """Return a mask of the spans that are of `mask` or lie within one of it."""
        return self.nearest(mask) >= 0

    def depth(self) -> Ints:
        """Return how many spans enclose each span."""
        depth = (self.parent >= 0).astype(np.int64)
        for jump in self._ancestors():
            depth += np.where(jump >= 0, depth[jump], 0)
        return depth

    def least_around(self, values: Ints) -> Ints:
        """Return for each span the least of its own value and those of the spans that enclose it."""
        found = values
        for jump in self._ancestors():
            found = np.where(jump >= 0, np.minimum(found, found[jump]), found)
        return found

    def most_within(self, values: Ints) -> Ints:
        """Return for each span the most of its own value and those of the spans that it encloses."""
        found = values.copy()
        for jump in self._ancestors():
            inner = np.flatnonzero(jump >= 0)
            np.maximum.at(found, jump[inner], found[inner])
        return found

    def _ancestors(self) -> Iterator[Places]:
        """Yield the ancestors at distance 1, 2, 4, ... of each span, as long as any has one."""
        jump = self.parent
        for _ in range(len(jump).bit_length()):
            if not (jump >= 0).any():
                return
            yield jump
            jump = _twice(jump)


def _twice(jump: Places) -> Places:
    return np.where(jump >= 0, jump[jump], -1)


def extent_ns(columns: SpanColumns) -> tuple[int, int]:
    """Return the first submission and the last end [ns], between which lies the makespan; both 0 for no spans."""
    if not len(columns):
        return 0, 0
    return int(columns.column("submitted_ns").min()), int(columns.column("ended_ns").max())


def is_own_time(columns: SpanColumns) -> Bools:
    """Return a mask of the phases that `own_time.with_own_time` has added: their numbers are below 0."""
    found: Bools = columns.rows["span_id"] < 0
    return found


def unit_mask(nesting: Nesting) -> Bools:
    """Return a mask of the units of work: the bars of a chart, whose durations add up to the work."""
    candidates = nesting.columns.is_kind("branch", "phase")
    if not candidates.any():
        candidates = nesting.columns.is_kind("node")
    return candidates & ~nesting.enclosing(candidates)


def told_within(nesting: Nesting) -> Bools:
    """Return a mask of the spans that are ok, or in which an innermost branch ended with the same status."""
    status, branches = nesting.columns.rows["status"], nesting.columns.is_kind("branch")
    leaves = branches & ~nesting.enclosing(branches)
    told: Bools = status == STATUSES.index("ok")
    for code in np.unique(status[~told]):
        told |= (status == code) & nesting.enclosing(leaves & (status == code))
    return told


DEEP = 4  # so many branches around one on its own lane are calls, not a chunk, its items and helpers of them
PROFILE = (
    "This trace is a profile, not a set of branches: most of its spans are function calls within others on the same "
    "lane; record(...) around the run shows what it did at the same time."
)


def is_profile(nesting: Nesting) -> bool:
    """Return whether more than half of the innermost branches of a trace lie within 4 or more of their own lane."""
    columns = nesting.columns
    is_branch, lane = columns.is_kind("branch"), columns.rows["lane"]
    if not is_branch.any():
        return False
    around = np.append(nesting.nearest(is_branch), -1)[nesting.parent]
    is_call = is_branch & (around >= 0) & (lane == lane[around])
    depth = Nesting(columns, np.where(is_call, around, -1)).depth()
    innermost = depth[is_branch & ~nesting.enclosing(is_branch)]
    return 2 * int((innermost >= DEEP).sum()) > len(innermost)
