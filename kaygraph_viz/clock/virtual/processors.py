"""CPU time where several threads compute: one at a time under a GIL, and no more at once than there are cores.

Belongs here: slots of interpreters and cores. Does not belong here: the schedule (``scheduler``).

Python passes the GIL to another thread every 5 ms (``sys.getswitchinterval``); the simulation does so in the order of
the requests, and cores are shared in the same way.
"""

from __future__ import annotations

from collections import deque

from kaygraph_viz.base.parts import PartKind
from kaygraph_viz.clock.virtual.fiber import Fiber
from kaygraph_viz.clock.virtual.scheduler import Scheduler

__all__ = ["Slots", "compute"]


class Slots:
    """A number of slots, granted in the order of the requests: the interpreter of a process, or the cores."""

    def __init__(self, scheduler: Scheduler, slots: int | None, waits_for: str, kind: PartKind) -> None:
        self._scheduler = scheduler
        self._free = slots
        self._waits_for = waits_for
        self._kind = kind
        self._queue: deque[Fiber] = deque()

    @property
    def is_wanted(self) -> bool:
        """Whether a fiber waits for a slot."""
        return bool(self._queue)

    def take(self) -> None:
        """Wait for a slot and take it."""
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
                self.leave()  # the slot was granted before the wait was ended
            elif fiber in self._queue:
                self._queue.remove(fiber)
            raise

    def leave(self) -> None:
        """Grant the slot to the next fiber, or make it free."""
        if self._free is not None and self._scheduler.wake(self._queue, 1) is None:
            self._free += 1


def compute(scheduler: Scheduler, cores: Slots, duration_ns: int, interval_ns: int) -> None:
    """Use `duration_ns` of CPU [ns], in slices of `interval_ns` [ns] where other fibers request a slot."""
    fiber, left = scheduler.here(), duration_ns
    interpreter = fiber.interpreter
    assert isinstance(interpreter, Slots)
    while left > 0:
        interpreter.take()
        try:
            cores.take()
            begun = scheduler.now_ns
            try:
                part = min(left, _uncontested_ns(scheduler, interpreter.is_wanted or cores.is_wanted, interval_ns))
                scheduler.park(begun + part, "the end of its computing", kind="cpu")
            finally:
                fiber.cpu_ns += scheduler.now_ns - begun  # less than planned if the fiber was killed
                cores.leave()
        finally:
            interpreter.leave()
        left -= part


def _uncontested_ns(scheduler: Scheduler, is_wanted: bool, interval_ns: int) -> int:
    """Return for how long no other fiber can request a slot [ns], in whole intervals, at least one."""
    event_ns = scheduler.next_event_ns()
    if is_wanted or event_ns is None:
        return interval_ns if is_wanted else 1 << 62
    return max(1, -(-(event_ns - scheduler.now_ns) // interval_ns)) * interval_ns
