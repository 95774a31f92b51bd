"""Waits of branches for a turn to compute: for the interpreter, for the loop of coroutines, for a core.

Belongs here: those that were noted, and an estimate from CPU times of branches that overlapped where nothing was. Does
not belong here: which code holds the GIL (``gil_free``), and other waits (``losses``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.cpu_times import computing
from kaygraph_viz.analysis.gil_free import code_of
from kaygraph_viz.analysis.intervals import Bools, Ints, concurrency, group_cluster_starts
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.analysis.workers import is_loop_lane, kind_of_lane, process_of_lane
from kaygraph_viz.machine import Machine
from kaygraph_viz.trace.part_table import part_totals_ns

__all__ = ["TurnWaits", "turn_waits"]

SATURATED = (0.8, 1.2)  # CPU seconds per second, as a share of the capacity: below or above, waits are not likely

Floats = npt.NDArray[np.float64]


class TurnWaits(NamedTuple):
    """The waits of each unit of work for a turn to compute [ns], by what it waited for."""

    gil: Ints
    loop: Ints
    core: Ints
    is_busy: Bools
    held_ns: Ints
    estimated: frozenset[str]

    @property
    def together(self) -> Ints:
        """Sum of the waits of each unit for all three [ns]."""
        return self.gil + self.loop + self.core


def turn_waits(nesting: Nesting, units: Places, idle_ns: Ints, machine: Machine | None) -> TurnWaits:
    """Return the waits of units of work for a turn to compute."""
    service = (nesting.columns.column("ended_ns") - nesting.columns.column("started_ns"))[units]
    computed, noted = _Stretches.of(nesting, units), _noted(nesting, units)
    has_gil = machine is None or machine.has_gil
    held = computed.held(_holds(nesting, units, machine) if has_gil else np.zeros(len(units), np.bool_))
    gil, is_saturated = computed.for_interpreter(held)
    loop = computed.for_loop()
    cores = None if machine is None else machine.cores
    core = np.zeros_like(gil) if cores is None else computed.for_core(cores, gil + loop)
    own = computed.by_unit(computed.cpu, len(units))
    sure = _capped(noted, (service - idle_ns).clip(0))
    estimated = [computed.by_unit(each, len(units)) for each in (gil, loop, core)]
    guessed = _capped(estimated, (service - idle_ns - own - sum(sure)).clip(0))
    doubtful = (name for name, guess in zip(("the GIL", "the loop", "a core"), guessed, strict=True) if guess.any())
    is_busy = computed.by_unit(is_saturated, len(units)) > 0
    gil, loop, core = (known + guess for known, guess in zip(sure, guessed, strict=True))
    return TurnWaits(gil, loop, core, is_busy, computed.by_unit(held, len(units)), frozenset(doubtful))


def _noted(nesting: Nesting, units: Places) -> list[Ints]:
    """Return the noted waits of units for the interpreter, for the loop and for a core [ns]."""
    totals, nothing = part_totals_ns(nesting.columns, units), np.zeros(len(units), np.int64)
    turn, in_loop = totals.get("gil", nothing), _in_loops(nesting, units)
    return [np.where(in_loop, 0, turn), np.where(in_loop, turn, 0), totals.get("core", nothing)]


def _capped(waits: Iterable[Ints], max_sum: Ints) -> list[Ints]:
    """Return waits, cut so that their sum is at most `max_sum` [ns]; the last ones are cut first."""
    found = []
    for wait in waits:
        found.append(np.minimum(wait, max_sum))
        max_sum = max_sum - found[-1]
    return found


def _in_loops(nesting: Nesting, units: Places) -> Bools:
    is_loop = np.array(list(map(is_loop_lane, nesting.columns.lanes)), np.bool_)
    found: Bools = is_loop[nesting.columns.column("lane")[units]]
    return found


def _processes(nesting: Nesting, units: Places) -> Ints:
    """Return the number of the process of each unit: 0 for the recorded one, below 0 on other machines."""
    names = [process_of_lane(lane) for lane in nesting.columns.lanes]
    number = {name: place for place, name in enumerate(dict.fromkeys(["", *names]))}
    numbers = [-number[name] if kind_of_lane(name) == "dask" else number[name] for name in names]
    found: Ints = np.array(numbers, np.int64)[nesting.columns.column("lane")[units]]
    return found


def _holds(nesting: Nesting, units: Places, machine: Machine | None) -> Bools:
    """Return whether the code of each unit holds the interpreter while it computes, as far as is known."""
    columns, holds = nesting.columns, np.ones(len(units), np.bool_)
    its = np.flatnonzero((columns.column("cpu_ns")[units] > 0) & ~_in_loops(nesting, units))
    cores = None if machine is None else machine.cores
    holds[its] = ~code_of(columns, units[its], _processes(nesting, units)[its], cores).is_free
    return holds


class _Stretches(NamedTuple):
    """The stretches in which units of work computed."""

    owner: Places
    started: Ints
    ended: Ints
    cpu: Ints
    is_open: Bools
    process: Ints
    in_loop: Bools

    @classmethod
    def of(cls, nesting: Nesting, units: Places) -> _Stretches:
        """Return all stretches in which units are known to have computed."""
        found = computing(nesting.columns, units)
        return cls(*found, _processes(nesting, units)[found.owner], _in_loops(nesting, units)[found.owner])

    def by_unit(self, each: Ints | Bools, count: int) -> Ints:
        """Return the sum of a column by unit."""
        found = np.zeros(count, np.int64)
        np.add.at(found, self.owner, each)
        return found

    def held(self, holds: Bools) -> Ints:
        """Return the time for which each stretch held the interpreter [ns]; coroutines hold at least their loop."""
        return np.where(holds[self.owner] | self.in_loop, self.cpu, 0)

    def for_interpreter(self, held: Ints) -> tuple[Ints, Bools]:
        """Return the waits of threads for the interpreter [ns], and where that of the recorded process was busy."""
        wait, is_busy = np.zeros(len(held), np.int64), np.zeros(len(held), np.bool_)
        for process in np.unique(self.process).tolist():
            its = np.flatnonzero((self.process == process) & (held > 0))
            if len(its):
                found, is_saturated = self._shared(its, held[its], 1)
                wait[its], is_busy[its] = found, is_saturated & (process == 0)
        return np.where(self.in_loop, 0, wait), is_busy

    def for_loop(self) -> Ints:
        """Return the waits of coroutines for others of their process [ns]."""
        wait = np.zeros(len(self.cpu), np.int64)
        for process in np.unique(self.process[self.in_loop]).tolist():
            its = np.flatnonzero((self.process == process) & self.in_loop)
            wait[its] = self._shared(its, self.cpu[its], 1)[0]
        return wait

    def for_core(self, cores: int, taken: Ints) -> Ints:
        """Return the waits of threads and processes of this machine for a core [ns], besides what is `taken`."""
        wait = np.zeros(len(self.cpu), np.int64)
        its = np.flatnonzero((self.process >= 0) & ~self.in_loop)
        if len(its):
            wait[its] = self._shared(its, self.cpu[its], cores, taken[its])[0]
        return wait

    def _shared(self, its: Places, cpu: Ints, slots: int, taken: Ints | int = 0) -> tuple[Ints, Bools]:
        """Return the waits in stretches that share some slots [ns], and whether all slots were in use around them."""
        started, ended, lasted = self.started[its], self.ended[its], (self.ended - self.started)[its]
        opens, closes, peak = _clusters(started, ended)
        times, used = _cpu_until(started, ended, cpu)
        window = np.maximum(opens, started - lasted), np.minimum(closes, ended + lasted)
        rate = _between(times, used, *window) / np.maximum(1, window[1] - window[0]) / slots
        is_saturated = (rate >= SATURATED[0]) & (rate <= SATURATED[1])
        of_others = (_between(times, used, started, ended) - cpu).clip(0) / slots
        left = (lasted - self.cpu[its] - taken).clip(0)
        wait = np.minimum(np.minimum(left, of_others), cpu * ((peak - slots).clip(0) / slots))
        return np.where(is_saturated & self.is_open[its], wait, 0).astype(np.int64), is_saturated


def _clusters(started: Ints, ended: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the begin, end and peak concurrency of the cluster of each stretch: those connected by overlaps."""
    order = np.argsort(started, kind="stable")
    begins = group_cluster_starts(started[order], ended[order], np.arange(len(order)) == 0)
    first = np.flatnonzero(begins)
    opens, closes = started[order][first], np.maximum.reduceat(ended[order], first)
    times, count = concurrency(started, ended)
    at = np.searchsorted(times, opens).clip(0, max(0, len(times) - 1))
    peak = np.maximum.reduceat(count, at) if len(times) else np.ones(len(first), np.int64)
    cluster = np.empty(len(order), np.intp)
    cluster[order] = np.cumsum(begins) - 1
    return opens[cluster], closes[cluster], peak[cluster]


def _cpu_until(started: Ints, ended: Ints, cpu: Ints) -> tuple[Ints, Floats]:
    """Return times, and the CPU time that all stretches together had used until each of them [ns]."""
    rate = cpu / np.maximum(1, ended - started)
    times, place = np.unique(np.concatenate([started, ended]), return_inverse=True)
    change = np.zeros(len(times))
    np.add.at(change, place, np.concatenate([rate, -rate]))
    used = np.cumsum(change)[:-1] * np.diff(times)
    return times, np.concatenate([[0.0], np.cumsum(used)])


def _between(times: Ints, used: Floats, first: Ints, last: Ints) -> Floats:
    return np.interp(last, times, used) - np.interp(first, times, used)
