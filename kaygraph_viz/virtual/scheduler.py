"""Who runs when: one thread at a time, and time that jumps from one event to the next.

Belongs here: the schedule. Does not belong here: what is due when (``event_queue``), what threads wait with
(``threads``, ``loop``), and how long CPU work takes where several want it (``processors``).

Threads that take part pass a baton: exactly one of them runs, and all others wait for it. A thread that waits says
until when, or for what, and hands the baton to whoever is due next; the time jumps there. So the order of everything
is decided by this schedule alone, and never by the machine.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import deque

from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.parts import PartKind, write_here
from kaygraph_viz.virtual.event_queue import FIRST, LAST, Agenda
from kaygraph_viz.virtual.fiber import Fiber, Stopped, end_within, is_running, join_at_most, takes_part
from kaygraph_viz.virtual.watchdog import Watch, place_of

__all__ = ["Scheduler"]

MAX_STRIKES = 1000  # who has swallowed `Stopped` so often will never end by itself
END_S = 1.0  # how long one thread may take to end with the block [s of real time]
INTERRUPT_S = 0.2  # how long an interrupted main program waits for its turn [s of real time]
LOOK_S = 0.5  # how often a waiting main program looks for an interrupt [s of real time]
GLANCE_S = 0.02  # how often it does so where it lets its event loop go on meanwhile
_running: list[Scheduler] = []  # of those whose blocks are inside each other, only the last one moves


class Scheduler(Agenda):
    """The schedule of one virtual clock.

    Parameters
    ----------
    seed
        0 for the documented order of ties; another whole number for one drawn by chance.
    patience_s
        How long a thread may be stuck in something that the schedule cannot see [s of real time].
    """

    def __init__(self, seed: int, patience_s: float) -> None:
        super().__init__(seed)
        self.fibers: dict[Fiber, None] = {}
        self.root: Fiber | None = None
        self._mutex = threading.RLock()  # threads that take no part may wake others, and so may handlers of signals
        self._here = threading.local()
        self._told: Fiber | None = None  # who got the baton last
        self._failure: BaseException | None = None
        self.reason: VirtualClockError | None = None  # why the first thread was interrupted, if we did it
        self._watch = Watch(self, patience_s)
        self._bystanders: frozenset[threading.Thread] = frozenset()

    # -- who takes part -----------------------------------------------------------------------------------------

    def enter(self, fiber: Fiber) -> None:
        """Let the calling thread take part as the first one, which holds the baton."""
        self._bystanders = frozenset(thread for thread in threading.enumerate() if thread.daemon)
        _running.append(self)
        self.root = self.current = fiber
        self.fibers = {fiber: None}
        self.heap.clear()
        self._failure = self.reason = None
        self.adopt(fiber)
        self._watch.start()

    def adopt(self, fiber: Fiber) -> None:
        """Say that the calling thread is `fiber`."""
        fiber.thread = threading.current_thread()
        self._here.fiber = fiber
        write_here(fiber.log)

    def start(self, fiber: Fiber) -> None:
        """Put a fiber, whose thread is about to start, on the schedule."""
        self.check(self.here())
        with self._mutex:
            self.fibers[fiber] = None
            fiber.is_parked = True
            self.push(self.now_ns, fiber, True)

    def begin(self, fiber: Fiber) -> None:
        """Wait for the first turn; called by the fiber's own thread."""
        self.adopt(fiber)
        fiber.baton.acquire()
        self.check(fiber)

    def finish(self, fiber: Fiber) -> None:
        """Leave for good and hand the baton on."""
        fiber.on_end()
        with self._mutex:
            fiber.is_over, fiber.is_parked = True, False
            self.fibers.pop(fiber, None)
            if self._failure is None and self.current is fiber:
                self._tell(self.next())

    def withdraw(self, fiber: Fiber) -> None:
        """Take a fiber off the schedule whose thread could not be started, or was but shall end at once."""
        fiber.killer = Stopped("withdrawn")
        self.finish(fiber)
        fiber.baton.release()

    def here(self) -> Fiber:
        """Return the fiber of the calling thread.

        Raises
        ------
        VirtualClockError
            If it takes no part.
        """
        fiber: Fiber | None = getattr(self._here, "fiber", None)
        if fiber is None or fiber.is_over or fiber.is_away:
            raise self._not_here(fiber)
        return fiber

    def _not_here(self, fiber: Fiber | None) -> BaseException:
        if fiber is not None and fiber.is_away:
            return VirtualClockError("this event loop keeps real time; await one graph after the other in it")
        if fiber is not None and fiber.killer is not None:
            return fiber.killer  # it was left behind when its block ended
        if self.root is None:
            return VirtualClockError("a virtual clock passes only inside its block; write: with clock: ...")
        return VirtualClockError(
            f"thread {threading.current_thread().name!r} cannot wait in simulated time, since it was not started by "
            "your code inside the block; start it there, use a parallel node, or record with the real clock"
        )

    def mine(self) -> Fiber | None:
        """Return the fiber of the calling thread, or None if it takes no part."""
        fiber: Fiber | None = getattr(self._here, "fiber", None)
        return None if fiber is None or fiber.is_over else fiber

    def is_innermost(self) -> bool:
        """Return whether no other schedule runs inside this one."""
        return bool(_running) and _running[-1] is self

    # -- waiting ------------------------------------------------------------------------------------------------

    def park(
        self, until_ns: int | None = None, waits_for: str = "", *, queue: deque[Fiber] | None = None,
        is_notifiable: bool = False, is_last: bool = False, kind: PartKind = "wait",
    ) -> bool:  # fmt: skip
        """Let others run until it is the caller's turn again, and return whether somebody ended the wait.

        Parameters
        ----------
        until_ns
            When the wait is over by itself [ns]; None for never.
        waits_for
            What it waits for, in messages.
        queue
            Where to stand in line for `wake`.
        is_notifiable
            Whether `notify` ends the wait, also one that came before it began.
        is_last
            Whether those who are due at the same instant go first.
        kind
            What the time is noted as in the log of the caller.
        """
        fiber, began_ns = self.here(), self.now_ns
        self.check(fiber)
        try:
            if self._hand_on(fiber, until_ns, waits_for, queue, is_notifiable, is_last):
                while not fiber.baton.acquire(timeout=LOOK_S if fiber is self.root else -1):
                    pass  # an interrupt that came just before it waited is noticed only now
        except BaseException:  # an interrupt
            self._come_back(fiber)
            raise
        finally:
            fiber.log.add(kind, began_ns, self.now_ns)
        self.check(fiber)
        return fiber.was_woken

    async def park_beside(self, waits_for: str, queue: deque[Fiber]) -> bool:
        """Do as `park` does, and let the real event loop of the caller go on meanwhile: it may bring an interrupt."""
        fiber, began_ns = self.here(), self.now_ns
        self.check(fiber)
        try:
            if self._hand_on(fiber, None, waits_for, queue, False, False):
                fiber.is_away, is_due = True, False
                while not is_due:
                    await asyncio.sleep(0)
                    is_due = fiber.baton.acquire(timeout=GLANCE_S)
        except BaseException:
            fiber.is_away = False
            self._come_back(fiber)
            raise
        finally:
            fiber.log.add("wait", began_ns, self.now_ns)
        fiber.is_away = False
        self.check(fiber)
        return fiber.was_woken

    def _hand_on(
        self, fiber: Fiber, until_ns: int | None, waits_for: str, queue: deque[Fiber] | None, is_notifiable: bool,
        is_last: bool,
    ) -> bool:  # fmt: skip
        """Give the baton to whoever is next; return False if that is the caller itself."""
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
        """Hand the baton over; the mutex is held, so that whoever is current has it or is about to take it."""
        self._told = following  # nothing can come between these two lines: signals are handled after calls
        if following is not None:
            following.baton.release()
        elif not self._has_outsiders():  # else perhaps one of them will wake somebody
            self.fail(self.stalemate())

    def check(self, fiber: Fiber) -> None:
        """Raise what ends a fiber, if anything does."""
        error = fiber.killer or self._failure
        if error is None:
            return
        if fiber is self.root:
            raise error
        fiber.strikes += 1
        if fiber.strikes > MAX_STRIKES:  # it would go on for ever
            self.finish(fiber)
            threading.Event().wait()
        raise fiber.killer or Stopped("the schedule has ended")

    def wake(self, queue: deque[Fiber], count: int | None = None) -> Fiber | None:
        """Let the first `count` (default: all) in a queue go on at this instant; return the last of them.

        They go after those that are due already. From any thread.
        """
        woken = None
        with self._mutex:
            while queue and (count is None or count > 0):
                fiber = queue.popleft()
                if fiber.is_parked:  # else its time is over, or it was killed
                    fiber.is_chosen, woken = True, fiber
                    self.push(self.now_ns, fiber, True)
                    count = None if count is None else count - 1
            self._go_on()
        return woken

    def notify(self, fiber: Fiber) -> None:
        """End a fiber's notifiable wait, or the next one if it is not in one; from any thread."""
        with self._mutex:
            if fiber.is_parked and fiber.is_notifiable:
                self.push(self.now_ns, fiber, True)
                self._go_on()
            else:
                fiber.is_notified = True

    def _go_on(self) -> None:
        """Hand the baton to whoever is due, if nobody has it."""
        if self.current is None and self.root is not None:
            following = self.next()
            if following is not None:
                self._tell(following)

    def yield_turn(self, *, is_last: bool = False) -> None:
        """Let those that are due at this instant go first; with `is_last` also those that come by it."""
        self.park(self.now_ns, is_last=is_last)

    # -- interrupts ---------------------------------------------------------------------------------------------

    def _come_back(self, fiber: Fiber) -> None:
        """Take the baton back at this instant, before everybody else, though nothing has ended the wait."""
        try:
            if self._is_turn_of(fiber) or fiber.baton.acquire(timeout=INTERRUPT_S):
                return
        except BaseException:  # whoever interrupts twice has lost patience
            self._take_over(fiber)
            raise
        self._take_over(fiber)

    def _is_turn_of(self, fiber: Fiber) -> bool:
        """Return whether a fiber may go on at once; else it is put on the schedule as the next one."""
        with self._mutex:
            chosen = self.current
            if chosen is not None and chosen is not fiber and chosen is not self._told:
                chosen.is_parked = True  # it was chosen, and the interrupt came before it was told
                self.push(self.now_ns, chosen, chosen.was_woken, FIRST)
                chosen = None
            if chosen is None or chosen is fiber:
                self.current, fiber.is_parked = fiber, False
                fiber.baton.acquire(blocking=False)
                return True
            fiber.ticket += 1
            fiber.is_parked = True
            self.push(self.now_ns, fiber, True, FIRST)
            return False

    def _take_over(self, fiber: Fiber) -> None:
        """Go on though somebody else does, who never waits; that one ends as soon as it does."""
        with self._mutex:
            if self.current is not fiber:
                self._failure = KeyboardInterrupt()
            self.current, fiber.is_parked = fiber, False
            fiber.baton.acquire(blocking=False)

    # -- ending -------------------------------------------------------------------------------------------------

    def kill(self, fiber: Fiber) -> None:
        """End a fiber, and all that it has started, at this instant: where they wait, `Stopped` is raised."""
        with self._mutex:
            for each in [other for other in self.fibers if other.is_within(fiber)]:
                each.killer = Stopped("killed")
                if each.is_parked:
                    self.push(self.now_ns, each, True)
            self._go_on()

    def fail(self, error: VirtualClockError) -> bool:
        """Give everything up; the first thread raises `error`. Return False if that one is not waiting."""
        with self._mutex:
            root = self.root
            if self._failure is not None or root is None or not root.is_parked:
                return False
            self._failure = error
            root.is_parked = False
            self.current = self._told = root
            root.baton.release()
            return True

    def interrupt(self, error: VirtualClockError) -> bool:
        """Interrupt the first thread, which is stuck; `failure` says why. Return False if that is not possible."""
        root = self.root.thread if self.root is not None else None
        can_be_interrupted = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if root is not threading.main_thread() or not can_be_interrupted or not hasattr(signal, "pthread_kill"):
            return False
        self.reason = error
        signal.pthread_kill(root.ident or 0, signal.SIGINT)
        return True

    def stalemate(self) -> VirtualClockError:
        """Return the error for a program in which everybody waits for somebody else."""
        waiting = [f"{place_of(fiber)} waits for {fiber.waits_for or 'its turn'}" for fiber in list(self.fibers)[:8]]
        return VirtualClockError(f"in simulated time nothing can happen any more: {'; '.join(waiting)}")

    def _has_outsiders(self) -> bool:
        """Return whether there are threads that could wake somebody though they take no part."""
        root = self.root.thread if self.root is not None else None
        return any(
            not takes_part(thread) and thread is not root and not self._watch.is_run_by(thread)
            for thread in threading.enumerate()
            if thread not in self._bystanders
        )

    def close(self) -> None:
        """End all fibers but the first, one after the other; called by the first."""
        self._watch.stop()
        with self._mutex:
            self._failure = ended = Stopped("the block has ended")
            others = [fiber for fiber in self.fibers if fiber is not self.root]
            for fiber in others:
                fiber.killer = ended
        for fiber in others:
            with self._mutex:
                was_parked, fiber.is_parked = fiber.is_parked, False
            if was_parked and fiber.thread is not None:
                fiber.baton.release()
                join_at_most(fiber, END_S)
        left = [fiber for fiber in others if is_running(fiber)]
        for fiber in left:  # they were stuck, or compute without end
            end_within(fiber, END_S / 4 / len(left))
        for fiber in others:
            fiber.is_over = True
        if self.root is not None:
            self.root.is_over = True
        self.root = self.current = None
        self.fibers = {}
        _running.remove(self)
