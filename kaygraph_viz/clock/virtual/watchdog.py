"""The watchdog: a thread in real time that reports what is stuck in a wait that the schedule cannot see.

Belongs here: whether a real thread waits, by what the operating system reports of it, and the message. Does not belong
here: the schedule itself (``scheduler``), the line that a thread is in (``code_places``), and what can be refused at
once (``clock``).

A thread that waits for a lock, a queue or a socket sleeps and uses no CPU. A thread that waits for a core is ready to
run, one that reads a file waits for the disk, and one that waits for native threads, or for the GIL, is in a process
that computes: none of them is idle. Linux reports all of that; other systems only the CPU time of the process.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kaygraph_viz.base.errors import RealWaitError, VirtualClockError, warn
from kaygraph_viz.clock.virtual.code_places import is_in_branch, named_place_of
from kaygraph_viz.clock.virtual.fiber import Fiber

__all__ = ["Idleness", "Watchdog"]

NO_CPU = 0.001  # share of the time: a thread that used less was not merely slow
LITTLE_CPU = 0.2  # share of one core: a process that uses less computes nothing that the thread could wait for
_THREADS = Path("/proc/self/task")
_now_s, _process_cpu_s = time.monotonic, time.process_time
_own_cpu_s = getattr(time, "thread_time", time.process_time)  # a browser tab has no clock of threads, and no watchdog
_BUSY = (b"R", b"D", b"T", b"t")  # running or ready, waiting for a disk, stopped
CHECKS = 8  # within the patience
IDLE_CHECKS = 6  # in a row after the first one: with one to spare, that is within the patience
SLOWER = 10  # times the patience until a thread counts as stuck whose state the system does not report
LONG = 100  # times the patience until a warning says that time stands still


class Idleness:
    """Samples of the thread of a fiber, taken since it was first found where it is now."""

    def __init__(self, fiber: Fiber | None) -> None:
        self._has_none = fiber is None
        self._native_id = getattr(fiber.thread, "native_id", None) if fiber is not None else None
        self.idle_samples = 0  # the last ones in a row in which the thread and its whole process were idle
        self._samples = 0
        self._cpu_s = self._cpu_at_window_s = self._cpu()
        self._others_s, self._seen_s = self._others(), _now_s()

    def sample(self) -> None:
        """Read clocks and states once."""
        cpu_s, others_s, now_s = self._cpu(), self._others(), _now_s()
        is_idle = cpu_s == self._cpu_s and others_s - self._others_s < LITTLE_CPU * (now_s - self._seen_s)
        self.idle_samples = self.idle_samples + 1 if is_idle and self._all_sleep() else 0
        self._cpu_s, self._others_s, self._seen_s = cpu_s, others_s, now_s
        self._samples += 1

    def has_used_none(self, samples: int, seconds: float) -> bool:
        """Return whether the thread used no CPU in the last `samples`, which take `seconds` [s]; call it after each."""
        if self._samples == 0 or self._samples % samples:
            return False
        if self._has_none:
            return True
        used_s, self._cpu_at_window_s = self._cpu_s - self._cpu_at_window_s, self._cpu_s
        return used_s < NO_CPU * seconds

    def _cpu(self) -> float:
        """Return the CPU time of the thread [s]; other systems than Linux tell only that of all other threads."""
        if self._native_id is not None and sys.platform == "linux":
            with suppress(OSError):  # it has just ended
                return time.clock_gettime((~self._native_id << 3) | 6)  # as Linux numbers the clocks of threads
        return _process_cpu_s() - _own_cpu_s()

    def _others(self) -> float:
        """Return the CPU time of all threads but the calling one [s]."""
        return _process_cpu_s() - _own_cpu_s()

    def _all_sleep(self) -> bool:
        """Return whether all threads but the calling one sleep; False where the system does not report it."""
        if self._native_id is None:
            return False
        try:
            if _state(self._native_id) != b"S":
                return False
            own = str(threading.get_native_id())
            return all(_state(each.name) not in _BUSY for each in _THREADS.iterdir() if each.name != own)
        except OSError:  # not Linux, or a thread has just ended
            return False


def _state(native_id: int | str) -> bytes:
    """Return the letter by which Linux reports the state of a thread of this process."""
    return (_THREADS / str(native_id) / "stat").read_bytes().rpartition(b") ")[2][:1]


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
