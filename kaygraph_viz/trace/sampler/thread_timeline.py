"""Timelines of threads by readings of their CPU clocks: computing, or waiting for a core, the GIL, or anything else.

Belongs here: arithmetic on the readings of whole threads. Does not belong here: how they were read (``sampler``), and
what follows for spans (``parts``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.trace.columns import repeated

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CPU, WAIT, GIL, CORE = (PART_CODE[kind] for kind in ("cpu", "wait", "gil", "core"))
FULL = 0.8  # of the time between two readings spent on CPU: the CPU of a neighbour lies beside it
ALL = 0.95  # counts as computing from end to end: the rest went into reading
TINY_NS = 100_000  # a thread that waits for the GIL wakes up every switch interval for some 10 us
PATIENCE = 2.0  # switch intervals: a thread that has not woken up for longer waits for something else
STILL = 255  # the kind, for a while, of what is between two readings that are the same
BUSY = 0.65  # of the time another thread must be seen computing, or waiting for a core, if it holds the GIL
SOLE = 1.2  # cores that all others use together, at most, if one of them holds the GIL


class ThreadReadings(NamedTuple):
    """The readings of one thread."""

    pid: int
    tid: int
    times_ns: Ints
    cpu_ns: Ints
    core_ns: Ints


class Timeline(NamedTuple):
    """The timeline of one thread, without gaps."""

    pid: int
    tid: int
    kind: Codes
    edges_ns: Ints

    @property
    def lasted_ns(self) -> Ints:
        """The lengths of the pieces [ns]."""
        return np.diff(self.edges_ns)


def tick_ns(readings: Sequence[ThreadReadings], period_ns: int) -> int:
    """Return the median time between two readings [ns], at least the period that was wanted."""
    apart = [np.diff(each.times_ns)[np.diff(each.cpu_ns) > 0] for each in readings]
    found = np.concatenate([np.empty(0, np.int64), *apart])
    return max(period_ns, int(np.median(found))) if len(found) else period_ns


def timelines(readings: Sequence[ThreadReadings], *, switch_ns: int, has_gil: bool) -> list[Timeline]:
    """Return the timeline of each thread with two readings or more."""
    found = [_tiled(each) for each in readings if len(each.times_ns) > 1]
    if has_gil:
        for pid in {each.pid for each in found}:
            of_process = [place for place, each in enumerate(found) if each.pid == pid]
            total = _Total([found[place] for place in of_process])
            for place in of_process:
                found[place] = _with_gil(found[place], total, round(PATIENCE * switch_ns))
    lines = []
    for line in found:  # without the moments in which a thread woke up only to wait on
        kind = np.where(line.kind == STILL, WAIT, line.kind).astype(np.uint8)
        is_idle = np.isin(np.concatenate([[CPU], kind, [CPU]]), (WAIT, GIL))
        is_moment = _is_tiny(line) & is_idle[:-2] & is_idle[2:]
        kind[is_moment] = np.append(kind[1:], CPU)[is_moment]
        lines.append(_merged(line._replace(kind=kind)))
    return lines


# -- one thread ------------------------------------------------------------------------------------------------------


def _tiled(readings: ThreadReadings) -> Timeline:
    """Return the timeline of a thread alone: computing, waiting for a core, and neither (``wait``, or ``STILL``)."""
    times = readings.times_ns
    lasted = np.diff(times)
    cpu = np.diff(_straight(times, readings.cpu_ns))
    core = np.maximum(np.diff(_straight(times, readings.cpu_ns + readings.core_ns)) - cpu, 0)
    cpu = np.where(cpu >= ALL * lasted, lasted, cpu)
    core = np.where(core < TINY_NS, 0, np.minimum(core, lasted - cpu))
    rest = lasted - cpu - core
    core = np.where((rest < TINY_NS) & (core > 0), core + rest, core)
    is_full = cpu >= FULL * lasted
    after_full, before_full = np.append(False, is_full[:-1]), np.append(is_full[1:], False)
    first = np.where(after_full, np.where(before_full, cpu // 2, cpu), 0)
    pieces = np.stack([first, lasted - cpu - core, core, cpu - first], axis=1).ravel()
    kind = np.tile(np.array([CPU, WAIT, CORE, CPU], np.uint8), len(lasted))
    kind[1::4][rest == lasted] = STILL
    return _merged(Timeline(readings.pid, readings.tid, kind, times[0] + np.append(0, np.cumsum(pieces))))


def _straight(times_ns: Ints, total_ns: Ints) -> Ints:
    """Return a growing total limited to the speed of time: what the system reported late is moved to before."""
    ahead: Ints = np.maximum.accumulate((total_ns - times_ns)[::-1])[::-1] + times_ns
    return ahead


def _merged(line: Timeline) -> Timeline:
    """Return the timeline without empty pieces, neighbours of one kind merged."""
    some = line.lasted_ns > 0
    kind, begins = line.kind[some], line.edges_ns[:-1][some]
    is_new = np.append(True, kind[1:] != kind[:-1])[: len(kind)]
    return line._replace(kind=kind[is_new], edges_ns=np.append(begins[is_new], line.edges_ns[-1]))


def _is_tiny(line: Timeline) -> Mask:
    is_tiny: Mask = np.isin(line.kind, (CPU, CORE)) & (line.lasted_ns < TINY_NS)
    return is_tiny


# -- threads of one process ------------------------------------------------------------------------------------------


class _Total:
    """The sums of CPU time and of busy time of all threads of a process, at any time."""

    def __init__(self, lines: Sequence[Timeline]) -> None:
        edges = np.concatenate([each.edges_ns for each in lines])
        order = np.argsort(edges, kind="stable")
        self._origin_ns = edges[order[0]]
        self._times = (edges[order] - self._origin_ns).astype(float)
        lasted = np.diff(self._times)
        computing, ready = (_changes(lines, *kinds)[order].cumsum()[:-1] for kinds in ((CPU,), (CPU, CORE)))
        self._used = np.append(0.0, np.cumsum(computing * lasted))
        self._busy = np.append(0.0, np.cumsum((ready > 0) * lasted))

    def between(self, started_ns: Ints, ended_ns: Ints) -> tuple[Floats, Floats]:
        """Return the CPU time of all threads [ns], and how long at least one computed or waited for a core [ns]."""
        begins, ends = ((each - self._origin_ns).astype(float) for each in (started_ns, ended_ns))
        used, busy = (
            np.interp(ends, self._times, total) - np.interp(begins, self._times, total)
            for total in (self._used, self._busy)
        )
        return used, busy


def _changes(lines: Sequence[Timeline], *kinds: int) -> Ints:
    """Return the changes of the number of threads that are in pieces of these kinds, at all edges."""
    does = [np.concatenate([[0], np.isin(each.kind, kinds).astype(np.int64), [0]]) for each in lines]
    return np.concatenate([np.diff(each) for each in does])


def _gaps(line: Timeline, patience_ns: int) -> Mask:
    """Return a mask of the pieces between two wake-ups close enough for a thread that waits for the GIL."""
    is_rest = np.isin(line.kind, (WAIT, STILL))
    gap = np.cumsum(is_rest & ~np.append(False, is_rest[:-1]))
    is_long = np.zeros(len(line.kind) + 1, bool)
    is_long[gap[(line.kind == STILL) & (line.lasted_ns > patience_ns)]] = True
    gaps: Mask = is_rest & ~is_long[gap]
    return gaps


def _with_gil(line: Timeline, total: _Total, patience_ns: int) -> Timeline:
    """Return the timeline with ``gil`` where the thread waited for the others of its process."""
    is_gap = _gaps(line, patience_ns)
    is_run = is_gap | _is_tiny(line)
    change = np.diff(np.concatenate([[0], is_run.astype(np.int8), [0]]))
    firsts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    lasted = line.edges_ns[ends] - line.edges_ns[firsts]
    # The thread itself is among all threads of the total: while it waits, it adds next to nothing.
    used, busy = total.between(line.edges_ns[firsts], line.edges_ns[ends])
    is_gil = (busy >= BUSY * lasted) & (used <= SOLE * lasted)
    kind = line.kind.copy()
    kind[is_run] = np.where(is_gap[is_run] & repeated(is_gil, ends - firsts), GIL, kind[is_run])
    return line._replace(kind=kind)
