"""One thread that takes part in simulated time.

Belongs here: what is known about it. Does not belong here: when it runs (``scheduler``).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from time import monotonic, sleep  # the real ones: user code meets another sleep in a block

from kaygraph_viz.parts import PartLog

__all__ = ["Fiber", "FiberThread", "Stopped"]

STEP_S = 0.01
STEPS = 100  # more than Python takes to notice an interrupt
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
        self.thread: threading.Thread | None = None  # a `FiberThread`, but for the first fiber
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


class FiberThread(threading.Thread):
    """The real thread of a fiber; it counts as ended once its last turn is over, whatever the machine says."""

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self.fiber: Fiber | None = None

    def end_within(self, seconds: float) -> None:
        """Raise `Stopped` in it as soon as it takes a step of Python code, and wait at most `seconds` for its end.

        What has not noticed by then is let be: it ends where it next waits in simulated time. As long as an interrupt
        is pending in any thread, Python 3.11 lets no function begin that is traced or profiled, in no thread, and goes
        on doing so until one was noticed: so no function that is written in Python is called here, and the caller
        notices an interrupt at the end.
        """
        fiber, until, stopped = self.fiber, monotonic() + seconds, ctypes.py_object(Stopped)
        if fiber is None or self.ident is None:
            return
        its_ident, own_ident = ctypes.c_ulong(self.ident), ctypes.c_ulong(threading.get_ident())
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

    def join_at_most(self, seconds: float) -> None:
        """Wait until it has ended, in simulated or in real time, but no longer than `seconds` [s of real time]."""
        until = monotonic() + seconds
        while self.is_alive() and monotonic() < until:
            self.join(STEP_S)

    def is_alive(self) -> bool:
        """Return whether it has begun and not ended, in simulated time."""
        return super().is_alive() and not (self.fiber is not None and self.fiber.is_over)
