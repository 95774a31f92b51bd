"""The event queue: which thread is due next, and at what simulated time.

Belongs here: events, and their order within one instant. Does not belong here: running threads (``scheduler``).

The rule for ties: events of one instant come in the order in which they were put in, which is when the thread fell
asleep, was started or was woken. With a seed other than 0 their order is drawn at random from that seed. With any seed,
expired time limits come last: what ends at the very instant of its deadline is in time.
"""

from __future__ import annotations

import itertools
import random
from heapq import heapify, heappop, heappush

from kaygraph_viz.virtual.fiber import Fiber

__all__ = ["FIRST", "LAST", "EventQueue"]

Entry = tuple[int, float, int, int, Fiber, bool]  # due at [ns], tie, serial number, ticket, fiber, whether it was woken
FIRST, LAST = -1.0, 2.0  # tie values before and after all others, which are 0 or drawn from 0 to 1

MAX_STALE = 1000  # events; where there are more, those of waits that have ended are removed: time limits pile up


class EventQueue:
    """The events to come, ordered by time, and the simulated time, which is that of the last event taken."""

    def __init__(self, seed: int) -> None:
        self.now_ns = 0
        self.switches = 0
        self.current: Fiber | None = None  # the one that runs
        self.random = random.Random(seed)  # noqa: S311  (a schedule, not a secret)
        self.heap: list[Entry] = []
        self._has_ties_by_chance = seed != 0
        self._serial = itertools.count()
        self._purge_at = MAX_STALE

    def others_are_due(self) -> bool:
        """Return whether another fiber is due at this instant."""
        return bool(self.heap) and self.heap[0][0] <= self.now_ns

    def next_event_ns(self) -> int | None:
        """Return a lower bound of when the next event is due [ns]; None if there is none."""
        return self.heap[0][0] if self.heap else None

    def push(self, when_ns: int, fiber: Fiber, woken: bool, tie: float | None = None) -> None:
        """Queue that a fiber goes on at `when_ns` [ns]; the event is void if something else ends its wait before."""
        if tie is None:
            tie = self.random.random() if self._has_ties_by_chance else 0.0
        heappush(self.heap, (when_ns, tie, next(self._serial), fiber.ticket, fiber, woken))
        if len(self.heap) > self._purge_at:
            self.heap = [event for event in self.heap if event[3] == event[4].ticket and event[4].is_parked]
            heapify(self.heap)
            self._purge_at = max(MAX_STALE, 2 * len(self.heap))

    def next(self) -> Fiber | None:
        """Remove the next valid event, move the time there and make its fiber the current one; return it, or None."""
        while self.heap:
            when_ns, _, _, ticket, fiber, woken = heappop(self.heap)
            if ticket != fiber.ticket or not fiber.is_parked:
                continue  # something else ended that wait
            self.now_ns = max(self.now_ns, when_ns)
            fiber.is_parked, fiber.was_woken = False, woken
            self.current = fiber
            self.switches += 1
            return fiber
        self.current = None
        return None
