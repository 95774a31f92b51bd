"""Branches around others in a chart: which of them are drawn.

Belongs here: the rule for it. Does not belong here: when they worked by themselves (``analysis.own_time``), and when
they waited for others (``awaiting``).

A branch that only hands its work to others is not drawn: the others say it all, and a row of waiting beside theirs
would look like one more worker. What it did by itself is drawn where it can be seen: where a stretch of it takes a
hundredth of the chart, or all of it a fiftieth of the time of the branches. Less is the cost of handing over. Branches
of one name are treated alike: either all of them are drawn, or none. What held up a loop is always drawn, and so is
what ended badly while nothing within it did: its end is marked. What kept a worker that did other things, too, is
drawn as well: that worker would look free.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kaygraph_viz.analysis.blocked_loop import loop_blocks
from kaygraph_viz.analysis.intervals import Bools, first_of_runs
from kaygraph_viz.analysis.nesting import Nesting, extent_ns, is_own_time, told_within, unit_mask
from kaygraph_viz.analysis.own_time import contain_work, with_own_time
from kaygraph_viz.trace.counting import sums

__all__ = ["with_drawn_own_time"]

LEAST_SHARE = 0.02  # of the time of the branches
LEAST_WIDTH = 0.01  # of the chart


def with_drawn_own_time(nesting: Nesting) -> Nesting:
    """Return the spans with phases for the own time of the branches around others that are drawn."""
    is_around = contain_work(nesting)
    if not is_around.any():
        return nesting
    is_bad = is_around & ~told_within(nesting)
    is_seen = _worked(nesting, is_around)
    name, lane, around_it = nesting.columns.rows["name"], nesting.columns.column("lane"), nesting.nearest(is_around)
    is_step = (around_it >= 0) & (lane[around_it] == lane)
    drawn_lanes = lane[unit_mask(nesting) & ~is_around & ~is_step]  # in any case: their workers would look free
    is_seen[name[is_bad | (is_around & np.isin(lane, drawn_lanes))]] = True
    is_drawn = is_around & is_seen[name]
    found = with_own_time(nesting, has_generators=False, of=is_drawn)  # generators do nothing while nobody asks

    # the time in the queue of a branch stands before what it did by itself at its begin
    rows, parent = found.columns.rows.copy(), found.parent
    own = np.flatnonzero(is_own_time(found.columns))
    at_begin = own[rows["started_ns"][own] == rows["started_ns"][parent[own]]]
    rows["submitted_ns"][at_begin] = rows["submitted_ns"][parent[at_begin]]

    # what ended badly has its status at the end of what it did by itself
    own = own[np.lexsort((found.columns.column("started_ns")[own], parent[own]))]
    is_last = np.append(first_of_runs(parent[own])[1:], True)[: len(own)]
    ends = own[is_last & np.isin(rows["span_id"][parent[own]], nesting.columns.rows["span_id"][is_bad])]
    rows["status"][ends] = rows["status"][parent[ends]]
    return Nesting(replace(found.columns, rows=rows), parent)


def _worked(nesting: Nesting, around: Bools) -> Bools:
    """Return whether what the branches of each name around others did by themselves can be seen."""
    columns, found = nesting.columns, with_own_time(nesting, has_generators=False)
    own = np.flatnonzero(is_own_time(found.columns))
    name, size = columns.column("name"), len(columns.names)
    own_name = found.columns.column("name")[found.parent[own]]
    own_ns = (found.columns.column("ended_ns") - found.columns.column("started_ns"))[own]
    lasted_ns = (columns.column("ended_ns") - columns.column("started_ns"))[around]
    first_ns, last_ns = extent_ns(columns)
    worked = sums(own_name, own_ns, size)
    is_seen: Bools = (worked > 0) & (worked >= LEAST_SHARE * sums(name[around], lasted_ns, size))
    is_seen[own_name[own_ns >= LEAST_WIDTH * (last_ns - first_ns)]] = True
    held_up = nesting.parent[loop_blocks(columns)]
    is_seen[name[held_up[held_up >= 0]]] = True
    return is_seen
