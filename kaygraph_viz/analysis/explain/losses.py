"""Losses within service times: repeated work and blocked time.

Belongs here: repeated work and blocked time of each unit of work. Does not belong here: time in which a worker ran
nothing (``idle``), and the GIL (``contention``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints, Stretch, covered_ns
from kaygraph_viz.analysis.nesting import Nesting, Places, is_own_time
from kaygraph_viz.analysis.worker_loops import AT_ONCE_NS, finished_ns, input_waits

__all__ = ["blocked_ns", "input_ns", "repeated_ns"]


def blocked_ns(nesting: Nesting, units: Places) -> Ints:
    """Return the time for which each unit was blocked by a limit, a lock or a full queue [ns]."""
    return nesting.columns.column("blocked_ns")[units].clip(0, _service_ns(nesting, units))


def input_ns(nesting: Nesting, units: Places) -> tuple[Ints, Ints]:
    """Return for how long each unit waited for an item from a queue that came, and for one that never did [ns]."""
    columns, waits = nesting.columns, input_waits(nesting)
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    owner = np.where(is_own_time(columns), nesting.parent, np.arange(len(columns)))[units]
    mine = Stretch(owner, started[units], ended[units])
    is_last = waits.ended >= ended[waits.owner] - AT_ONCE_NS
    waited = np.minimum(covered_ns(mine, waits), blocked_ns(nesting, units))
    at_the_end = np.minimum(covered_ns(mine, Stretch(*(each[is_last] for each in waits))), waited)
    return waited - at_the_end, at_the_end


def repeated_ns(nesting: Nesting, units: Places) -> Ints:
    """Return the useless time of each unit: failed attempts, pauses after them, results that were lost [ns]."""
    service = _service_ns(nesting, units)
    started, ended = (nesting.columns.column(name)[units] for name in ("started_ns", "ended_ns"))
    finished = np.where(_counts(nesting, units), finished_ns(nesting), np.iinfo(np.int64).max)
    useful_from = -nesting.least_around(-_useful_from(nesting, finished))
    before = (useful_from[units] - started).clip(0, service)
    after = (ended - np.maximum(nesting.least_around(finished)[units], useful_from[units])).clip(0, service - before)
    blocked = blocked_ns(nesting, units)
    repeated: Ints = (before + after - _blocked_before(nesting, units, useful_from)).clip(0, service - blocked)
    return repeated


def _service_ns(nesting: Nesting, units: Places) -> Ints:
    return (nesting.columns.column("ended_ns") - nesting.columns.column("started_ns"))[units]


def _useful_from(nesting: Nesting, finished: Ints) -> Ints:
    """Return the moment from which each span was useful, as far as its own attempts and status say it [ns]."""
    columns = nesting.columns
    started, ended, number = (columns.column(name) for name in ("started_ns", "ended_ns", "attempt"))
    useful_from = started.copy()
    is_attempt, is_ok = columns.is_kind("attempt"), columns.is_status("ok")
    restarts = np.flatnonzero(is_attempt & (nesting.parent >= 0) & (~is_ok | (number > 1)))
    np.maximum.at(useful_from, nesting.parent[restarts], np.where(is_ok, started, ended)[restarts])
    is_unexplained = columns.is_kind("branch") & (number > 1) & (useful_from == started)
    estimate = started + (ended - started) // number.clip(1) * (number - 1)
    useful_from = np.where(is_unexplained, estimate, useful_from)
    return np.where(finished <= started, ended, useful_from)


def _counts(nesting: Nesting, units: Places) -> Bools:
    """Return a mask of the branches and units: a failed node does not undo its branches' work."""
    counts = nesting.columns.is_kind("branch")
    counts[units] = True
    return counts


def _blocked_before(nesting: Nesting, units: Places, useful_from: Ints) -> Ints:
    """Return the blocked time in the repeated part of each unit [ns], as far as waits were recorded."""
    columns = nesting.columns
    is_unit = np.zeros(len(columns), np.bool_)
    is_unit[units] = True
    owner = nesting.nearest(is_unit)
    waits = np.flatnonzero(columns.is_kind("wait") & (columns.column("blocked_ns") > 0) & (owner >= 0))
    waits = waits[columns.column("started_ns")[waits] < useful_from[owner[waits]]]
    blocked = np.zeros(len(columns), np.int64)
    np.add.at(blocked, owner[waits], columns.column("blocked_ns")[waits])
    return blocked[units]
