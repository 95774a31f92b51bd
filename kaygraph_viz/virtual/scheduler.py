"""Who runs when: one thread at a time, and time that jumps from one event to the next.

Belongs here: the schedule. Does not belong here: what threads wait with (``threads``, ``loop``), and how long CPU work
takes where several want it (``processors``).

Threads that take part pass a baton: exactly one of them runs, and all others wait for it. A thread that waits says
until when, or for what, and hands the baton to whoever is due next; the time jumps there. So the order of everything
is decided by this schedule alone, and never by the machine.

The rule for ties: at one instant, those go first whose turn was fixed first - when they fell asleep, were started or
were woken. With a seed other than 0 the order within one instant is drawn by chance from that seed.
"""

from __future__ import annotations

import itertools
import random
import threading
from heapq import heappop, heappush

from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.virtual.fiber import Fiber, Stopped
from kaygraph_viz.virtual.watch import Watch

__all__ = ["Scheduler"]

Entry = tuple[int, float, int, int, Fiber, bool]  # when [ns], tie, serial number, ticket, who, whether it was woken


class Scheduler:
    """The schedule of one virtual clock.

    Parameters
    ----------
    seed
        0 for the documented order of ties; another whole number for one drawn by chance.
    patience_s
        How long a thread may be stuck in something that the schedule cannot see [s of real time].
    """

    def __init__(self, seed: int, patience_s: float) -> None:
        self.now_ns = 0
        self.switches = 0
        self.current: Fiber | None = None
        self.fibers: list[Fiber] = []
        self.root: Fiber | None = None
        self.random = random.Random(seed)  # noqa: S311  (a schedule, not a secret)
        self._has_ties_by_chance = seed != 0
        self._heap: list[Entry] = []
        self._serial = itertools.count()
        self._mutex = threading.Lock()  # threads that take no part may wake others
        self._here = threading.local()
        self._failure: BaseException | None = None
        self._watch = Watch(self, patience_s)

    # -- who takes part -----------------------------------------------------------------------------------------

    def enter(self, fiber: Fiber) -> None:
        """Let the calling thread take part as the first one, which holds the baton."""
        self.root = self.current = fiber
        self.fibers = [fiber]
        self._heap.clear()
        self._failure = None
        self.adopt(fiber)

    def adopt(self, fiber: Fiber) -> None:
        """Say that the calling thread is `fiber`."""
        fiber.thread = threading.current_thread()
        self._here.fiber = fiber

    def start(self, fiber: Fiber) -> None:
        """Put a fiber, whose thread is about to start, on the schedule."""
        with self._mutex:
            self.fibers.append(fiber)
            fiber.is_parked = True
            self._push(self.now_ns, fiber, True)
        self._watch.start()

    def begin(self, fiber: Fiber) -> None:
        """Wait for the first turn; called by the fiber's own thread."""
        self.adopt(fiber)
        fiber.baton.acquire()
        self.check(fiber)

    def finish(self, fiber: Fiber) -> None:
        """Leave for good and hand the baton on."""
        with self._mutex:
            fiber.is_over = True
            self.fibers.remove(fiber)
            following = self._next() if self._failure is None and self.current is fiber else None
        if following is not None:
            following.baton.release()

    def here(self) -> Fiber:
        """Return the fiber of the calling thread.

        Raises
        ------
        VirtualClockError
            If it takes no part.
        """
        fiber: Fiber | None = getattr(self._here, "fiber", None)
        if fiber is None or fiber.is_over:
            name = threading.current_thread().name
            raise VirtualClockError(
                f"thread {name!r} cannot wait in simulated time, since it was not started by a node or an executor "
                "inside the block; use a parallel node, or record with the real clock"
            )
        return fiber

    def takes_part(self) -> bool:
        """Return whether the calling thread is on the schedule."""
        fiber = getattr(self._here, "fiber", None)
        return fiber is not None and not fiber.is_over

    # -- waiting ------------------------------------------------------------------------------------------------

    def park(self, until_ns: int | None = None, waits_for: str = "", *, is_notifiable: bool = False) -> bool:
        """Wait until `until_ns` [ns], or for `wake`, while others run; return whether it was woken."""
        fiber = self.here()
        with self._mutex:
            self.check(fiber)
            if is_notifiable and fiber.is_notified:
                fiber.is_notified = False
                return True
            fiber.ticket += 1
            fiber.is_parked, fiber.waits_for = True, waits_for
            if until_ns is not None:
                self._push(max(until_ns, self.now_ns), fiber, False)
            following = self._next()
        if following is not fiber:
            self._hand_over(fiber, following)
        fiber.is_notified = False
        self.check(fiber)
        return fiber.was_woken

    def _hand_over(self, fiber: Fiber, following: Fiber | None) -> None:
        if following is not None:
            following.baton.release()
        else:
            self._watch.start()  # nobody can go on: perhaps a thread that takes no part will wake somebody
        try:
            fiber.baton.acquire()
        except BaseException:  # an interrupt: nobody else may go on
            self._take_over(fiber)
            raise

    def _take_over(self, fiber: Fiber) -> None:
        with self._mutex:
            self._failure = Stopped("interrupted")
            self.current = fiber
            fiber.is_parked = False

    def check(self, fiber: Fiber) -> None:
        """Raise what ends a fiber, if anything does."""
        if fiber.killer is not None:
            raise fiber.killer
        if self._failure is not None:
            raise self._failure if fiber is self.root else Stopped("the schedule has ended")

    def wake(self, fiber: Fiber) -> None:
        """Let a waiting fiber go on at this instant, after those that are due already; from any thread."""
        with self._mutex:
            if not fiber.is_parked:
                fiber.is_notified = True
                return
            self._push(self.now_ns, fiber, True)
            following = self._next() if self.current is None else None
        if following is not None:
            following.baton.release()

    def yield_turn(self) -> None:
        """Let those that are due at this instant go first."""
        self.park(self.now_ns)

    def others_are_due(self) -> bool:
        """Return whether anybody else could run at this instant."""
        return bool(self._heap) and self._heap[0][0] <= self.now_ns

    def next_event_ns(self) -> int | None:
        """Return when the next event is due at the earliest [ns]; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def _push(self, when_ns: int, fiber: Fiber, woken: bool) -> None:
        tie = self.random.random() if self._has_ties_by_chance else 0.0
        heappush(self._heap, (when_ns, tie, next(self._serial), fiber.ticket, fiber, woken))

    def _next(self) -> Fiber | None:
        """Take the next fiber off the schedule and move the time to its turn."""
        while self._heap:
            when_ns, _, _, ticket, fiber, woken = heappop(self._heap)
            if ticket != fiber.ticket or not fiber.is_parked:
                continue  # it has been woken before
            self.now_ns = max(self.now_ns, when_ns)
            fiber.is_parked, fiber.was_woken = False, woken
            self.current = fiber
            self.switches += 1
            return fiber
        self.current = None
        return None

    # -- ending -------------------------------------------------------------------------------------------------

    def kill(self, fiber: Fiber) -> None:
        """End a fiber at this instant: where it waits, `Stopped` is raised."""
        fiber.killer = Stopped("killed")
        self.wake(fiber)

    def fail(self, error: VirtualClockError) -> bool:
        """Give everything up; the first thread raises `error`. Return False if that one is not waiting."""
        with self._mutex:
            root = self.root
            if self._failure is not None or root is None or not root.is_parked:
                return False
            self._failure = error
            root.is_parked = False
            self.current = root
            root.baton.release()
            return True

    def close(self) -> None:
        """End all fibers but the first, one after the other; called by the first."""
        self._watch.stop()
        with self._mutex:
            self._failure = Stopped("the block has ended")
        for fiber in [each for each in self.fibers if each is not self.root]:
            with self._mutex:
                was_parked, fiber.is_parked = fiber.is_parked, False
            if was_parked and fiber.thread is not None:
                fiber.baton.release()
                fiber.thread.join(self._watch.patience_s)
        if self.root is not None:
            self.root.is_over = True
        self.root = self.current = None
        self.fibers = []
