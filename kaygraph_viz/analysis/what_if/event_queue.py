"""The order of events in a simulation, and what tasks wait for in queues: slots, and the event loop of coroutines.

Belongs here: time and queues. Does not belong here: what the events do (``tasks``, ``worker_pool``).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["Callback", "EventLoop", "EventQueue", "Slots"]

Callback = Callable[[], None]


class EventQueue:
    """The events to come, by time; those of one instant run in the order in which they were entered."""

    __slots__ = ("_entries", "_serial", "now")

    def __init__(self) -> None:
        self.now = 0
        self._entries: list[tuple[int, int, Callback]] = []
        self._serial = itertools.count()  # events of one instant are never compared themselves

    def call_at(self, when: int, callback: Callback) -> None:
        """Enter an event for a time [ns], not before now."""
        heappush(self._entries, (when, next(self._serial), callback))

    def call_soon(self, callback: Callback) -> None:
        """Enter an event for this instant, after those that are due already."""
        heappush(self._entries, (self.now, next(self._serial), callback))

    def next_ns(self) -> int | None:
        """Return the time of the next event [ns]; None if there is none."""
        return self._entries[0][0] if self._entries else None

    def run(self) -> None:
        """Run all events, also those that are entered meanwhile, and set the time to that of each."""
        entries = self._entries
        while entries:
            self.now, _, callback = heappop(entries)
            callback()


class Slots:
    """A number of slots, such as cores, which are given out in the order of the requests."""

    __slots__ = ("_events", "_free", "queue")

    def __init__(self, events: EventQueue, count: int | None) -> None:
        self._events = events
        self._free = count
        self.queue: deque[Callback] = deque()

    @property
    def is_unlimited(self) -> bool:
        """Whether no request ever waits."""
        return self._free is None

    def acquire(self, then: Callback) -> None:
        """Call `then` with a slot: now if one is free, else after the earlier requests."""
        if self._free is None:
            then()
        elif self._free > 0:
            self._free -= 1
            then()
        else:
            self.queue.append(then)

    def release(self) -> None:
        """Pass the slot on to the next request, which runs after the events that are due already."""
        if self._free is None:
            return
        if self.queue:
            self._events.call_soon(self.queue.popleft())
        else:
            self._free += 1


class EventLoop:
    """The event loop of coroutines: one of them runs at a time, until it waits."""

    __slots__ = ("_due", "_events", "_is_active", "_is_free", "_late", "_left", "_ready")

    def __init__(self, events: EventQueue) -> None:
        self._events = events
        self._ready: deque[Callback] = deque()
        self._due: deque[Callback] = deque()  # with expired timers, which are noticed at the begin of a round
        self._late: deque[Callback] = deque()  # those noticed, which come in the next one
        self._left = 0
        self._is_free = True
        self._is_active = False

    def call_soon(self, callback: Callback) -> None:
        """Continue a coroutine in the next round."""
        self._ready.append(callback)
        self._run_ready()

    def wake(self, callback: Callback) -> None:
        """Continue a coroutine whose timer has expired, in one round with all whose timers expire at this instant."""
        self._due.append(callback)
        if len(self._due) == 1:
            self._events.call_soon(self._run_ready)

    def release(self) -> None:
        """Run the next coroutine, since the one that ran waits now or has ended."""
        self._is_free = True
        self._run_ready()

    def _run_ready(self) -> None:
        if self._is_active:  # further up the stack, where the loop goes on: thousands of branches are no recursion
            return
        self._is_active = True
        while self._is_free and self._has_next():
            self._left -= 1
            self._is_free = False
            self._ready.popleft()()
        self._is_active = False

    def _has_next(self) -> bool:
        while not self._left and (self._ready or self._due or self._late):
            self._ready.extend(self._late)
            self._late, self._due = self._due, deque()
            self._left = len(self._ready)
        return self._left > 0
