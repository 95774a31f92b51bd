"""One thread that takes part in simulated time.

Belongs here: what is known about it. Does not belong here: when it runs (``scheduler``).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from time import monotonic, sleep  # the real ones, as all that is got hold of here

from kaygraph_viz.parts import PartLog

__all__ = ["KEY", "Fiber", "Stopped", "end_within", "is_running", "join_at_most", "takes_part"]

KEY = "_kaygraph_viz"  # where a real thread has what it is on the schedule
STEP_S = 0.01
STEPS = 100  # more than Python takes to notice an interrupt
_join, _is_alive = threading.Thread.join, threading.Thread.is_alive
_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Stopped(BaseException):
    """Raised in a thread that is to end, wherever it waits; not an error of its program."""


class Fiber:
    """One thread that takes part.

    Parameters
    ----------
    name
        What it is called in messages.
    interpreter
        What its CPU work needs; see ``processors``.
    parent
        Who started it, or None.
    """

    def __init__(self, name: str, interpreter: object, parent: Fiber | None = None) -> None:
        self.name = name
        self.interpreter = interpreter
        self.parent = parent
        self.thread: threading.Thread | None = None
        self.on_end: Callable[[], object] = int  # called when it ends, before anybody else goes on
        self.cpu_ns = 0
        self.log = PartLog()  # what it did when, or what the coroutine did that it runs at the moment
        self.waits_for = ""
        self.ticket = 0  # counts its waits, so that what was to end an earlier one does not end a later one
        self.strikes = 0  # how often it was told that it is to end
        self.is_over = self.is_parked = False
        self.is_away = False  # its thread does something else while it waits
        self.is_notifiable = self.is_notified = False  # waits so that `notify` ends it; was notified while it did not
        self.is_chosen = self.was_woken = False  # was taken out of a queue; its last wait was ended by somebody
        self.killer: BaseException | None = None
        self.baton = threading.Lock()
        self.baton.acquire()

    def is_within(self, other: Fiber) -> bool:
        """Return whether it is `other`, or was started by it or by what that one started."""
        fiber: Fiber | None = self
        while fiber is not None and fiber is not other:
            fiber = fiber.parent
        return fiber is other


def takes_part(thread: threading.Thread) -> bool:
    """Return whether a thread is, or was, on a schedule."""
    return KEY in vars(thread)


def is_running(fiber: Fiber) -> bool:
    """Return whether a fiber has begun and not ended, in simulated time."""
    return fiber.thread is not None and not fiber.is_over and _is_alive(fiber.thread)


def end_within(fiber: Fiber, seconds: float) -> None:
    """Raise `Stopped` in a fiber as soon as it takes a step of Python code, and wait at most `seconds` for its end.

    What has not noticed by then is let be: it ends where it next waits in simulated time. As long as an interrupt
    is pending in any thread, Python 3.11 lets no function begin that is traced or profiled, in no thread, and goes
    on doing so until one was noticed: so no function that is written in Python is called here, and the caller
    notices an interrupt at the end.
    """
    thread, until, stopped = fiber.thread, monotonic() + seconds, ctypes.py_object(Stopped)
    if thread is None or thread.ident is None:
        return
    its_ident, own_ident = ctypes.c_ulong(thread.ident), ctypes.c_ulong(threading.get_ident())
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
    until = monotonic() + seconds
    while is_running(fiber) and fiber.thread is not None and monotonic() < until:
        _join(fiber.thread, STEP_S)
