"""A look from outside, in real time: whether a thread is stuck in something that the schedule cannot see.

Belongs here: noticing it and saying where. Does not belong here: the schedule itself (``scheduler``), and what can be
refused at once (``guards``).
"""

from __future__ import annotations

import sys
import sysconfig
import threading
import time
import warnings
from pathlib import Path
from types import FrameType
from typing import Protocol

from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.virtual.fiber import Fiber

__all__ = ["Watch", "is_user_code", "place_of"]

LOOKS = 8  # within the patience
NO_CPU_S = 0.001  # a thread that used less was not merely slow
_OUTSIDE = (str(Path(__file__).resolve().parents[1]), sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))


class Schedule(Protocol):
    """What is looked at."""

    switches: int
    current: Fiber | None
    fibers: list[Fiber]

    def fail(self, error: VirtualClockError) -> bool:
        """Give everything up; return whether somebody was there to be told."""


class Watch:
    """Looks from time to time whether anything moves.

    Parameters
    ----------
    scheduler
        What is watched.
    patience_s
        How long nothing may move [s of real time].
    """

    def __init__(self, scheduler: Schedule, patience_s: float) -> None:
        self.patience_s = patience_s
        self._scheduler = scheduler
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, unless it does already."""
        if self._thread is None:
            self._is_over = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._is_over,), name="virtual clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        if self._thread is not None:
            self._is_over.set()
            self._thread.join()
            self._thread = None

    def _run(self, is_over: threading.Event) -> None:
        scheduler = self._scheduler
        seen, since, cpu_s = self._state(), time.monotonic(), 0.0
        while not is_over.wait(self.patience_s / LOOKS):
            if (now := self._state()) != seen:
                seen, since, cpu_s = now, time.monotonic(), _cpu_s(scheduler.current)
            elif time.monotonic() - since >= self.patience_s:
                current = scheduler.current
                if (current is None or _cpu_s(current) - cpu_s < NO_CPU_S) and self._state() == seen:
                    self._report(current)
                since, cpu_s = time.monotonic(), _cpu_s(current)

    def _state(self) -> tuple[int, Fiber | None]:
        return self._scheduler.switches, self._scheduler.current

    def _report(self, stuck: Fiber | None) -> None:
        others = [fiber for fiber in list(self._scheduler.fibers) if fiber is not stuck]
        if stuck is None:
            waiting = "; ".join(f"{place_of(fiber)} waits for {fiber.waits_for or 'its turn'}" for fiber in others[:8])
            self._scheduler.fail(VirtualClockError(f"in simulated time nothing can happen any more: {waiting}"))
            return
        what = (
            f"{place_of(stuck)} is stuck in something that simulated time cannot see, such as a lock, a queue or a "
            "socket; use kv.Lock, kv.sleep and the services in-process, or record with the real clock"
        )
        if not self._scheduler.fail(VirtualClockError(what)) and others:
            warnings.warn(what, stacklevel=1)


def _cpu_s(fiber: Fiber | None) -> float:
    """Return the CPU time that the thread of a fiber has used [s]; that of the process where threads have no clock."""
    thread = fiber.thread if fiber is not None else None
    try:
        assert thread is not None
        assert thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    except (AssertionError, AttributeError, OSError):
        return time.process_time()


def place_of(fiber: Fiber) -> str:
    """Return what a fiber is doing: its branch, and the line of the user's code that it has reached."""
    thread = fiber.thread
    frame = sys._current_frames().get(thread.ident) if thread is not None and thread.ident is not None else None
    branch, line = "", ""
    while frame is not None:
        if not line and is_user_code(frame.f_code.co_filename):
            line = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}"
        branch = branch or _branch_of(frame)
        frame = frame.f_back
    found = ", ".join(part for part in (branch, line) if part)
    return f"{fiber.name} ({found})" if found else fiber.name


def _branch_of(frame: FrameType) -> str:
    """Return the branch that a frame runs: whatever runs one has it as ``index``, and ``where`` says what it is called.

    A guess for a message, which may fail: the frame goes on meanwhile.
    """
    try:
        found = frame.f_locals
        where = found.get("where") or getattr(found.get("self"), "where", None)
        return str(where(found["index"])) if callable(where) and type(found.get("index")) is int else ""
    except Exception:
        return ""


def is_user_code(file: str) -> bool:
    """Return whether a file is neither ours nor that of a library."""
    return not file.startswith(("<frozen", *_OUTSIDE))
