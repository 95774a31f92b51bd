"""The watchdog: a thread in real time that reports what is stuck in a wait that the schedule cannot see.

Belongs here: detecting it, and the message. Does not belong here: the schedule itself (``scheduler``), the line that a
thread is in (``places``), and what can be refused at once (``guards``).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Protocol

from kaygraph_viz.errors import RealWaitError, VirtualClockError, warn
from kaygraph_viz.virtual.fiber import Fiber
from kaygraph_viz.virtual.idleness import Idleness
from kaygraph_viz.virtual.places import is_in_branch, named_place_of

__all__ = ["Watchdog"]

CHECKS = 8  # within the patience
IDLE_CHECKS = 6  # in a row after the first one: with one to spare, that is within the patience
SLOWER = 10  # times the patience until a thread counts as stuck whose state the system does not report
LONG = 100  # times the patience until a warning says that time stands still


class Schedule(Protocol):
    """What the watchdog needs of a scheduler."""

    now_ns: int
    switches: int
    root: Fiber | None
    current: Fiber | None
    fibers: dict[Fiber, None]

    def is_innermost(self) -> bool:
        """Return whether no other schedule runs inside this one."""

    def fail(self, error: VirtualClockError) -> bool:
        """End the schedule with an error; return whether the main program was waiting and raises it."""

    def interrupt(self, error: VirtualClockError) -> bool:
        """Interrupt the main program, whose block then raises `error`; return False if that is not possible."""

    def stalemate(self) -> VirtualClockError:
        """Return the error for a deadlock."""


class Watchdog:
    """Checks at regular intervals whether the schedule moves."""

    def __init__(self, scheduler: Schedule, patience_s: float) -> None:
        self.patience_s = patience_s
        self._scheduler = scheduler
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._state: tuple[int, Fiber | None] | None = None
        self._idleness = Idleness(None)
        self._instant_ns, self._checks_at_instant, self._is_told = -1, 0, False

    def start(self) -> None:
        """Start the thread of the watchdog, unless it runs already."""
        if self._thread is None:
            self._is_over = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._is_over,), name="virtual clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread of the watchdog."""
        if self._thread is not None:
            self._is_over.set()
            with suppress(RuntimeError):  # an interrupt came before it had begun: then it ends as it begins
                self._thread.join()
            self._thread = None

    def is_run_by(self, thread: threading.Thread) -> bool:
        """Return whether a thread is that of the watchdog."""
        return thread is self._thread

    def _run(self, is_over: threading.Event) -> None:
        while not is_over.wait(self.patience_s / CHECKS):
            self._check()

    def _check(self) -> None:
        """Check once, and report a fiber that has been stuck for long enough."""
        scheduler = self._scheduler
        current, now_ns = scheduler.current, scheduler.now_ns
        state = scheduler.switches, current
        self._checks_at_instant = self._checks_at_instant + 1 if now_ns == self._instant_ns else 0
        self._instant_ns = now_ns
        others = current is not scheduler.root or len(scheduler.fibers) > 1
        if self._checks_at_instant == LONG * CHECKS and current is not None and others:
            warn(
                f"simulated time has not advanced for {LONG * self.patience_s:g} s, while {named_place_of(current)} "
                "computed or polled: is it an endless loop? Only kv.sleep and kv.compute advance the simulated time",
                stacklevel=1,
            )
        if state != self._state:
            self._state, self._idleness, self._is_told = state, Idleness(current), False
            return
        self._idleness.sample()
        is_stuck = self._idleness.has_used_none(SLOWER * CHECKS, SLOWER * self.patience_s)
        if not is_stuck and current is not None and self._idleness.idle_samples >= IDLE_CHECKS:
            self._idleness.idle_samples = 0
            is_stuck = current is not scheduler.root or is_in_branch(current)  # it waits for something real
        if is_stuck and scheduler.is_innermost() and state == (scheduler.switches, scheduler.current):
            self._report(current, is_first=not self._is_told)
            self._is_told = True

    def _report(self, stuck: Fiber | None, *, is_first: bool) -> None:
        if stuck is None:
            self._scheduler.fail(self._scheduler.stalemate())
            return
        what = (
            f"{named_place_of(stuck)} waits in real time, which the virtual clock cannot control, for example "
            "for a lock, a queue or a socket; create locks and queues inside the block or use kv.Lock; use kv.sleep "
            "and the services in-process, or record with the real clock"
        )
        if self._scheduler.fail(RealWaitError(what)):
            return
        if is_in_branch(stuck) and self._scheduler.interrupt(RealWaitError(what)):
            return
        if is_first and len(self._scheduler.fibers) > 1:
            warn(what, stacklevel=1)
