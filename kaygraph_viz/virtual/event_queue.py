"""What is due when.

Belongs here: events, and the order of those of one instant. Does not belong here: who runs (``scheduler``).

The rule for ties: at one instant, those go first whose turn was fixed first - when they fell asleep, were started or
were woken. With a seed other than 0 the order within one instant is drawn by chance from that seed. With any seed those
whose time limit is over go last: what ends at the very instant of its deadline is in time.
"""

from __future__ import annotations

import itertools
import random
from heapq import heapify, heappop, heappush

from kaygraph_viz.virtual.fiber import Fiber

__all__ = ["FIRST", "LAST", "Agenda"]

Entry = tuple[int, float, int, int, Fiber, bool]  # when [ns], tie, serial number, ticket, who, whether it was woken
FIRST, LAST = -1.0, 2.0  # ties before and after all others, which are 0 or drawn from 0 to 1

MANY = 1000  # events; of more, those that were overtaken by others are dropped


class Agenda:
    """The events to come, and the time of the last one.

    Parameters
    ----------
    seed
        0 for the documented order of ties; another whole number for one drawn by chance.
    """

    def __init__(self, seed: int) -> None:
        self.now_ns = 0
        self.switches = 0
        self.current: Fiber | None = None  # whose turn it is
        self.random = random.Random(seed)  # noqa: S311  (a schedule, not a secret)
        self.heap: list[Entry] = []
        self._has_ties_by_chance = seed != 0
        self._serial = itertools.count()
        self._most = MANY

    def others_are_due(self) -> bool:
        """Return whether anybody else could run at this instant."""
        return bool(self.heap) and self.heap[0][0] <= self.now_ns

    def next_event_ns(self) -> int | None:
        """Return when the next event is due at the earliest [ns]; None if there is none."""
        return self.heap[0][0] if self.heap else None

    def push(self, when_ns: int, fiber: Fiber, woken: bool, tie: float | None = None) -> None:
        """Put on the agenda that a fiber goes on at `when_ns` [ns], unless something else ends its wait before."""
        if tie is None:
            tie = self.random.random() if self._has_ties_by_chance else 0.0
        heappush(self.heap, (when_ns, tie, next(self._serial), fiber.ticket, fiber, woken))
        if len(self.heap) > self._most:
            self.heap = [event for event in self.heap if event[3] == event[4].ticket and event[4].is_parked]
            heapify(self.heap)
            self._most = max(MANY, 2 * len(self.heap))

    def next(self) -> Fiber | None:
        """Take the next fiber off the schedule and move the time to its turn."""
        while self.heap:
            when_ns, _, _, ticket, fiber, woken = heappop(self.heap)
            if ticket != fiber.ticket or not fiber.is_parked:
                continue  # it has been woken before
            self.now_ns = max(self.now_ns, when_ns)
            fiber.is_parked, fiber.was_woken = False, woken
            self.current = fiber
            self.switches += 1
            return fiber
        self.current = None
        return None
