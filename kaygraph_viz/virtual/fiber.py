"""One thread that takes part in simulated time.

Belongs here: what is known about it. Does not belong here: when it runs (``scheduler``).
"""

from __future__ import annotations

import threading

__all__ = ["Fiber", "Stopped"]


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
    """

    def __init__(self, name: str, interpreter: object) -> None:
        self.name = name
        self.interpreter = interpreter
        self.thread: threading.Thread | None = None
        self.cpu_ns = 0
        self.waits_for = ""
        self.is_over = self.is_parked = self.is_notified = self.was_woken = False
        self.ticket = 0
        self.killer: BaseException | None = None
        self.baton = threading.Lock()
        self.baton.acquire()
