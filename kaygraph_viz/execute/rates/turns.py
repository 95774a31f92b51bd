"""Whose turn it is to call a service: first come, first served.

Belongs here: the queue of calls, those in flight, what they wait for and for how long. Does not belong here: the
``with`` blocks (``rate_limit``), and calls from other processes (``remote``).

Only the first in the queue waits for the time or for room; the others wait until they are first. So a call that needs
many units is not overtaken for ever by calls that need few.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from kaygraph_viz.base.threads import Lock
from kaygraph_viz.clock.clock import Clock, current_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.execute.rates.in_flight import Bound
from kaygraph_viz.execute.retries import asked_s, is_refusal
from kaygraph_viz.trace.recorder import current_scope

IN_FLIGHT, PAUSE = "calls in flight", "a pause that the service asked for"


class Place:
    """One call: in the queue, in flight, or over."""

    __slots__ = ("begun_ns", "held_before", "held_by", "is_entered", "link", "owner", "units", "wake")

    def __init__(self, units: int = 0) -> None:
        self.units = units
        self.begun_ns = 0
        self.held_by = ""  # the limit that it has waited for, most of all
        self.held_before: dict[str, int] | None = None  # how long each limit had held up others when it began to wait
        self.is_entered = False  # whether its block has begun
        self.owner: object = None
        self.link: Any = None  # the connection to where the limit is kept, for a call from another process
        self.wake: Callable[[], None] = nothing  # called when it may be its turn


class Ending(NamedTuple):
    """How a call ended, as far as it tells something about the service."""

    is_ok: bool = True
    is_refused: bool = False
    pause_s: float = 0.0

    @classmethod
    def of(cls, error: BaseException | None) -> Ending:
        """Return what an error says, or that there was none."""
        return cls() if error is None else cls(False, is_refusal(error), asked_s(error))


class Turns:
    """The calls to one service, in the order in which they ask."""

    def __init__(self, calls: Sequence[Window], units: Sequence[Window], bound: Bound | None, name: str) -> None:
        self._obstacles = Obstacles()
        self._calls, self._units = tuple(calls), tuple(units)
        self._bound = bound
        self._name = name
        self._lock = Lock()
        self._queue: OrderedDict[Place, None] = OrderedDict()
        self._inside: OrderedDict[Place, None] = OrderedDict()
        self._closed_until_ns = 0
        self._clock: Clock | None = None

    # -- waiting for a turn --------------------------------------------------------------------------------------

    def take(self, place: Place) -> None:
        """Wait for a turn; in a thread."""
        if self.begin_or_wait_s(place) > 0:
            turn = threads().Event()
            place.wake = turn.set
            while (wait_s := self.begin_or_wait_s(place)) > 0:
                if wait_s == math.inf:
                    turn.wait()
                else:
                    current_clock().wait(turn, wait_s)
                turn.clear()
        self.wake_first()

    async def take_async(self, place: Place) -> None:
        """Wait for a turn; in a coroutine."""
        if self.begin_or_wait_s(place) > 0:
            turn, loop = asyncio.Event(), asyncio.get_running_loop()

            def wake() -> None:
                with suppress(RuntimeError):  # the loop has just been closed
                    loop.call_soon_threadsafe(turn.set)

            place.wake = wake
            while (wait_s := self.begin_or_wait_s(place)) > 0:
                if wait_s == math.inf:
                    await turn.wait()
                else:
                    await current_clock().wait_async(turn, wait_s)
                turn.clear()
        self.wake_first()

    def begin_or_wait_s(self, place: Place) -> float:
        """Begin the call and return 0, or return how long to wait before asking again [s]: infinity for until woken."""
        with self._lock:
            now_ns = self._now_ns()
            if place not in self._queue:
                place.owner = caller() if self._bound is not None and self._bound.is_adaptive else None
                self._queue[place] = None
            wait_ns, why = self._wait_ns(place, now_ns)
            if wait_ns <= 0:
                self._obstacles.now("", now_ns)
                self._begin(place, now_ns)
                return 0.0
            if place.held_before is None:
                place.held_before = self._obstacles.so_far(now_ns)
            if why:
                self._obstacles.now(why, now_ns)
            return wait_ns / 1e9

    def _wait_ns(self, place: Place, now_ns: int) -> tuple[float, str]:
        """Return how long a call has to wait at least [ns], and for what: for the first, or a limit."""
        if next(iter(self._queue)) is not place:
            return math.inf, ""
        if self._is_full():
            return math.inf, IN_FLIGHT
        wait_ns, why = self._closed_until_ns - now_ns, PAUSE
        for windows, amount in ((self._calls, 1), (self._units, place.units)):
            for window in windows:
                if (more_ns := window.wait_ns(amount, now_ns)) > wait_ns:
                    wait_ns, why = more_ns, window.what
        return wait_ns, why

    def _is_full(self) -> bool:
        return self._bound is not None and len(self._inside) >= self._bound.most

    def _begin(self, place: Place, now_ns: int) -> None:
        place.begun_ns = now_ns
        if place.held_before is not None:
            place.held_by = self._obstacles.longest_since(place.held_before)
        self._inside[place] = None
        self._queue.pop(place, None)
        for window in self._calls:
            window.add(place, 1, now_ns)
        for window in self._units:
            window.add(place, place.units, now_ns)
        self._note()

    def wake_first(self) -> None:
        """Wake the first in the queue, unless it has to wait for the end of a call: that wakes it."""
        with self._lock:
            first = next(iter(self._queue), None)
            if first is None:
                return
            if self._is_full():
                self._obstacles.now(IN_FLIGHT, self._now_ns())
                return
        first.wake()

    # -- ends ----------------------------------------------------------------------------------------------------

    def leave(self, place: Place, ending: Ending) -> None:
        """End a call; a second time does nothing but wake the next."""
        try:
            with self._lock:
                if place in self._inside:
                    now_ns, bound = self._now_ns(), self._bound
                    if ending.pause_s > 0:
                        self._close(now_ns, ending.pause_s)
                    if bound is not None and ending.is_refused:
                        bound.refused(place.begun_ns, now_ns)
                    elif bound is not None and ending.is_ok:
                        bound.went_well(place.begun_ns, now_ns, is_full=self._is_full())
                    del self._inside[place]
                    self._note()
        finally:
            self.wake_first()

    def give_back(self, place: Place) -> None:
        """Undo all that was done for a call that was not made."""
        try:
            with self._lock:
                self._queue.pop(place, None)
                self._inside.pop(place, None)
                for window in (*self._calls, *self._units):
                    window.remove(place)
                self._note()
        finally:
            self.wake_first()

    def correct(self, place: Place, units: int) -> None:
        """Count another number of units for a call, from its begin on."""
        try:
            with self._lock:
                place.units = units
                for window in self._units:
                    window.correct(place, units)
                self._note()
        except BaseException:  # an interrupt
            for window in self._units:
                window.recount()
            raise
        finally:
            self.wake_first()

    def pause(self, seconds: float) -> None:
        """Let no call begin for some time [s]."""
        with self._lock:
            self._close(self._now_ns(), seconds)

    def entered(self) -> Place | None:
        """Return a call whose block has begun: the newest of the caller if they differ."""
        with self._lock:
            mine = None
            if self._bound is not None and self._bound.is_adaptive:
                who = caller()
                places = (place for place in reversed(self._inside) if place.is_entered and place.owner == who)
                mine = next(places, None)
            return mine or next((place for place in self._inside if place.is_entered), None)

    def _close(self, now_ns: int, seconds: float) -> None:
        self._closed_until_ns = max(self._closed_until_ns, now_ns + round(max(0.0, seconds) * 1e9))

    def _now_ns(self) -> int:
        """Return the time [ns]; what was noted by another clock does not count any more."""
        clock = current_clock()
        if clock is not self._clock:
            self._clock = clock
            self._closed_until_ns = 0
            for window in (*self._calls, *self._units):
                window.clear()
            self._obstacles = Obstacles()
            if self._bound is not None:
                self._bound.restart()
        return clock.now_ns()

    def _note(self) -> None:
        """Note in the trace how much is used of what; the calls in flight also where they are few."""
        recorder = current_scope().recorder
        if not recorder.is_open:
            return
        now_ns = recorder.now_ns()
        if self._bound is not None:
            recorder.gauges.note(self, f"{self._name}: {IN_FLIGHT}", now_ns, len(self._inside), self._bound.most)
        for window in (*self._calls, *self._units):
            recorder.gauges.note(window, f"{self._name}: {window.what}", now_ns, window.used, window.most)


def caller() -> object:
    """Return the running task, or the number of the thread."""
    try:
        return asyncio.current_task() or threading.get_ident()
    except RuntimeError:  # no loop runs here
        return threading.get_ident()


def nothing() -> None:
    """Do nothing: no call waits for a turn."""


# -- what a call may wait for ------------------------------------------------------------------------------------


class Window:
    """An amount that may begin in any window of time of one length."""

    def __init__(self, what: str, most: int, period_ns: int) -> None:
        self.what = what
        self.most = most
        self.period_ns = period_ns
        self.used = 0
        self._begun: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # by call: when, and how much

    def wait_ns(self, amount: int, now_ns: int) -> int:
        """Return how long it is until there is room for `amount` [ns]; 0: there is."""
        self._forget(now_ns)
        missing = self.used + amount - self.most
        if missing <= 0:
            return 0
        free_ns = now_ns
        for begun_ns, used in self._begun.values():
            missing, free_ns = missing - used, begun_ns + self.period_ns
            if missing <= 0:
                break
        return free_ns - now_ns

    def add(self, call: Hashable, amount: int, now_ns: int) -> None:
        """Count a call that begins now."""
        self._begun[call] = now_ns, amount
        self.used += amount

    def correct(self, call: Hashable, amount: int) -> None:
        """Count another amount for a call that has begun, as if it had been known then."""
        if call in self._begun:
            begun_ns, before = self._begun[call]
            self._begun[call] = begun_ns, amount
            self.used += amount - before

    def remove(self, call: Hashable) -> None:
        """Count a call no more, since it was never made."""
        self._begun.pop(call, None)
        self.recount()

    def recount(self) -> None:
        """Put right what an interrupt has left half done in another method."""
        self.used = sum(amount for _, amount in self._begun.values())

    def clear(self) -> None:
        """Forget all calls."""
        self._begun.clear()
        self.used = 0

    def _forget(self, now_ns: int) -> None:
        """Take out the calls that began a whole window ago."""
        while self._begun and next(iter(self._begun.values()))[0] + self.period_ns <= now_ns:
            self.used -= self._begun.popitem(last=False)[1][1]


class Obstacles:
    """How long each limit has held up the first in the queue, whichever call that was."""

    def __init__(self) -> None:
        self._lasted_ns: dict[str, int] = {}
        self._name = ""
        self._since_ns = 0

    def now(self, name: str, now_ns: int) -> None:
        """Note what holds up the first call from now on; an empty name: nothing."""
        if self._name:
            self._lasted_ns[self._name] = self._lasted_ns.get(self._name, 0) + max(0, now_ns - self._since_ns)
        self._name, self._since_ns = name, now_ns

    def so_far(self, now_ns: int) -> dict[str, int]:
        """Return how long it was for each so far [ns]."""
        self.now(self._name, now_ns)
        return self._lasted_ns.copy()

    def longest_since(self, before: Mapping[str, int]) -> str:
        """Return what has held up calls for the longest time since `so_far` was called; empty: nothing."""
        lasted_ns = {name: ns - before.get(name, 0) for name, ns in self._lasted_ns.items()}
        return max((name for name, ns in lasted_ns.items() if ns > 0), key=lasted_ns.__getitem__, default="")
