"""Who computes when several want to: one at a time under a GIL, and no more at once than there are cores.

Belongs here: turns. Does not belong here: the schedule (``scheduler``).

Python gives the interpreter to another thread every 5 ms (``sys.getswitchinterval``); so do we, in the order in which
they came.
"""

from __future__ import annotations

from collections import deque

from kaygraph_viz.parts import PartKind
from kaygraph_viz.virtual.fiber import Fiber
from kaygraph_viz.virtual.scheduler import Scheduler

__all__ = ["Turns", "compute"]


class Turns:
    """So many places, given out in the order in which they are asked for.

    Parameters
    ----------
    scheduler
        Where to wait.
    places
        How many may have one at once; None for any number.
    waits_for, kind
        What this is called in messages, and what the wait for it is noted as.
    """

    def __init__(self, scheduler: Scheduler, places: int | None, waits_for: str, kind: PartKind) -> None:
        self._scheduler = scheduler
        self._free = places
        self._waits_for = waits_for
        self._kind = kind
        self._queue: deque[Fiber] = deque()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for a place."""
        return bool(self._queue)

    def take(self) -> None:
        """Wait for a place."""
        if self._free is None:
            return
        if self._free > 0:
            self._free -= 1
            return
        fiber = self._scheduler.here()
        fiber.is_chosen = False
        try:
            self._scheduler.park(None, self._waits_for, queue=self._queue, kind=self._kind)
        except BaseException:
            if fiber.is_chosen:
                self.leave()  # it had been given the place meanwhile
            elif fiber in self._queue:
                self._queue.remove(fiber)
            raise

    def leave(self) -> None:
        """Give the place to the next one."""
        if self._free is not None and self._scheduler.wake(self._queue, 1) is None:
            self._free += 1


def compute(scheduler: Scheduler, cores: Turns, seconds_ns: int, interval_ns: int) -> None:
    """Use CPU for `seconds_ns` [ns], in turns of `interval_ns` [ns] with others who want the same interpreter."""
    fiber, left = scheduler.here(), seconds_ns
    interpreter = fiber.interpreter
    assert isinstance(interpreter, Turns)
    while left > 0:
        interpreter.take()
        try:
            cores.take()
            begun = scheduler.now_ns
            try:
                part = min(left, _uncontested_ns(scheduler, interpreter.is_wanted or cores.is_wanted, interval_ns))
                scheduler.park(begun + part, "the end of its work", kind="cpu")
            finally:
                fiber.cpu_ns += scheduler.now_ns - begun  # less than planned if it was killed
                cores.leave()
        finally:
            interpreter.leave()
        left -= part


def _uncontested_ns(scheduler: Scheduler, is_wanted: bool, interval_ns: int) -> int:
    """Return how long nobody else can ask for a turn [ns], in whole intervals, at least one."""
    event_ns = scheduler.next_event_ns()
    if is_wanted or event_ns is None:
        return interval_ns if is_wanted else 1 << 62
    return max(1, -(-(event_ns - scheduler.now_ns) // interval_ns)) * interval_ns
