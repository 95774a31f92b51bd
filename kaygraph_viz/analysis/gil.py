"""How long branches waited for a turn to compute: for the interpreter, for the loop of coroutines, for a core.

Belongs here: an estimate from the CPU times of branches that overlapped. Does not belong here: which code holds the GIL
(``gil_free``), and waits that were measured (``losses``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.gil_free import gil_free
from kaygraph_viz.analysis.intervals import Bools, Ints, concurrency, group_cluster_starts
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.analysis.workers import kind_of_lane, process_of_lane
from kaygraph_viz.machine import Machine

__all__ = ["TurnWaits", "turn_waits"]

SATURATED = (0.8, 1.2)  # seconds per second that were computed, of what can be
LOOPS = ("async", "task")  # kinds of lanes of coroutines

Floats = npt.NDArray[np.float64]


class TurnWaits(NamedTuple):
    """How long each unit of work waited for a turn to compute [ns], and for whom.

    Parameters
    ----------
    gil
        For another thread of its process, which held the interpreter.
    loop
        For another coroutine of its loop.
    core
        For a core, since there were more who computed than cores.
    is_busy
        Whether the interpreter of the recorded process was busy computing all around each unit that ran there.
    held_ns
        How much of its CPU time each computed with the interpreter, as far as it can be told [ns].
    """

    gil: Ints
    loop: Ints
    core: Ints
    is_busy: Bools
    held_ns: Ints

    @property
    def together(self) -> Ints:
        """All three [ns]."""
        return self.gil + self.loop + self.core


def turn_waits(nesting: Nesting, units: Places, idle_ns: Ints, machine: Machine | None) -> TurnWaits:
    """Return how long units waited for a turn to compute.

    Parameters
    ----------
    nesting
        All spans.
    units
        The positions of the units of work.
    idle_ns
        How much of each unit is explained otherwise: blocked, or repeated [ns].
    machine
        Where it was recorded; None where that is not known: then there is a GIL, and nobody waits for a core.

    Notes
    -----
    Where nobody measured this wait, it is inferred, and only if nothing else fits:

    - CPU time was measured, and the branch overlapped with others: in threads of the same process, in coroutines of the
      same process, or, where there are more of them than cores, in threads and processes of the machine;
    - around that time, half again and twice its duration, these used between 0.8 and 1.2 of what can be used: of the
      interpreter, by code that does not compute without it as far as is known (see `gil_free`), of the loop, or of all
      cores.

    Then what the branch neither computed nor was blocked counts, but no more than the others computed meanwhile, since
    whoever waits for a turn waits for one who computes; and no more than its own CPU time once for each of the others,
    since turns go round. CPU time is taken to be spread evenly over a branch. A branch that also waited for a service
    at such a time cannot be told apart: for it this is an upper bound. On a machine with one core the wait for the core
    looks the same as that for the GIL.
    """
    columns, lanes = nesting.columns, nesting.columns.rows["lane"][units]
    crowd = _Crowd(
        *(columns.column(f"{name}_ns")[units] for name in ("started", "ended", "cpu")), idle_ns,
        _processes(columns.lanes)[lanes], np.array([kind_of_lane(lane) in LOOPS for lane in columns.lanes])[lanes],
    )  # fmt: skip
    has_gil = machine is None or machine.has_gil
    held = crowd.held(columns.column("name")[units], machine) if has_gil else np.where(crowd.in_loop, crowd.cpu, 0)
    gil, is_busy = crowd.for_interpreter(held)
    loop = crowd.for_loop()
    idle = crowd._replace(idle=idle_ns + gil + loop)
    core = idle.for_core(machine.cores) if machine is not None and machine.cores is not None else np.zeros_like(gil)
    return TurnWaits(gil, loop, core, is_busy, held)


def _processes(lanes: tuple[str, ...]) -> Ints:
    """Return for each lane the number of its process: 0 for the recorded one, below that for those elsewhere."""
    names = [process_of_lane(lane) for lane in lanes]
    number = {name: place for place, name in enumerate(dict.fromkeys(["", *names]))}
    return np.array([-number[name] if kind_of_lane(name) == "dask" else number[name] for name in names], np.int64)


class _Crowd(NamedTuple):
    """Units of work: times [ns], what is explained otherwise, the number of their process, whether in a loop."""

    started: Ints
    ended: Ints
    cpu: Ints
    idle: Ints
    process: Ints
    in_loop: Bools

    def held(self, name: Ints, machine: Machine | None) -> Ints:
        """Return how long each held the interpreter while it computed [ns]."""
        held = self.cpu.clip(0)
        its = np.flatnonzero((self.cpu > 0) & ~self.in_loop)
        cores = None if machine is None else machine.cores
        code = gil_free(name[its], self.process[its], self.started[its], self.ended[its], self.cpu[its], cores)
        held[its[code.is_free]] = 0
        return held

    def for_interpreter(self, held: Ints) -> tuple[Ints, Bools]:
        """Return how long threads waited for the interpreter [ns], and whether that of the recorded one was busy."""
        wait, is_busy = np.zeros(len(held), np.int64), np.zeros(len(held), np.bool_)
        for process in np.unique(self.process).tolist():
            its = np.flatnonzero((self.process == process) & (held > 0))
            if len(its):
                found, is_saturated = self._shared(its, held[its], 1)
                wait[its], is_busy[its] = found, is_saturated & (process == 0)
        return np.where(self.in_loop, 0, wait), is_busy

    def for_loop(self) -> Ints:
        """Return for how long coroutines waited for others of their process [ns]."""
        wait = np.zeros(len(self.cpu), np.int64)
        for process in np.unique(self.process[self.in_loop]).tolist():
            its = np.flatnonzero((self.process == process) & self.in_loop & (self.cpu > 0))
            if len(its):
                wait[its] = self._shared(its, self.cpu[its], 1)[0]
        return wait

    def for_core(self, cores: int) -> Ints:
        """Return for how long threads and processes of this machine waited for a core [ns]."""
        wait = np.zeros(len(self.cpu), np.int64)
        its = np.flatnonzero((self.process >= 0) & ~self.in_loop & (self.cpu > 0))
        if len(its):
            wait[its] = self._shared(its, self.cpu[its], cores)[0]
        return wait

    def _shared(self, its: Places, cpu: Ints, places: int) -> tuple[Ints, Bools]:
        """Return how long each of some units waited [ns], and whether all places to compute were taken around it."""
        started, ended, service = self.started[its], self.ended[its], (self.ended - self.started)[its]
        opens, closes, most = _clusters(started, ended)
        times, used = _cpu_until(started, ended, cpu)
        window = np.maximum(opens, started - service), np.minimum(closes, ended + service)
        rate = _between(times, used, *window) / np.maximum(1, window[1] - window[0]) / places
        is_saturated = (rate >= SATURATED[0]) & (rate <= SATURATED[1])
        of_others = (_between(times, used, started, ended) - cpu).clip(0) / places
        left = (service - self.cpu[its] - self.idle[its]).clip(0)
        wait = np.minimum(np.minimum(left, of_others), cpu * ((most - places).clip(0) / places))
        return np.where(is_saturated, wait, 0).astype(np.int64), is_saturated


def _clusters(started: Ints, ended: Ints) -> tuple[Ints, Ints, Ints]:
    """Return for each unit when the units it is connected with by overlaps begin and end, and how many ran at once."""
    order = np.argsort(started, kind="stable")
    begins = group_cluster_starts(started[order], ended[order], np.arange(len(order)) == 0)
    first = np.flatnonzero(begins)
    opens, closes = started[order][first], np.maximum.reduceat(ended[order], first)
    times, count = concurrency(started, ended)
    at = np.searchsorted(times, opens).clip(0, max(0, len(times) - 1))
    most = np.maximum.reduceat(count, at) if len(times) else np.ones(len(first), np.int64)
    cluster = np.empty(len(order), np.intp)
    cluster[order] = np.cumsum(begins) - 1
    return opens[cluster], closes[cluster], most[cluster]


def _cpu_until(started: Ints, ended: Ints, cpu: Ints) -> tuple[Ints, Floats]:
    """Return times and the CPU time that all units together had used until then [ns]."""
    rate = cpu / np.maximum(1, ended - started)
    times, place = np.unique(np.concatenate([started, ended]), return_inverse=True)
    change = np.zeros(len(times))
    np.add.at(change, place, np.concatenate([rate, -rate]))
    used = np.cumsum(change)[:-1] * np.diff(times)
    return times, np.concatenate([[0.0], np.cumsum(used)])


def _between(times: Ints, used: Floats, first: Ints, last: Ints) -> Floats:
    return np.interp(last, times, used) - np.interp(first, times, used)
