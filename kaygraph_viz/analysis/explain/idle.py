"""The idle time of workers, by what they waited for at every moment of a run.

Belongs here: sorting idle time by its cause. Does not belong here: losses while they worked (``losses`` and
``contention``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.calls import Calls
from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Nesting, Places, extent_ns
from kaygraph_viz.analysis.workers import LOOPS, kind_of_lane, process_of_lane
from kaygraph_viz.trace.counting import tally

__all__ = ["Idle", "idle_time"]


class Idle(NamedTuple):
    """The idle time of all workers together, by its cause [ns]."""

    interpreter: int
    loop: int
    dispatch: int
    starved: int
    tail: int
    serial: int


def idle_time(nesting: Nesting, units: Places, workers: int, is_busy: Bools) -> Idle:
    """Return the idle time of all workers by its cause."""
    columns = nesting.columns
    started, ended = columns.column("started_ns")[units], columns.column("ended_ns")[units]
    times, changes = _free_slots(Calls.of(nesting))
    moments = np.concatenate([started, ended, times, extent_ns(columns)])
    order = np.argsort(moments, kind="stable")
    lasting = np.diff(moments[order])

    def at_each_moment(of_units: Ints, of_calls: Ints) -> Ints:
        change = np.concatenate([of_units, -of_units, of_calls, np.zeros(2, np.int64)])
        found: Ints = np.cumsum(change[order])[:-1]
        return found

    none, no_change = np.zeros(len(units), np.int64), np.zeros(len(times), np.int64)
    idle = workers - at_each_moment(np.ones(len(units), np.int64), no_change)
    coroutines, threads, others, starved, tail = (at_each_moment(none, change) for change in changes)
    held_up = np.where(at_each_moment(is_busy.astype(np.int64), no_change) > 0, threads, 0)
    found: list[int] = []
    for wanted in (held_up, coroutines, others + threads - held_up, starved, tail):
        taken = np.minimum(wanted, idle)
        found.append(int((taken * lasting).sum()))
        idle = idle - taken
    interpreter, loop, dispatch, starvation, tails = found
    return Idle(interpreter, loop, dispatch, starvation, tails, int((idle * lasting).sum()))


def _free_slots(calls: Calls) -> tuple[Ints, Ints]:
    """Return moments, and by how much the free slots of calls change there."""
    count, size = len(calls.workers), tally(calls.call, len(calls.workers))
    call = np.concatenate([np.arange(count), *[calls.call] * 3, np.arange(count)])
    moment = np.concatenate([calls.begins, calls.submitted, calls.started, calls.ended, calls.ends])
    order = np.lexsort((moment, call))
    running = np.cumsum(_changes(calls, start=1, end=-1)[order])
    queued = np.cumsum(_changes(calls, submit=1, start=-1)[order])
    coming = np.cumsum(_changes(calls, begin=size, submit=-1)[order])
    started = np.cumsum(_changes(calls, begin=calls.workers, close=-calls.workers)[order])
    free = (started - running).clip(0)  # a branch that was given up still runs beside the one that took its place
    wanted = np.minimum(free, queued)
    slots = np.zeros((5, len(order)), np.int64)
    slots[_kind_of_worker(calls)[call[order]], np.arange(len(order))] = wanted
    slots[2] += np.where(running > 0, 0, slots[0])  # no coroutine holds the loop: the workers are only starting
    slots[0] = np.where(running > 0, slots[0], 0)
    slots[3] = np.where(coming > 0, free - wanted, 0)
    slots[4] = free - wanted - slots[3]
    return moment[order], np.diff(slots, axis=1, prepend=0)


def _kind_of_worker(calls: Calls) -> Ints:
    """Return for each call 0 for coroutines, 1 for threads of the recorded process, 2 for others."""
    is_loop = [kind_of_lane(lane) in LOOPS for lane in calls.lanes]
    return np.where(is_loop, 0, np.where([process_of_lane(lane) == "" for lane in calls.lanes], 1, 2))


def _changes(
    calls: Calls, begin: Ints | int = 0, submit: int = 0, start: int = 0, end: int = 0, close: Ints | int = 0
) -> Ints:
    """Return the changes of a number when calls begin, branches are submitted, start and end, and calls end."""
    count, branches = len(calls.workers), len(calls.call)
    of_branches = (np.full(branches, by) for by in (submit, start, end))
    return np.concatenate([np.broadcast_to(begin, count), *of_branches, np.broadcast_to(close, count)])
