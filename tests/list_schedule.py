"""List scheduling, with which tests compare: independent items, each taken by the worker that is free first."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple


class ListSchedule(NamedTuple):
    """The worker of each item, from 0, and when each starts and ends [ns]."""

    worker: list[int]
    started_ns: list[int]
    ended_ns: list[int]

    @property
    def makespan_ns(self) -> int:
        return max(self.ended_ns, default=0)


def list_schedule(durations_ns: Sequence[int], workers: int) -> ListSchedule:
    """Schedule items in their order; of several free workers the one with the lowest number takes the item."""
    free = [(0, worker) for worker in range(workers)]
    heapify(free)
    found = ListSchedule([], [], [])
    for duration in durations_ns:
        start, worker = heappop(free)
        heappush(free, (start + duration, worker))
        for column, value in zip(found, (worker, start, start + duration), strict=True):
            column.append(value)
    return found
