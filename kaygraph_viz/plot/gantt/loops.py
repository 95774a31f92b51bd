"""Branches that wait while others run: for the branches within them, for a turn of the interpreter or of their loop.

Belongs here: when that was, and the words for it. Does not belong here: which spans these are
(``analysis.blocked_loop``), the waits as parts of bars (``layout``), and lines along what held up a loop (``drawing``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.blocked_loop import loop_blocks
from kaygraph_viz.analysis.workers import is_loop_lane
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.plot.gantt.scene import Run
from kaygraph_viz.trace.columns import repeated
from kaygraph_viz.trace.intervals import Ints, first_of_runs
from kaygraph_viz.trace.nesting import Places, is_own_time


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


# -- turns -----------------------------------------------------------------------------------------------------------

INTERPRETER, LOOP = "the interpreter", "the loop"
MOST_LINES = 5_000


def turns_of(runs: Sequence[Run]) -> str:
    """Return what bars waited for that could have gone on: the interpreter, the loop of coroutines, or both."""
    lanes: set[str] = set()
    for run in runs:
        owner = run.parts.owner[run.parts.kind == PART_CODE["gil"]]
        columns = run.nesting.columns
        lanes |= {columns.lanes[code] for code in np.unique(columns.column("lane")[run.units[owner]]).tolist()}
    return turns_on(lanes)


def turns_on(lanes: Iterable[str]) -> str:
    """Return what spans on these lanes wait for that could go on."""
    return " or ".join(sorted({LOOP if is_loop_lane(lane) else INTERPRETER for lane in lanes})) or INTERPRETER


def held_up(run: Run) -> RowStretches:
    """Return when bars held up their loop: at most 5,000 stretches, by row and start."""
    columns = run.nesting.columns
    waits = columns.rows[loop_blocks(columns)[:MOST_LINES]]
    owner = waits["parent_id"].astype(np.int64)
    order = np.flatnonzero(np.isin(run.ids, owner))
    order = order[np.argsort(run.ids[order], kind="stable")]  # those of one branch stay in the order of their starts
    first, last = (np.searchsorted(run.ids[order], owner, side=side) for side in ("left", "right"))
    has_bar = np.flatnonzero(first < last)
    place, waits = order[first[has_bar]], waits[has_bar]
    by_row = np.lexsort((waits["started_ns"], run.row_of[place]))
    return RowStretches(place[by_row], *(waits[name][by_row].astype(np.int64) for name in ("started_ns", "ended_ns")))
