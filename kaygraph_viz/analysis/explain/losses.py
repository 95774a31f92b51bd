"""Losses within service times: repeated work and blocked time.

Belongs here: repeated work and blocked time of each unit of work. Does not belong here: time in which a worker ran
nothing (``idle``), and the GIL (``contention``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Nesting, Places

__all__ = ["blocked_ns", "repeated_ns"]


def blocked_ns(nesting: Nesting, units: Places) -> Ints:
    """Return the time for which each unit was blocked by a limit, a lock or a full queue [ns].

    Parameters
    ----------
    nesting, units
        All spans, and the positions of the units of work.
    """
    return nesting.columns.column("blocked_ns")[units].clip(0, _service_ns(nesting, units))


def repeated_ns(nesting: Nesting, units: Places) -> Ints:
    """Return the useless time of each unit: failed attempts, pauses after them, results that were lost [ns].

    Blocked time is left out: it has a cause of its own.

    Parameters
    ----------
    nesting
        All spans.
    units
        The positions of the units of work.

    Notes
    -----
    A branch did useful work from the start of the attempt that succeeded, or from the end of the last one that failed,
    where a fallback took its place. What lies before that moment in one branch is repeated also within all that it
    encloses. Where attempts were counted but not recorded, all are taken to be equally long. A branch, or unit of work,
    that did not end well did nothing useful.
    """
    service = _service_ns(nesting, units)
    started = nesting.columns.column("started_ns")[units]
    useful_from = -nesting.least_around(-_useful_from(nesting, units))
    before = (useful_from[units] - started).clip(0, service)
    blocked = blocked_ns(nesting, units)
    return (before - _blocked_before(nesting, units, useful_from)).clip(0, service - blocked)


def _service_ns(nesting: Nesting, units: Places) -> Ints:
    return (nesting.columns.column("ended_ns") - nesting.columns.column("started_ns"))[units]


def _useful_from(nesting: Nesting, units: Places) -> Ints:
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
    return np.where(_is_lost(nesting, units), ended, useful_from)


def _is_lost(nesting: Nesting, units: Places) -> Bools:
    """Return a mask of the branches and units that did not end well; a failed node does not undo its branches' work."""
    is_lost = nesting.columns.is_kind("branch")
    is_lost[units] = True
    return is_lost & ~nesting.columns.is_status("ok")


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
