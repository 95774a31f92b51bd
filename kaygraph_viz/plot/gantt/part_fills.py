"""The fills of bars: parts where they happened, and parts that are too short to be drawn alone as shares of a height.

Belongs here: which stretch of which bar is filled how, from where to where in its height. Does not belong here: the
parts (``trace.part_table``), the row of a bar (``layout``), and images of many bars (``bins``).

Stripes narrower than a pixel or two would alias: which of them hits a pixel is chance. So parts that short are put
together to wider stretches in which the kinds are stacked, each as high as its share of that time. A part of which only
the share of CPU is known is drawn like that, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.plot.style import FILLS
from kaygraph_viz.trace.counting import repeated
from kaygraph_viz.trace.part_table import Stretches

__all__ = ["STACK", "Stripes", "make_stripes", "share_of"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
STACK = tuple(key for key in FILLS if key not in ("queued", "around"))  # from the bottom of a bar
CODES: dict[str, int] = {kind: code for code, kind in enumerate(PART_KINDS)}
MIN_STACK_WIDTH = 2  # width of a stretch of several parts, in widths of the shortest part that is drawn alone
MIN_STACK_PARTS = 16  # in a wider stretch: with fewer parts its shares would be chance
MAX_NOISE = 0.07  # neighbours whose shares differ by less are merged: steps that small are chance
MIN_SHARE = 1e-6


class Stripes(NamedTuple):
    """The n filled stretches of some bars: bar by bar in the order of time, those of the same time from the bottom."""

    owner: Places
    started_ns: Floats
    ended_ns: Floats
    low: Floats
    high: Floats
    fill: Places
    is_alone: Bools
    is_stacked: bool


def share_of(parts: Stretches, fill: str) -> Floats:
    """Return the share of each part that has a fill: of an unknown part the measured share is CPU."""
    if fill == "cpu":
        return np.nan_to_num(parts.cpu_share)
    if fill == "busy":
        return np.isnan(parts.cpu_share).astype(np.float64)
    share = np.equal(parts.kind, CODES[fill]).astype(np.float64)
    if fill == "unknown" and share.any():
        share *= np.nan_to_num(1 - parts.cpu_share)
    return share


def make_stripes(parts: Stretches, shortest_ns: float = 0.0) -> Stripes:
    """Return the filled stretches for parts."""
    line = _Line(parts)
    cells = _cells(parts.owner, line, shortest_ns)
    shares = line.shares(cells.start, cells.end)
    high = np.cumsum(shares, axis=1)
    cell, fill = np.nonzero(shares > MIN_SHARE)
    offset = (parts.started_ns - line.edges[:-1])[cells.part[cell]]
    return Stripes(
        parts.owner[cells.part[cell]],
        cells.start[cell] + offset,
        cells.end[cell] + offset,
        (high - shares)[cell, fill],
        high[cell, fill],
        fill,
        shares[cell, fill] > 1 - MIN_SHARE,
        cells.are_runs,
    )


class _Line:
    """All parts one after the other on one time line: their edges, and the time of each fill until each edge [ns]."""

    def __init__(self, parts: Stretches) -> None:
        lasted = parts.ended_ns - parts.started_ns
        self.edges = np.append(0, np.cumsum(lasted))
        self._until = [np.append(0.0, np.cumsum(share_of(parts, fill) * lasted)) for fill in STACK]

    def shares(self, start: Floats, end: Floats) -> Floats:
        """Return the exact share of each fill in each stretch, shape (stretches, fills), in the order of `STACK`."""
        found = np.zeros((len(start), len(STACK)))
        for place, until in enumerate(self._until):
            if until[-1]:
                found[:, place] = np.interp(end, self.edges, until) - np.interp(start, self.edges, until)
        found /= np.maximum(found.sum(axis=1), MIN_SHARE)[:, None]
        return found


class _Cells(NamedTuple):
    """Stretches that are drawn as one, on the time line of all parts [ns]."""

    part: Places  # the first part in each
    start: Floats
    end: Floats
    are_runs: bool  # whether there are any of several parts


def _cells(owner: Places, line: _Line, shortest_ns: float) -> _Cells:
    """Return a cell for each part that is drawn alone, and cells for runs of short ones."""
    edges = line.edges
    is_short, first, last = _short_runs(owner, np.diff(edges), shortest_ns)
    before, after = _room_beside(owner, edges, first, last, MIN_STACK_WIDTH * shortest_ns)
    start, end = edges[:-1].astype(np.float64), edges[1:].astype(np.float64)
    start[(last + 1)[after > 0]] += after[after > 0]
    end[(first - 1)[before > 0]] -= before[before > 0]
    low, high = edges[first] - before, edges[last + 1] + after
    run, run_start, run_end = _columns(low, high, last + 1 - first, MIN_STACK_WIDTH * shortest_ns)
    begins = _differ(run, line.shares(run_start, run_end))
    closes = np.append(begins[1:], True)[: len(run)]
    alone = np.flatnonzero(~is_short)
    part = np.concatenate([alone, first[run[begins]]])
    order = np.argsort(part, kind="stable")
    starts, ends = np.concatenate([start[alone], run_start[begins]]), np.concatenate([end[alone], run_end[closes]])
    return _Cells(part[order], starts[order], ends[order], bool((last > first).any()))


def _short_runs(owner: Places, lasted: Ints, shortest_ns: float) -> tuple[Bools, Places, Places]:
    """Return which parts are too short to be drawn alone, and the first and the last one of each run of them."""
    is_short = lasted < shortest_ns
    follows = owner[1:] == owner[:-1]
    beside = np.zeros(len(lasted), np.bool_)
    beside[1:] |= is_short[:-1] & follows
    beside[:-1] |= is_short[1:] & follows
    is_short |= beside & (lasted < MIN_STACK_WIDTH * shortest_ns)
    goes_on = is_short[1:] & is_short[:-1] & follows
    first = np.flatnonzero(is_short & ~np.append(False, goes_on)[: len(is_short)])
    last = np.flatnonzero(is_short & ~np.append(goes_on, False)[: len(is_short)])
    return is_short, first, last


def _room_beside(owner: Places, edges: Ints, first: Places, last: Places, least_ns: float) -> tuple[Floats, Floats]:
    """Return how much time a run takes from the parts before and behind it, to be wide enough to be seen [ns]."""
    lasted, lack = np.diff(edges), (least_ns - (edges[last + 1] - edges[first])).clip(0) / 2
    found = []
    for neighbour, mine in ((first - 1, first), (last + 1, last)):
        place = neighbour.clip(0, max(0, len(owner) - 1))
        is_same = (place == neighbour) & (owner[place] == owner[mine])
        found.append(np.where(is_same, np.minimum(lack, lasted[place] / 3), 0.0))
    return found[0], found[1]


def _columns(low: Floats, high: Floats, count: Ints, least_ns: float) -> tuple[Places, Floats, Floats]:
    """Divide each run into columns of equal widths; return the run of each, its start and its end [ns]."""
    columns = np.minimum((high - low) // max(least_ns, 1), count // MIN_STACK_PARTS).astype(np.int64).clip(1)
    run = repeated(np.arange(len(low)), columns)
    number = np.arange(len(run)) - (np.cumsum(columns) - columns)[run]
    width = ((high - low) / columns)[run]
    return run, low[run] + number * width, low[run] + (number + 1) * width


def _differ(run: Places, shares: Floats) -> Bools:
    """Return which columns differ from those before them in the same run; the others are merged with these."""
    begins = np.ones(len(run), np.bool_)
    total, count = np.zeros(len(STACK)), 0
    for place, number in enumerate(run.tolist()):
        begins[place] = not count or number != run[place - 1] or abs(shares[place] - total / count).max() > MAX_NOISE
        total, count = (shares[place], 1) if begins[place] else (total + shares[place], count + 1)
    return begins
