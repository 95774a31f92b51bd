"""A limit on the calls to one service, shared by all branches that call it.

Belongs here: when a call may begin. Does not belong here: how often a failed call is tried again (``limits``).

The time that a branch waits for its turn is recorded as blocked time, and as a ``wait`` span inside the branch.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Self

from kaygraph_viz.checks import checked_whole
from kaygraph_viz.clock import Clock, current_clock, sleep_async
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.limits import asked_s
from kaygraph_viz.sync import threads
from kaygraph_viz.trace.waiting import held_up

__all__ = ["RateLimit"]

PERIOD_NS = 1_000_000_000
MAX_RATE = 1_000_000
SHORTEST_BLOCK_NS = 100_000  # a shorter wait is the time that taking a lock costs


class RateLimit:
    """A limit on the calls that begin in any second, and on those in progress at once.

    Use one object for all branches that call the same service, plain or asynchronous, in any number of threads and
    loops: ``with limit: call()`` or ``async with limit: await call()``. When a call in the block raises an error with
    an attribute ``retry_after_s``, as `ServiceUnavailable` has, all of them hold back for that long.

    Parameters
    ----------
    per_second
        The most calls that begin in any window of one second, 1 to 1,000,000; None for no limit.
    in_flight
        The most calls at once, 1 to 1,000,000; None for no limit.

    Raises
    ------
    OptionError
        If both are None, or one is out of range.

    Examples
    --------
    >>> limit = RateLimit(per_second=100, in_flight=2)
    >>> with limit:
    ...     "call the service"
    'call the service'
    """

    def __init__(self, per_second: int | None = None, in_flight: int | None = None) -> None:
        if per_second is None and in_flight is None:
            raise OptionError("RateLimit()", None, "given at least one of per_second and in_flight", "RateLimit(50)")
        if per_second is not None:
            checked_whole("per_second", per_second, 1, MAX_RATE, "per_second=50")
        if in_flight is not None:
            checked_whole("in_flight", in_flight, 1, MAX_RATE, "in_flight=8")
        self.per_second = per_second
        self.in_flight = in_flight
        self._lock = threading.Lock()
        self._begun: deque[int] = deque(maxlen=per_second or 1)
        self._closed_until_ns = 0
        self._clock: Clock | None = None
        self._slots = _Slots(in_flight)
        self._gate = _Slots(1)  # its holder waits for the time; the others wait for the gate and need no clock

    def pause(self, seconds: float) -> None:
        """Delay calls by `seconds` [s], as a service asks with Retry-After."""
        with self._lock:
            until = self._now_ns() + round(max(0.0, seconds) * 1e9)
            self._closed_until_ns = max(self._closed_until_ns, until)

    def __enter__(self) -> Self:
        place = _Place()
        try:
            with held_up("blocked", "rate limit", least_ns=SHORTEST_BLOCK_NS):
                self._slots.take(place)
                self._gate.take(place)
                while (wait_s := self._begin_or_wait_s()) > 0:
                    current_clock().sleep(wait_s)
            self._gate.leave(place)
            place.is_entered = True  # last: an interrupt comes before it, or in the block
        except BaseException:
            self._give_back(place)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        left: list[_Place] = []
        try:
            self._leave(error, left)
        except BaseException:  # an interrupt, maybe before the slot was given back
            self._leave(error, left)
            raise

    async def __aenter__(self) -> Self:
        place = _Place()
        try:
            with held_up("blocked", "rate limit", least_ns=SHORTEST_BLOCK_NS):
                await self._slots.take_async(place)
                await self._gate.take_async(place)
                while (wait_s := self._begin_or_wait_s()) > 0:
                    await sleep_async(wait_s)
            self._gate.leave(place)
            place.is_entered = True
        except BaseException:
            self._give_back(place)
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._leave(error, [])

    def _give_back(self, place: _Place) -> None:
        try:
            self._gate.leave(place)
        finally:
            self._slots.leave(place)

    def _begin_or_wait_s(self) -> float:
        """Count one call as begun and return 0, or return how long to wait before asking again [s]."""
        with self._lock:
            now = self._now_ns()
            wait_ns = self._closed_until_ns - now
            if self.per_second is not None and len(self._begun) == self.per_second:
                wait_ns = max(wait_ns, self._begun[0] + PERIOD_NS - now)
            if wait_ns > 0:
                return wait_ns / 1e9
            self._begun.append(now)
            return 0.0

    def _now_ns(self) -> int:
        """Return the time [ns]; what was noted by another clock does not count any more."""
        clock = current_clock()
        if clock is not self._clock:
            self._clock = clock
            self._begun.clear()
            self._closed_until_ns = 0
        return clock.now_ns()

    def _leave(self, error: BaseException | None, left: list[_Place]) -> None:
        if (seconds := asked_s(error)) > 0:
            self.pause(seconds)
        self._slots.leave_one(left)

    def __repr__(self) -> str:
        return f"RateLimit(per_second={self.per_second}, in_flight={self.in_flight})"


class _Place:
    """One call: waiting for its slot, or in it."""

    def __init__(self) -> None:
        self.is_entered = False  # whether its block has begun
        self.wake: Callable[[], None] = _nothing  # called when it may be its turn


def _nothing() -> None: ...


class _Slots:
    """Slots for threads and coroutines, taken in the order in which they ask; None for any number.

    Who has a slot, and who waits, is all there is to know. So whatever an interrupt has left half done is put right by
    `leave`, which may be called at any time.
    """

    def __init__(self, count: int | None) -> None:
        self._count = sys.maxsize if count is None else count
        self._lock = threading.Lock()
        self._holders: dict[_Place, None] = {}
        self._queue: dict[_Place, None] = {}

    def take(self, place: _Place) -> None:
        """Wait for a slot; in a thread."""
        turn = threads().Event()
        place.wake = turn.set
        while not self._is_taken_by(place):
            turn.wait()
            turn.clear()

    async def take_async(self, place: _Place) -> None:
        """Wait for a slot; in a coroutine."""
        loop, turn = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(turn.set)

        place.wake = wake
        while not self._is_taken_by(place):
            await turn.wait()
            turn.clear()

    def leave(self, place: _Place) -> None:
        """Give back the slot of a place, if it has one, or take it out of the queue."""
        try:
            with self._lock:
                self._queue.pop(place, None)
                self._holders.pop(place, None)
        finally:
            self._wake()

    def leave_one(self, left: list[_Place]) -> None:
        """Give back the slot of a place whose block has begun: they are all alike. It is `left`, if that has one."""
        with self._lock:
            for place in () if left else self._holders:
                if place.is_entered:
                    place.is_entered = False
                    left.append(place)
                    break
        self.leave(*left)

    def _is_taken_by(self, place: _Place) -> bool:
        with self._lock:
            self._queue[place] = None  # at the end, if it is new
            if place not in islice(self._queue, self._free):
                return False
            del self._queue[place]
            self._holders[place] = None
            return True

    def _wake(self) -> None:
        """Wake those for whom there is a slot: they take it by themselves."""
        with self._lock:
            following = list(islice(self._queue, self._free))
        for place in following:
            place.wake()

    @property
    def _free(self) -> int:
        return self._count - len(self._holders)
