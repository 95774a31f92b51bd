"""When branches around others only waited for them, and their rows were free.

Belongs here: these stretches. Does not belong here: which branches around others are drawn (``own_time``), and how
(``layout``, ``widgets.timeline``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import Ints, first_of_runs
from kaygraph_viz.analysis.nesting import Places, is_own_time
from kaygraph_viz.plot.gantt.chart import Run
from kaygraph_viz.trace.counting import repeated

__all__ = ["RowStretches", "awaiting"]


class RowStretches(NamedTuple):
    """Stretches of time in rows of a run, m of them, by row and start."""

    place: Places
    started_ns: Ints
    ended_ns: Ints


def awaiting(run: Run) -> RowStretches:
    """Return when the branches around others that have bars waited for those within them."""
    waits = _between(run)
    started, ended = (run.nesting.columns.column(name)[run.units] for name in ("started_ns", "ended_ns"))
    found = [RowStretches(waits.place[:0], waits.started_ns[:0], waits.ended_ns[:0])]
    for row in np.unique(run.row_of[waits.place]).tolist():
        mine = waits.place, waits.started_ns, waits.ended_ns
        own = RowStretches(*(each[run.row_of[waits.place] == row] for each in mine))
        bars = np.flatnonzero(run.row_of == row)
        bars = bars[np.lexsort((ended[bars], started[bars]))]
        found.append(_in_gaps(own, started[bars], ended[bars]))
    return RowStretches(*(np.concatenate(each) for each in zip(*found, strict=True)))


def _between(run: Run) -> RowStretches:
    """Return the stretches of branches before, between and behind what they did by themselves."""
    columns = run.nesting.columns
    started, ended = (columns.column(name) for name in ("started_ns", "ended_ns"))
    place = np.flatnonzero(is_own_time(columns)[run.units])
    owner = run.nesting.parent[run.units[place]]
    order = np.lexsort((started[run.units[place]], owner))
    place, owner = place[order], owner[order]
    own_start, own_end = started[run.units[place]], ended[run.units[place]]
    is_first = first_of_runs(owner)
    is_last = np.append(is_first[1:], True)[: len(owner)]
    before = np.where(is_first, started[owner], np.append(0, own_end[:-1])[: len(owner)])
    return RowStretches(
        np.concatenate([place, place[is_last]]),
        np.concatenate([before, own_end[is_last]]),
        np.concatenate([own_start, ended[owner[is_last]]]),
    )


def _in_gaps(waits: RowStretches, starts: Ints, ends: Ints) -> RowStretches:
    """Return the parts of stretches that lie between bars, which are in order and do not overlap."""
    first = np.searchsorted(starts, waits.started_ns, side="right")  # of the gaps, each of which ends with a bar
    last = np.searchsorted(ends, waits.ended_ns, side="left")
    count = (last - first + 1).clip(0)
    wait = repeated(np.arange(len(first)), count)
    gap = np.arange(len(wait)) + repeated(first - (np.cumsum(count) - count), count)
    opens, closes = np.append(np.iinfo(np.int64).min, ends)[gap], np.append(starts, np.iinfo(np.int64).max)[gap]
    low, high = np.maximum(waits.started_ns[wait], opens), np.minimum(waits.ended_ns[wait], closes)
    order = np.lexsort((high, low))
    order = order[low[order] < high[order]]
    return RowStretches(waits.place[wait[order]], low[order], high[order])
