"""Code that computes without the GIL, as far as the CPU times of branches that overlapped prove it.

Belongs here: shares by name. Does not belong here: which branch waited for what (``explain.contention``), and what
follows for other numbers of workers (``what_if.replay``).

Code such as hashing, compression and most of NumPy releases the GIL while it computes; Python code holds it. No clock
measures which a branch did, but what two of them used together tells:

- More than one second of CPU a second: at least what is above one was computed without the GIL. Only branches that lie
  in the window from end to end count, so this is a proof, whenever a branch computed within its bar.
- Just one, although more than one branch ran all the time: the code holds the GIL.
- Less, or never two at once: it cannot be told.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.cpu_times import computing
from kaygraph_viz.analysis.intervals import Bools, Ints, first_of_runs, group_cluster_starts, running_max_by_group
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.trace.columns import SpanColumns

__all__ = ["Code", "code_of", "gil_free"]

Floats = npt.NDArray[np.float64]

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
