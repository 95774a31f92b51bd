"""Bounded queues between the stages of a pipeline: the faster side waits.

Belongs here: room, order, and waiting for both in threads and coroutines. Does not belong here: what stages do with the
items (``stage_run``), and starting and stopping them (``run``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from kaygraph_viz.base.threads import Lock
from kaygraph_viz.clock.sync import threads

T = TypeVar("T")
Wake = Callable[[], None]


@dataclass(slots=True, eq=False)
class QueuedItem:
    """An item on its way through the stages."""

    index: int
    value: Any
    read_ns: int = 0
    entered_ns: int = 0
    link: int = 0
    position: int = 0


END: Final = QueuedItem(-1, None)  # what a reader gets when nothing more will come


class Buffer:
    """A bounded queue in front of a stage."""

    def __init__(self, size: int, *, is_ordered: bool, now_ns: Callable[[], int]) -> None:
        self.size = size
        self.longest = 0  # the most items that were ever in it
        self._is_ordered = is_ordered
        self._now_ns = now_ns
        self._lock = Lock()  # held for a moment, never during a wait
        self._queued: dict[int, QueuedItem] = {}  # by position
        self._skipped: set[int] = set()
        self._aside: deque[Any] = deque()
        self._due = self._entered = self._taken = 0
        self._waiting_readers: deque[Wake] = deque()
        self._waiting_writers: deque[tuple[int, Wake]] = deque()  # with the position that each asks for
        self._asides: deque[Wake] = deque()
        self._is_closed = False
        self._abandoned_ns: int | None = None

    def offer(self, queued: QueuedItem, wake: Wake | None = None) -> int | None:
        """Put an item in and return when that was [ns]; None if there is no room yet."""
        with self._lock:
            if self._abandoned_ns is not None:
                return self._abandoned_ns
            position = queued.position if self._is_ordered else self._entered
            if position - self._due >= self.size:
                if wake is not None:
                    self._waiting_writers.append((position, wake))
                return None
            self._entered += 1
            self._queued[position] = queued
            queued.entered_ns = entered_ns = self._now_ns()
            self.longest = max(self.longest, len(self._queued))
            self._wake_reader()
            return entered_ns

    @property
    def is_abandoned(self) -> bool:
        """Whether the queue will not be read any more."""
        return self._abandoned_ns is not None

    def skip(self, position: int) -> None:
        """Note that the item of a position will not come."""
        with self._lock:
            if self._is_ordered:
                self._skipped.add(position)
                self._go_on()

    def offer_aside(self, thing: Any, wake: Wake | None = None) -> bool | None:
        """Put something in that is read before all items; return None if there is no room yet."""
        with self._lock:
            if self._abandoned_ns is not None:
                return False
            if len(self._aside) >= self.size:
                if wake is not None:
                    self._asides.append(wake)
                return None
            self._aside.append(thing)
            self._wake_reader()
            return True

    def take(self, wake: Wake | None = None) -> Any:
        """Return what was put aside, or the next item, or `END`; None if there is nothing yet."""
        with self._lock:
            if self._aside:
                _call(self._asides, 1)
                return self._aside.popleft()
            queued = self._queued.pop(self._due, None)
            if queued is None:
                if self._is_closed:
                    return END
                if wake is not None:
                    self._waiting_readers.append(wake)
                return None
            queued.position, self._taken = self._taken, self._taken + 1
            self._due += 1
            self._go_on()
            return queued

    def close(self) -> None:
        """Close the queue for writers; its items can still be read."""
        with self._lock:
            self._is_closed = True
            _call(self._waiting_readers)

    def abandon(self) -> None:
        """Close the queue for readers: empty it, and let writers go on without an effect."""
        with self._lock:
            self._is_closed, self._abandoned_ns = True, self._now_ns()
            self._queued.clear()
            self._aside.clear()
            _call(self._waiting_readers)
            _call(self._asides)
            _call(deque(wake for _, wake in self._waiting_writers))
            self._waiting_writers.clear()

    def _go_on(self) -> None:
        """Skip the positions at which nothing will come, and wake the writers for which there is room now."""
        while self._due in self._skipped:
            self._skipped.remove(self._due)
            self._due += 1
        for _ in range(len(self._waiting_writers) if self._is_ordered else min(1, len(self._waiting_writers))):
            position, wake = self._waiting_writers.popleft()
            if self._is_ordered and position - self._due >= self.size:
                self._waiting_writers.append((position, wake))
            else:
                wake()
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._aside or self._due in self._queued:
            _call(self._waiting_readers, 1)


def _call(queue: deque[Wake], max_wakes: int | None = None) -> None:
    """Call the first ones in a queue, or all, and take them out."""
    for _ in range(len(queue) if max_wakes is None else min(max_wakes, len(queue))):
        queue.popleft()()


def waiting(attempt: Callable[[Wake | None], T | None]) -> T:
    """Try until the attempt returns something, waiting in between; in a thread."""
    found = attempt(None)
    while found is None:
        turn = threads().Event()
        if (found := attempt(turn.set)) is None:
            turn.wait()
            found = attempt(None)
    return found


async def waiting_async(attempt: Callable[[Wake | None], T | None]) -> T:
    """Try until the attempt returns something, waiting in between; in a coroutine."""
    found = attempt(None)
    loop = asyncio.get_running_loop()
    while found is None:
        turn = loop.create_future()

        def wake(turn: asyncio.Future[None] = turn) -> None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(lambda: None if turn.done() else turn.set_result(None))

        if (found := attempt(wake)) is None:
            await turn
            found = attempt(None)
    return found
