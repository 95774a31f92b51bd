"""One thread of the simulation.

Belongs here: its state, and ending a real thread from outside. Does not belong here: when it runs (``scheduler``).
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from opcode import opmap
from time import monotonic, sleep  # bound before a block replaces them: they stay real

from kaygraph_viz.base.parts import PartLog
from kaygraph_viz.clock.virtual.carriers import carrier

__all__ = ["KEY", "Fiber", "Stopped", "end_within", "is_running", "is_simulated", "join_at_most"]

KEY = "_kaygraph_viz"  # the attribute of a real thread that holds its `VirtualThread`
STEP_S = 0.01
STEPS = 100  # loop turns, more than Python needs to raise a pending exception
LOAD_SPECIAL = opmap.get("LOAD_SPECIAL") if sys.version_info[:2] == (3, 14) else None
_is_alive = threading.Thread.is_alive


class Stopped(BaseException):
    """Raised in a thread that has to end, where it waits; a `BaseException`, so that user code does not swallow it."""


class Fiber:
    """The scheduling state of one thread of the simulation."""

    def __init__(self, name: str, interpreter: object, parent: Fiber | None = None) -> None:
        self.name = name
        self.interpreter = interpreter
        self.parent = parent
        self.thread: threading.Thread | None = None
        self.on_end: Callable[[], object] = int  # called when it ends, before another fiber goes on
        self.cpu_ns = 0
        self.log = PartLog()  # that of the thread, or of the task that its event loop runs at the moment
        self.waits_for: object = ""  # a name, or a `Hold`
        self.ticket = 0  # number of its current wait: events with an older one are void
        self.stops = 0  # how often `Stopped` was raised in it
        self.is_over = self.is_parked = False
        self.is_away = False  # it waits, and its thread runs a real event loop meanwhile
        self.is_notifiable = self.is_notified = False  # whether `notify` ends its wait; whether it came too early
        self.is_chosen = self.was_woken = False  # was taken out of a queue; its last wait was ended by another thread
        self.stop_error: BaseException | None = None  # what it raises when it goes on
        self.carrier = carrier()
        self.turn = self.carrier.turn()  # released when it may run

    def is_within(self, other: Fiber) -> bool:
        """Return whether it is `other` or a descendant of it."""
        fiber: Fiber | None = self
        while fiber is not None and fiber is not other:
            fiber = fiber.parent
        return fiber is other


def is_simulated(thread: threading.Thread) -> bool:
    """Return whether a thread belongs, or belonged, to a simulation."""
    return KEY in vars(thread)


def is_running(fiber: Fiber) -> bool:
    """Return whether the thread of a fiber is alive and its fiber has not ended."""
    return fiber.thread is not None and not fiber.is_over and _is_alive(fiber.thread)


def end_within(fiber: Fiber, seconds: float) -> None:
    """Raise `Stopped` in the thread of a fiber from outside."""
    thread, until, stopped = fiber.thread, monotonic() + seconds, ctypes.py_object(Stopped)
    if thread is None or thread.ident is None or not fiber.carrier.is_watched:
        return
    _raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    its_ident, own_ident = ctypes.c_ulong(thread.ident), ctypes.c_ulong(threading.get_ident())

    def is_entering() -> bool:
        """Return whether it enters a ``with`` block, as it does for a lock, which would stay taken."""
        frames = fiber.carrier.frames_of(thread, fiber.turn)  # innermost first
        has_frame = LOAD_SPECIAL is not None and bool(frames)
        return has_frame and frames[0].f_code.co_code[frames[0].f_lasti - 2] == LOAD_SPECIAL

    while is_entering() and not fiber.is_over and monotonic() < until:
        sleep(STEP_S)
    _raise_in(its_ident, stopped)
    while not fiber.is_over and monotonic() < until:
        sleep(STEP_S)
    try:
        _raise_in(its_ident, None)
        _raise_in(own_ident, stopped)
        for _ in range(STEPS):
            pass
    except Stopped:
        pass


def join_at_most(fiber: Fiber, seconds: float) -> None:
    """Wait until a fiber has ended, in simulated or in real time, but no longer than `seconds` [s of real time]."""
    if fiber.thread is not None and is_running(fiber):
        fiber.carrier.join(fiber.thread, seconds)
