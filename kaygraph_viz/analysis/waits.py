"""Waits for a turn to compute: for the GIL, for the loop of coroutines, for a core; and whose code holds the GIL.

Belongs here: the waits that were noted, and what CPU times of branches that overlapped prove where nothing was.
Does not belong here: other waits (``explain``), and what follows for other numbers of workers (``what_if``).

Code such as hashing, compression and most of NumPy releases the GIL while it computes; Python code holds it. No clock
measures which a branch did, but what two of them used together tells:

- More than one second of CPU a second: at least what is above one was computed without the GIL. Only branches that lie
  in the window from end to end count, so this is a proof, whenever a branch computed within its bar.
- Just one, although more than one branch ran all the time: the code holds the GIL.
- Less, or never two at once: it cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.workers import is_loop_lane, kind_of_lane, process_of_lane
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.trace.columns import SpanColumns, part_totals_ns, stretches
from kaygraph_viz.trace.intervals import (
    Bools,
    Ints,
    concurrency,
    first_of_runs,
    group_cluster_starts,
    running_max_by_group,
)
from kaygraph_viz.trace.nesting import Nesting, Places

Floats = npt.NDArray[np.float64]


class Computing(NamedTuple):
    """The m stretches in which spans computed, shape (m,) each."""

    owner: Places
    started: Ints
    ended: Ints
    cpu: Ints
    is_open: Bools


def computing(columns: SpanColumns, positions: Places) -> Computing:
    """Return the stretches in which spans computed."""
    found = stretches(columns, positions)
    cpu = np.rint(np.nan_to_num(found.cpu_share) * (found.ended_ns - found.started_ns)).astype(np.int64)
    its = np.flatnonzero(cpu > 0)
    is_open = found.kind[its] == PART_CODE["unknown"]
    return Computing(found.owner[its], found.started_ns[its], found.ended_ns[its], cpu[its], is_open)


# -- whose code holds the GIL -----------------------------------------------------------------------------------------


PROVEN = 1.05  # CPU seconds per second, from which on more than one computed at a time
BUSY = 0.9  # from which on one computed all the time
AT_ONCE = 1.5  # how many branches have to run at once, on average, for that to say anything
AS_MUCH_AS_CAN_BE = 0.75  # of the cores, or of the branches at once: code that uses this much waits for no GIL
UNCERTAIN_NS = 20_000  # of a CPU time
SHORTEST_NS = 5_000_000  # of a window
MAX_NAMES = 200  # where there are more, names do not say which code it is


class Code(NamedTuple):
    """The share of the code of branches that computes without the GIL, between two bounds."""

    low: Floats
    high: Floats

    @property
    def is_free(self) -> Bools:
        """Whether it is proven that the code computes without the GIL, at least at times."""
        return self.low > 0

    @property
    def is_told(self) -> Bools:
        """Whether the run tells anything."""
        return self.is_free | (self.high < 1)


def code_of(columns: SpanColumns, positions: Places, process: Ints, cores: int | None) -> Code:
    """Return what a run proves about the code of some spans, by when they computed as far as that was noted."""
    names = ("name", "started_ns", "ended_ns", "cpu_ns")
    name, started, ended, cpu = (columns.column(each)[positions] for each in names)
    bars = gil_free(name, process, started, ended, cpu, cores)
    if not len(columns.parts.span_id):
        return bars
    found = computing(columns, positions)
    owner = found.owner
    seen = gil_free(name[owner], process[owner], found.started, found.ended, found.cpu, cores)
    low, is_free = bars.low.copy(), bars.is_free
    np.maximum.at(low, owner, seen.low)
    return Code(low, np.where((low > 0) & ~is_free, 1.0, bars.high))


def gil_free(name: Ints, process: Ints, started: Ints, ended: Ints, cpu: Ints, cores: int | None) -> Code:
    """Return what a run proves about the code of its branches."""
    together = np.zeros_like(name)
    if len(np.unique(name)) > MAX_NAMES:
        name = together
    found = _by_code(name, process, started, ended, cpu, cores)
    if found.is_told.all():
        return found
    of_all = _by_code(together, process, started, ended, cpu, cores)
    return Code(*(np.where(found.is_told, own, others) for own, others in zip(found, of_all, strict=True)))


def _by_code(name: Ints, process: Ints, started: Ints, ended: Ints, cpu: Ints, cores: int | None) -> Code:
    low, high = np.zeros(len(name)), np.ones(len(name))
    order = np.lexsort((started, process, name))
    begins = np.flatnonzero(first_of_runs(name[order])) if len(order) else order
    for its in np.split(order, begins[1:]) if len(order) else []:
        groups = first_of_runs(process[its])
        windows = _Windows.of(started[its], ended[its], cpu[its], groups)
        low[its], high[its] = windows.verdict(cores)
    return Code(low, high)


class _Windows(NamedTuple):
    """The CPU use of branches of one name in windows of time."""

    highest: float
    at_once: float
    rate: float

    @classmethod
    def of(cls, started: Ints, ended: Ints, cpu: Ints, is_first: Bools) -> _Windows:
        """Measure all windows of 1, 2, 4, ... neighbours that are connected by overlaps, and all of those together."""
        begins = group_cluster_starts(started, ended, is_first)
        cluster, firsts = np.cumsum(begins) - 1, np.flatnonzero(begins)
        last = running_max_by_group(ended, begins)
        lasted = last[np.append(firsts[1:], len(begins)) - 1] - started[firsts]
        used, ran = (np.add.reduceat(each, firsts).astype(np.float64) for each in (cpu, ended - started))
        is_wide = ran >= AT_ONCE * lasted.clip(1)
        rate = float(used[is_wide].sum() / max(1, lasted[is_wide].sum()))
        return cls(*_highest(started, ended, cpu, cluster), rate)

    def verdict(self, cores: int | None) -> tuple[float, float]:
        """Return the bounds of the share of the CPU time that was free of the GIL."""
        if self.highest < PROVEN:
            return 0.0, 0.0 if BUSY <= self.rate < PROVEN else 1.0
        possible = min(self.at_once, math.ceil(self.highest) if cores is None else cores)
        return (1.0 if self.highest >= AS_MUCH_AS_CAN_BE * possible else 1 - 1 / self.highest), 1.0


def _highest(started: Ints, ended: Ints, cpu: Ints, cluster: Ints) -> tuple[float, float]:
    """Return the highest rate of CPU use in windows of neighbours, and how many branches ran at once there."""
    found, size = (0.0, 0.0), 1
    last, used, ran = ended, (cpu - UNCERTAIN_NS).clip(0), ended - started
    first = started
    while size < len(cluster):
        last = np.maximum(last[:-size], last[size:])
        used, ran = used[:-size] + used[size:], ran[:-size] + ran[size:]
        first = first[: len(last)]
        lasted = last - first
        size *= 2
        is_one = (cluster[: len(last)] == cluster[len(cluster) - len(last) :]) & (lasted >= SHORTEST_NS)
        rate = np.where(is_one, used / lasted.clip(1), 0.0)
        at = int(np.argmax(rate)) if len(rate) else 0
        if len(rate) and rate[at] > found[0]:
            found = float(rate[at]), float(ran[at] / max(1, lasted[at]))
    return found


# -- who waited for a turn --------------------------------------------------------------------------------------------


SATURATED = (0.8, 1.2)  # CPU seconds per second, as a share of the capacity: below or above, waits are not likely


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
    computed, in_loop = _Stretches.of(nesting, units), _in_loops(nesting, units)
    totals, nothing = part_totals_ns(nesting.columns, units), np.zeros(len(units), np.int64)
    turn = totals.get("gil", nothing)
    noted = [np.where(in_loop, 0, turn), np.where(in_loop, turn, 0), totals.get("core", nothing)]

    cores = None if machine is None else machine.cores
    holds = np.full(len(units), machine is None or machine.has_gil)  # the GIL while it computes, as far as is known
    its = np.flatnonzero(holds & (nesting.columns.column("cpu_ns")[units] > 0) & ~in_loop)
    holds[its] = ~code_of(nesting.columns, units[its], processes(nesting.columns, units)[its], cores).is_free
    held = np.where(holds[computed.owner] | computed.in_loop, computed.cpu, 0)  # coroutines hold at least their loop
    gil, is_saturated = computed.for_interpreter(held)
    loop = computed.for_loop()
    core = np.zeros_like(gil) if cores is None else computed.for_core(cores, gil + loop)
    own = computed.by_unit(computed.cpu, len(units))
    sure = _capped(noted, (service - idle_ns).clip(0))
    estimated = [computed.by_unit(each, len(units)) for each in (gil, loop, core)]
    guessed = _capped(estimated, (service - idle_ns - own - sum(sure)).clip(0))
    doubtful = (name for name, guess in zip(("the GIL", "the loop", "a core"), guessed, strict=True) if guess.any())
    is_busy = computed.by_unit(is_saturated, len(units)) > 0
    gil, loop, core = (known + guess for known, guess in zip(sure, guessed, strict=True))
    return TurnWaits(gil, loop, core, is_busy, computed.by_unit(held, len(units)), frozenset(doubtful))


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


def processes(columns: SpanColumns, positions: Places) -> Ints:
    """Return the number of the process of some spans: 0 for the recorded one, below 0 on other machines."""
    names = [process_of_lane(lane) for lane in columns.lanes]
    number = {name: place for place, name in enumerate(dict.fromkeys(["", *names]))}
    numbers = [-number[name] if kind_of_lane(name) == "dask" else number[name] for name in names]
    found: Ints = np.array(numbers, np.int64)[columns.column("lane")[positions]]
    return found


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
        return cls(*found, processes(nesting.columns, units)[found.owner], _in_loops(nesting, units)[found.owner])

    def by_unit(self, each: Ints | Bools, count: int) -> Ints:
        """Return the sum of a column by unit."""
        found = np.zeros(count, np.int64)
        np.add.at(found, self.owner, each)
        return found

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
