"""The scheduler: one thread runs at a time, and time jumps from one event to the next.

Belongs here: the events to come, switching threads, and the error of a deadlock. Does not belong here: what threads
wait with (``threads``, ``loop``), how CPU time is shared (``processors``), and the lines that threads are in
(``code_places``).

Of the threads of a schedule exactly one has the turn and runs; each other one blocks on a real lock of its own. To
wait, a thread parks: it says until when, or in which queue, and passes the turn to the thread that is due next; the
time jumps there. So the order of everything is decided by this schedule alone, and never by the machine.

Events of one instant come in the order in which they were put in, which is when the thread fell asleep, was started or
was woken. With a seed other than 0 their order is drawn at random from that seed. With any seed, expired time limits
come last: what ends at the very instant of its deadline is in time.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from types import CodeType
from typing import Any, TypeVar

from kaygraph_viz.base.errors import DeadlockError, VirtualClockError, Wait
from kaygraph_viz.base.parts import PartKind, of_fibers, write_here
from kaygraph_viz.base.threads import SLICE_S, RLock
from kaygraph_viz.clock.virtual.code_places import Line, caller_of, line_of, place_of
from kaygraph_viz.clock.virtual.fiber import Fiber, Stopped, end_within, is_running, is_simulated, join_at_most
from kaygraph_viz.clock.virtual.watchdog import Watchdog

__all__ = ["FIRST", "LAST", "EventQueue", "Hold", "InnerWaits", "Scheduler", "circle_of"]

Entry = tuple[int, float, int, int, Fiber, bool]  # due at [ns], tie, serial number, ticket, fiber, whether it was woken
FIRST, LAST = -1.0, 2.0  # tie values before and after all others, which are 0 or drawn from 0 to 1
MAX_STALE = 1000  # events; where there are more, those of waits that have ended are removed: time limits pile up
MOST_NAMED = 8  # waits in one message
T = TypeVar("T")
MAX_STOPS = 1000  # a thread that has swallowed `Stopped` so often will never end by itself
END_S = 1.0  # how long one thread may take to end with the block [s of real time]
INTERRUPT_S = 0.2  # how long an interrupted main program waits for its turn [s of real time]
POLL_BESIDE_S = 0.02  # how often it does so while its real event loop goes on


class EventQueue:
    """The events to come, ordered by time, and the simulated time, which is that of the last event taken."""

    def __init__(self, seed: int) -> None:
        self.now_ns = 0
        self.switches = 0
        self.current: Fiber | None = None  # the one that runs
        self.random = random.Random(seed)  # a schedule, not a secret
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


class Hold:
    """Something that one thread holds, and others may wait for."""

    def __init__(self, what: str = "a lock") -> None:
        self.what = what
        self.holder: Any = None  # a fiber, or a task of asyncio
        self._taken: tuple[CodeType, int] | None = None

    def take(self, holder: object) -> None:
        """Note who holds it from now on, and where user code asked for it."""
        self.holder, self._taken = holder, caller_of(sys._getframe(1))

    @property
    def since(self) -> Line | None:
        """The line of user code that asked for it."""
        return None if self._taken is None else Line(*self._taken)

    def __str__(self) -> str:
        return self.what


class InnerWaits:
    """What a fiber waits for if several of its own parts wait: its coroutines."""

    def circle(self) -> list[Wait]:
        """Return the waits of parts that wait for each other; empty if there are none."""
        raise NotImplementedError


def deadlock(fibers: Iterable[Fiber]) -> DeadlockError:
    """Return the error for fibers that all wait."""
    waiting = list(fibers)
    circle = circle_of(waiting, _holder)
    others = [_wait_of(fiber) for fiber in waiting if fiber not in circle][:MOST_NAMED]
    inner = (fiber.waits_for.circle() for fiber in waiting if isinstance(fiber.waits_for, InnerWaits))
    return DeadlockError([_wait_of(fiber) for fiber in circle] or next(filter(None, inner), []), others)


def circle_of(waiting: Sequence[T], holder: Callable[[T], T | None]) -> list[T]:
    """Return those that wait each for the next one, and the last for the first; empty if there are none."""
    for first in waiting:
        path = [first]
        while (following := holder(path[-1])) is not None and following not in path:
            path.append(following)
        if following == first:
            return path
    return []


def _holder(fiber: Fiber) -> Fiber | None:
    """Return the fiber that holds what a fiber waits for."""
    return fiber.waits_for.holder if isinstance(fiber.waits_for, Hold) else None


def _wait_of(fiber: Fiber) -> Wait:
    hold, line = fiber.waits_for, line_of(fiber)
    what = (fiber.name, place_of(fiber), _text(line), str(hold or "its turn"))
    if not isinstance(hold, Hold) or hold.holder is None:
        return Wait(*what)
    held_by = hold.holder.name + (", which has ended," if hold.holder.is_over else "")
    return Wait(*what, held_by, str(hold.since or ""), _text(hold.since))


def _text(line: Line | None) -> str:
    return "" if line is None else line.text


_running: list[Scheduler] = []  # where blocks are nested, only the last one moves


class Scheduler(EventQueue):
    """The schedule of one virtual clock."""

    def __init__(self, seed: int, patience_s: float) -> None:
        super().__init__(seed)
        self.fibers: dict[Fiber, None] = {}
        self.root: Fiber | None = None
        self.before_root_waits: Callable[[], object] = int
        self._mutex = RLock()  # threads that are not simulated may wake others, and so may signal handlers
        self._here = of_fibers(threading.local())
        self._told: Fiber | None = None  # who was given the turn last
        self._failure: BaseException | None = None
        self.reason: VirtualClockError | None = None  # why the watchdog interrupted the main program, if it did
        self._watchdog = Watchdog(self, patience_s)
        self._bystanders: frozenset[threading.Thread] = frozenset()

    # -- the threads of the schedule -----------------------------------------------------------------------------

    def enter(self, fiber: Fiber) -> None:
        """Start the schedule with the calling thread as the first one, which has the turn."""
        self._bystanders = frozenset(thread for thread in threading.enumerate() if thread.daemon)
        _running.append(self)
        self.root = self.current = fiber
        self.fibers = {fiber: None}
        self.heap.clear()
        self._failure = self.reason = None
        self.adopt(fiber)
        if fiber.carrier.is_watched:
            try:
                self._watchdog.start()
            except BaseException:  # an interrupt: the schedule does not begin
                self.close()
                raise

    def adopt(self, fiber: Fiber) -> None:
        """Register the calling thread as that of `fiber`."""
        fiber.thread = threading.current_thread()
        self._here.fiber = fiber
        write_here(fiber.log)

    def start(self, fiber: Fiber) -> None:
        """Put a fiber on the schedule; its thread has to be started afterwards."""
        self.check(self.here())
        with self._mutex:
            self.fibers[fiber] = None
            fiber.is_parked = True
            self.push(self.now_ns, fiber, True)

    def begin(self, fiber: Fiber) -> None:
        """Wait for the first turn; called by the fiber's own thread."""
        self.adopt(fiber)
        fiber.turn.acquire()
        self.check(fiber)

    def finish(self, fiber: Fiber) -> None:
        """Take a fiber that ends off the schedule and pass its turn on."""
        fiber.on_end()
        with self._mutex:
            fiber.is_over, fiber.is_parked = True, False
            self.fibers.pop(fiber, None)
            if self._failure is None and self.current is fiber:
                self._tell(self.next())

    def withdraw(self, fiber: Fiber) -> None:
        """Take a fiber off the schedule whose thread could not be started; if it was, it ends at once."""
        fiber.stop_error = Stopped("withdrawn")
        self.finish(fiber)
        fiber.turn.release()

    def here(self) -> Fiber:
        """Return the fiber of the calling thread; `VirtualClockError` if it does not belong to this schedule."""
        fiber: Fiber | None = getattr(self._here, "fiber", None)
        if fiber is None or fiber.is_over or fiber.is_away:
            if fiber is not None and fiber.is_away:
                raise VirtualClockError("this event loop runs in real time; await one graph after the other in it")
            if fiber is not None and fiber.stop_error is not None:
                raise fiber.stop_error  # its block has ended without it
            if self.root is None:
                raise VirtualClockError(
                    "the time of a virtual clock passes only inside its block; write: with clock: ..."
                )
            raise VirtualClockError(
                f"thread {threading.current_thread().name!r} cannot wait in simulated time, since it was not started "
                "by your code inside the block; start it there, use a parallel node, or record with the real clock"
            )
        return fiber

    def mine(self) -> Fiber | None:
        """Return the fiber of the calling thread, or None if it does not belong to this schedule."""
        fiber: Fiber | None = getattr(self._here, "fiber", None)
        return None if fiber is None or fiber.is_over else fiber

    def is_innermost(self) -> bool:
        """Return whether no other schedule runs inside this one."""
        return bool(_running) and _running[-1] is self

    # -- waiting ------------------------------------------------------------------------------------------------

    def park(
        self,
        until_ns: int | None = None,
        waits_for: object = "",
        *,
        queue: deque[Fiber] | None = None,
        is_notifiable: bool = False,
        is_last: bool = False,
        kind: PartKind = "wait",
    ) -> bool:
        """Pass the turn on, wait for the next one, and return whether another thread ended the wait."""
        fiber, began_ns = self.here(), self.now_ns
        self.check(fiber)
        try:
            if self._pass_turn(fiber, until_ns, waits_for, queue, is_notifiable, is_last):
                while not fiber.turn.acquire(timeout=SLICE_S if fiber is self.root else -1):
                    pass  # a blocked acquire may miss an interrupt that came just before it
        except BaseException:  # an interrupt
            self._come_back(fiber)
            raise
        finally:
            fiber.log.add(kind, began_ns, self.now_ns)
        self.check(fiber)
        return fiber.was_woken

    async def park_beside(self, waits_for: object, queue: deque[Fiber]) -> bool:
        """Wait as `park` does while the real event loop of the caller goes on, so that an interrupt reaches it."""
        fiber, began_ns = self.here(), self.now_ns
        self.check(fiber)
        try:
            if self._pass_turn(fiber, None, waits_for, queue, False, False):
                fiber.is_away, is_due = True, False
                while not is_due:
                    await asyncio.sleep(0)
                    is_due = fiber.turn.acquire(timeout=POLL_BESIDE_S)
        except BaseException:
            fiber.is_away = False
            self._come_back(fiber)
            raise
        finally:
            fiber.log.add("wait", began_ns, self.now_ns)
        fiber.is_away = False
        self.check(fiber)
        return fiber.was_woken

    def _pass_turn(
        self,
        fiber: Fiber,
        until_ns: int | None,
        waits_for: object,
        queue: deque[Fiber] | None,
        is_notifiable: bool,
        is_last: bool,
    ) -> bool:
        """Park a fiber and give the turn to the next one; return False if that is the same fiber."""
        if fiber is self.root:
            self.before_root_waits()
        with self._mutex:
            fiber.ticket += 1
            fiber.waits_for, fiber.is_notifiable, fiber.is_chosen = waits_for, is_notifiable, False
            fiber.is_parked = True
            if is_notifiable and fiber.is_notified:
                fiber.is_parked = fiber.is_notified = False
                fiber.was_woken = True
                return False
            if queue is not None:
                queue.append(fiber)
            if until_ns is not None:
                self.push(max(until_ns, self.now_ns), fiber, False, LAST if is_last else None)
            following = self.next()
            if following is not fiber:
                self._tell(following)
            return following is not fiber

    def _tell(self, following: Fiber | None) -> None:
        """Give the turn to the fiber that was just made the current one; the caller holds the mutex."""
        self._told = following  # no signal handler can run between this and the release: they run after calls
        if following is not None:
            following.turn.release()
        elif not self._has_outsiders():  # else one of them may wake a fiber
            self.fail(self.stalemate())

    def check(self, fiber: Fiber) -> None:
        """Raise the error that ends a fiber, if there is one."""
        error = fiber.stop_error or self._failure
        if error is None:
            return
        if fiber is self.root:
            raise error
        fiber.stops += 1
        if fiber.stops > MAX_STOPS:  # its code catches everything: block the thread for ever, off the schedule
            self.finish(fiber)
            while True:
                fiber.turn.acquire()
        raise fiber.stop_error or Stopped("the schedule has ended")

    def wake(self, queue: deque[Fiber], count: int | None = None) -> Fiber | None:
        """Make the first `count` fibers of a queue (default: all) due at this instant, and return the last of them."""
        woken = None
        with self._mutex:
            while queue and (count is None or count > 0):
                fiber = queue.popleft()
                if fiber.is_parked:  # else its time limit is over, or it was killed
                    fiber.is_chosen, woken = True, fiber
                    self.push(self.now_ns, fiber, True)
                    count = None if count is None else count - 1
            self._go_on()
        return woken

    def notify(self, fiber: Fiber) -> None:
        """End the notifiable wait of a fiber, or its next one if it is not in one. May be called from any thread."""
        with self._mutex:
            if fiber.is_parked and fiber.is_notifiable:
                self.push(self.now_ns, fiber, True)
                self._go_on()
            else:
                fiber.is_notified = True

    def _go_on(self) -> None:
        """Give the turn to the next fiber if none has it: the caller is not simulated, or all were waiting for it."""
        if self.current is None and self.root is not None:
            following = self.next()
            if following is not None:
                self._tell(following)

    def yield_turn(self, *, is_last: bool = False) -> None:
        """Yield to the fibers that are due at this instant; with `is_last` also to those that become due at it."""
        self.park(self.now_ns, is_last=is_last)

    # -- interrupts ---------------------------------------------------------------------------------------------

    def _come_back(self, fiber: Fiber) -> None:
        """Take the turn back at this instant, before all others, though nothing has ended the wait."""
        try:
            if self._is_turn_of(fiber) or fiber.turn.acquire(timeout=INTERRUPT_S):
                return
        except BaseException:  # a second interrupt: no time is left for others
            self._take_over(fiber)
            raise
        self._take_over(fiber)

    def _is_turn_of(self, fiber: Fiber) -> bool:
        """Return whether a fiber may go on at once; else make it the first one that is due."""
        with self._mutex:
            chosen = self.current
            if chosen is not None and chosen is not fiber and chosen is not self._told:
                chosen.is_parked = True  # the interrupt came between its choice and `_tell`: queue it again
                self.push(self.now_ns, chosen, chosen.was_woken, FIRST)
                chosen = None
            if chosen is None or chosen is fiber:
                self.current, fiber.is_parked = fiber, False
                fiber.turn.acquire(blocking=False)
                return True
            fiber.ticket += 1
            fiber.is_parked = True
            self.push(self.now_ns, fiber, True, FIRST)
            return False

    def _take_over(self, fiber: Fiber) -> None:
        """Take the turn from a fiber that computes without end; that one ends as soon as it waits."""
        with self._mutex:
            if self.current is not fiber:
                self._failure = KeyboardInterrupt()
            self.current, fiber.is_parked = fiber, False
            fiber.turn.acquire(blocking=False)

    # -- ending -------------------------------------------------------------------------------------------------

    def kill(self, fiber: Fiber) -> None:
        """End a fiber and its descendants at this instant: `Stopped` is raised where they wait."""
        with self._mutex:
            for each in [other for other in self.fibers if other.is_within(fiber)]:
                each.stop_error = Stopped("killed")
                if each.is_parked:
                    self.push(self.now_ns, each, True)
            self._go_on()

    def fail(self, error: VirtualClockError) -> bool:
        """End the schedule with an error, which the main program raises; return False if that is not waiting."""
        with self._mutex:
            root = self.root
            if self._failure is not None or root is None or not root.is_parked:
                return False
            self._failure = error
            root.is_parked = False
            self.current = self._told = root
            root.turn.release()
            return True

    def interrupt(self, error: VirtualClockError) -> bool:
        """Interrupt the main program, whose block then raises `error`; return False if that is not possible."""
        root = self.root.thread if self.root is not None else None
        can_be_interrupted = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if root is not threading.main_thread() or not can_be_interrupted or not hasattr(signal, "pthread_kill"):
            return False
        self.reason = error
        signal.pthread_kill(root.ident or 0, signal.SIGINT)
        return True

    def stalemate(self) -> VirtualClockError:
        """Return the error for a deadlock, with what each fiber waits for."""
        return deadlock(self.fibers)

    def _has_outsiders(self) -> bool:
        """Return whether there are threads off the schedule that could wake a fiber."""
        if self.root is not None and not self.root.carrier.is_watched:
            return False  # where fibers share a thread, nothing else runs
        root = self.root.thread if self.root is not None else None
        return any(
            not is_simulated(thread) and thread is not root and not self._watchdog.is_run_by(thread)
            for thread in threading.enumerate()
            if thread not in self._bystanders
        )

    def close(self) -> None:
        """End all fibers but the first, one after the other; called by the first, or where the block was left."""
        self._watchdog.stop()
        caller = self.mine()
        with self._mutex:
            self._failure = ended = Stopped("the block has ended")
            others = [fiber for fiber in self.fibers if fiber is not self.root and fiber is not caller]
            for fiber in others:
                fiber.stop_error = ended
        for fiber in others:
            with self._mutex:
                was_parked, fiber.is_parked = fiber.is_parked, False
            if was_parked and fiber.thread is not None:
                fiber.turn.release()
                join_at_most(fiber, END_S)
        left = [fiber for fiber in others if is_running(fiber)]
        for fiber in left:  # in a real wait, or in a computation without end
            end_within(fiber, END_S / 4 / len(left))
        for fiber in others:
            fiber.is_over = True
        if caller is not None:
            caller.is_over = True
        if self.root is not None:
            self.root.is_over = True
            if self.root.is_parked and self.root is not caller:
                self._failure = None  # its wait, for the thread that left the block, is over without an error
                self.root.turn.release()
        self.root = self.current = None
        self.fibers = {}
        _running.remove(self)
