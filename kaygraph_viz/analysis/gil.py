"""How long branches waited for the interpreter, since threads of one process compute one at a time.

Belongs here: an estimate from the CPU times of branches that overlapped. Does not belong here: waits that were measured
(``losses``).
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Bools, Ints, concurrency, group_cluster_starts
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.analysis.workers import process_of_lane

__all__ = ["GilUse", "gil_use"]

SATURATED = (0.8, 1.2)  # CPU seconds per second; above one core the code at work does not hold the GIL

Floats = npt.NDArray[np.float64]


class GilUse(NamedTuple):
    """How units of work shared the interpreter.

    Parameters
    ----------
    wait_ns
        An estimate of how long each waited for it [ns].
    is_busy
        Whether the interpreter of the recorded process was busy computing all around each unit that ran there.
    """

    wait_ns: Ints
    is_busy: Bools


def gil_use(nesting: Nesting, units: Places, idle_ns: Ints) -> GilUse:
    """Return how long units waited for the interpreter.

    Parameters
    ----------
    nesting
        All spans.
    units
        The positions of the units of work.
    idle_ns
        How much of each unit is explained otherwise: blocked, or repeated [ns].

    Notes
    -----
    Nobody measures this wait; it is inferred, and only where nothing else fits:

    - CPU time was measured, and the branch overlapped with others in threads, or coroutines, of the same process;
    - around that time, half again and twice its duration, these used between 0.8 and 1.2 seconds of CPU a second: the
      interpreter was busy, and the code at work held the GIL.

    Then what the branch neither computed nor was blocked counts, but no more than the others computed meanwhile, since
    whoever waits for the GIL waits for one who computes; and no more than its own CPU time once for each of the
    others, since the GIL goes round in turns. CPU time is taken to be spread evenly over a branch. A branch that also
    waited for a service at such a time cannot be told apart: for it this is an upper bound. On a machine with one core
    the wait for the core looks the same.
    """
    cpu = nesting.columns.column("cpu_ns")[units]
    wait_ns, is_busy = np.zeros(len(units), np.int64), np.zeros(len(units), np.bool_)
    for process, members in _by_process(nesting, units).items():
        known = members[cpu[members] > 0]
        wait_ns[known], is_saturated = _shared(nesting, units[known], cpu[known], idle_ns[known])
        is_busy[known] = is_saturated & (process == "")
    return GilUse(wait_ns, is_busy)


def _by_process(nesting: Nesting, units: Places) -> dict[str, Places]:
    """Return the units of each process that had more than one lane, and of the recorded one, as places in `units`."""
    process_of = [process_of_lane(lane) for lane in nesting.columns.lanes]
    number = {process: place for place, process in enumerate(dict.fromkeys(process_of))}
    of_unit = np.array([number[process] for process in process_of], np.intp)[nesting.columns.rows["lane"][units]]
    lanes = Counter(process_of)
    return {
        process: np.flatnonzero(of_unit == place)
        for process, place in number.items()
        if lanes[process] > 1 or not process
    }


def _shared(nesting: Nesting, units: Places, cpu: Ints, idle_ns: Ints) -> tuple[Ints, Bools]:
    """Return the wait of each unit of one process [ns], and whether its interpreter was saturated around it."""
    if not len(units):
        return cpu, cpu > 0
    started, ended = (nesting.columns.column(name)[units] for name in ("started_ns", "ended_ns"))
    service = ended - started
    opens, closes, most = _clusters(started, ended)
    times, used = _cpu_until(started, ended, cpu)
    window = np.maximum(opens, started - service), np.minimum(closes, ended + service)
    rate = _between(times, used, *window) / np.maximum(1, window[1] - window[0])
    is_saturated = (rate >= SATURATED[0]) & (rate <= SATURATED[1])
    of_others = (_between(times, used, started, ended) - cpu).clip(0)
    wait = np.minimum(np.minimum((service - cpu - idle_ns).clip(0), of_others), cpu * (most - 1))
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
