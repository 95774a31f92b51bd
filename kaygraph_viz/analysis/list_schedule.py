"""List scheduling: independent items in a list, and workers that each take the next one as soon as they are free.

Belongs here: arithmetic on durations. Does not belong here: where the durations come from, and what else workers wait
for: each other's results, the GIL, their start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.errors import OptionError

__all__ = ["ListSchedule", "fewest_workers", "list_schedule", "longest_first", "longest_first_ratio"]

GOOD_ENOUGH = 0.05


class ListSchedule(NamedTuple):
    """Who runs which of n items, and when.

    Parameters
    ----------
    worker
        The worker of each item, from 0, shape (n,).
    started_ns, ended_ns
        When each item starts and ends, from 0 [ns], shape (n,).

    Examples
    --------
    >>> schedule = list_schedule([3, 1, 1, 4], workers=2)
    >>> schedule.worker.tolist(), schedule.started_ns.tolist(), schedule.makespan_ns
    ([0, 1, 1, 1], [0, 0, 1, 2], 6)
    """

    worker: Ints
    started_ns: Ints
    ended_ns: Ints

    @property
    def makespan_ns(self) -> int:
        """When the last item ends [ns]; 0 without items."""
        return int(self.ended_ns.max(initial=0))


def list_schedule(durations_ns: Sequence[int] | Ints, workers: int) -> ListSchedule:
    """Return the schedule of independent items that are taken in their order by whoever is free first.

    Parameters
    ----------
    durations_ns
        How long each item takes [ns], 0 or more, in the order in which they are taken.
    workers
        How many there are, 1 or more; of those that are free, the one with the lowest number takes the item.

    Raises
    ------
    OptionError
        If `workers` is below 1.

    Notes
    -----
    Graham 1969, "Bounds on multiprocessing timing anomalies": with P workers the makespan is at most 2 - 1/P times the
    least possible one (`laws.graham_ratio`), and with the items sorted by `longest_first` at most `longest_first_ratio`
    times. As the items are independent, one more worker never makes it longer.
    """
    _check_workers(workers)
    durations = np.asarray(durations_ns, np.int64)
    free = [(0, worker) for worker in range(min(workers, len(durations)))]
    heapify(free)
    taken, starts = [], []
    for duration in durations.tolist():
        start, worker = heappop(free)
        heappush(free, (start + duration, worker))
        taken.append(worker)
        starts.append(start)
    started = np.array(starts, np.int64)
    return ListSchedule(np.array(taken, np.int64), started, started + durations)


def longest_first(durations_ns: Sequence[int] | Ints) -> Ints:
    """Return the places of the items from the longest to the shortest; of equals, the first comes first.

    Examples
    --------
    >>> longest_first([3, 5, 3]).tolist()
    [1, 0, 2]
    """
    return np.argsort(-np.asarray(durations_ns, np.int64), kind="stable")


def longest_first_ratio(workers: int) -> float:
    """Return how many times as long as the best schedule one with the longest items first can take, at the very worst.

    Parameters
    ----------
    workers
        How many there are, 1 or more.

    Raises
    ------
    OptionError
        If `workers` is below 1.

    Notes
    -----
    ``4/3 - 1/(3 P)`` (Graham 1969). It is reached, for two workers by items that take 3, 3, 2, 2 and 2: 7 instead of 6.

    Examples
    --------
    >>> round(6 * longest_first_ratio(2)), list_schedule([3, 3, 2, 2, 2], workers=2).makespan_ns
    (7, 7)
    """
    return 4.0 / 3.0 - 1.0 / (3.0 * _check_workers(workers))


def fewest_workers(makespan: Callable[[int], float], most: int, *, tolerance: float = GOOD_ENOUGH) -> int:
    """Return the smallest number of workers that is nearly as fast as `most` of them.

    Parameters
    ----------
    makespan
        How long a number of workers takes, in any unit; more of them never take longer.
    most
        The largest number to consider, 1 or more; the best makespan is that of `most`.
    tolerance
        How much longer is nearly as fast, as a share, 0 or more.

    Raises
    ------
    OptionError
        If `most` is below 1 or `tolerance` negative.

    Examples
    --------
    >>> fewest_workers(lambda workers: list_schedule([5, 1, 1, 1, 1, 1], workers).makespan_ns, most=6)
    2
    """
    if not tolerance >= 0:
        raise OptionError("tolerance", tolerance, "a share, 0 or more", "tolerance=0.05")
    good = makespan(_check_workers(most, "most")) * (1 + tolerance)
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if makespan(middle) <= good else (middle + 1, high)
    return low


def _check_workers(workers: int, name: str = "workers") -> int:
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise OptionError(name, workers, "a number of workers, 1 or more", f"{name}=4")
    return workers
