"""What happens when in a simulation, and who gets a turn at what several want: places, and the loop of coroutines.

Belongs here: time and queues. Does not belong here: what happens (``engine``).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["Agenda", "Happening", "Loop", "Turns"]

Happening = Callable[[], None]


class Agenda:
    """What will happen when; at one instant in the order in which it was entered."""

    __slots__ = ("_entries", "_serial", "now")

    def __init__(self) -> None:
        self.now = 0
        self._entries: list[tuple[int, int, Happening]] = []
        self._serial = itertools.count()

    def at(self, when: int, what: Happening) -> None:
        """Let something happen at a time [ns], not before now."""
        heappush(self._entries, (when, next(self._serial), what))

    def soon(self, what: Happening) -> None:
        """Let something happen at this instant, after what is due already."""
        heappush(self._entries, (self.now, next(self._serial), what))

    def next_ns(self) -> int | None:
        """Return when the next thing happens [ns]; None if nothing will."""
        return self._entries[0][0] if self._entries else None

    def run(self) -> None:
        """Let everything happen, until there is nothing left."""
        entries = self._entries
        while entries:
            self.now, _, what = heappop(entries)
            what()


class Turns:
    """So many places, given out in the order in which they are asked for; None for any number."""

    __slots__ = ("_agenda", "_free", "queue")

    def __init__(self, agenda: Agenda, places: int | None) -> None:
        self._agenda = agenda
        self._free = places
        self.queue: deque[Happening] = deque()

    @property
    def is_unlimited(self) -> bool:
        """Whether there are as many places as anybody wants."""
        return self._free is None

    def take(self, then: Happening) -> None:
        """Let something happen with a place: at once if one is free."""
        if self._free is None:
            then()
        elif self._free > 0:
            self._free -= 1
            then()
        else:
            self.queue.append(then)

    def leave(self) -> None:
        """Give the place to the next one, who comes after what is due already."""
        if self._free is None:
            return
        if self.queue:
            self._agenda.soon(self.queue.popleft())
        else:
            self._free += 1


class Loop:
    """An event loop: one coroutine runs at a time, until it waits.

    As in asyncio, those that are ready run in rounds. Whoever becomes ready during a round comes in the next one, and
    after them those whose time is over.
    """

    __slots__ = ("_agenda", "_due", "_is_at_it", "_is_free", "_late", "_left", "_ready")

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._ready: deque[Happening] = deque()
        self._due: deque[Happening] = deque()  # whose time is over; they are noticed at the begin of a round
        self._late: deque[Happening] = deque()  # those noticed, who come in the next one
        self._left = 0
        self._is_free = True
        self._is_at_it = False

    def soon(self, what: Happening) -> None:
        """Let a coroutine go on in the next round."""
        self._ready.append(what)
        self._go_on()

    def wake(self, what: Happening) -> None:
        """Let a coroutine go on whose time is over, in one round with all whose time is over at this instant."""
        self._due.append(what)
        if len(self._due) == 1:
            self._agenda.soon(self._go_on)

    def give_back(self) -> None:
        """Say that the coroutine that runs waits now, or has ended."""
        self._is_free = True
        self._go_on()

    def _go_on(self) -> None:
        if self._is_at_it:  # further up: it goes on from there, not in a call within the call
            return
        self._is_at_it = True
        while self._is_free and self._has_next():
            self._left -= 1
            self._is_free = False
            self._ready.popleft()()
        self._is_at_it = False

    def _has_next(self) -> bool:
        while not self._left and (self._ready or self._due or self._late):
            self._ready.extend(self._late)
            self._late, self._due = self._due, deque()
            self._left = len(self._ready)
        return self._left > 0
