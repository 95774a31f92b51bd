"""What carries the fibers of a schedule: a real thread for each, or all of them in the one thread that there is.

Belongs here: the interface, real threads, and which one is in use. Does not belong here: who has the turn
(``scheduler``), and how one thread carries many fibers (``one_thread``, ``promises``).
"""

from __future__ import annotations

import gc
import sys
import threading
from _thread import allocate_lock
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from types import FrameType
from typing import Any, Protocol

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.machine import has_threads
from kaygraph_viz.virtual.stacks import stack_of

__all__ = ["RealThreads", "Turn", "carried_by", "carrier"]

STEP_S = 0.01
_join, _is_alive = threading.Thread.join, threading.Thread.is_alive


class Turn(Protocol):
    """What a fiber waits for: a lock that another fiber releases when this one may go on."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait for the turn and take it; return whether it was taken."""

    def release(self) -> None:
        """Give the turn."""


class Carrier(Protocol):
    """Runs fibers, of which one at a time goes on."""

    is_watched: bool
    """Whether a watchdog can run beside the fibers."""

    def turn(self) -> Turn:
        """Return the turn of a new fiber, which does not have it."""

    def start(self, thread: threading.Thread) -> None:
        """Start what a thread runs, as a fiber."""

    def join(self, thread: threading.Thread, seconds: float) -> None:
        """Wait until a thread has ended, no longer than `seconds` [s of real time]."""

    def frames_of(self, thread: threading.Thread, turn: Any) -> list[FrameType]:
        """Return the frames of a fiber, innermost first, by its thread and its turn."""

    def block(self) -> AbstractContextManager[None]:
        """Return the block in which fibers are carried."""


class RealThreads:
    """Each fiber is a real thread that blocks on a real lock until it has the turn."""

    is_watched = True

    def turn(self) -> Turn:
        """Return the turn of a new fiber, which does not have it."""
        turn = allocate_lock()
        turn.acquire()
        return turn

    def start(self, thread: threading.Thread) -> None:
        """Start a thread."""
        thread.start()

    def join(self, thread: threading.Thread, seconds: float) -> None:
        """Wait until a thread has ended, no longer than `seconds` [s of real time]."""
        until = monotonic() + seconds
        while _is_alive(thread) and monotonic() < until:
            _join(thread, STEP_S)

    def frames_of(self, thread: threading.Thread, turn: Any) -> list[FrameType]:
        """Return the frames of a fiber, innermost first."""
        is_collecting = gc.isenabled()
        gc.disable()  # in Python 3.11 a collection just then can hang (python/cpython#106883)
        try:
            frame = None if thread.ident is None else sys._current_frames().get(thread.ident)
        finally:
            if is_collecting:
                gc.enable()
        return stack_of(frame)

    def block(self) -> AbstractContextManager[None]:
        """Return the block in which fibers are carried: there is nothing to prepare."""
        return nullcontext()


_in_use: list[Carrier] = []


def carrier() -> Carrier:
    """Return what carries fibers here: real threads where there are threads."""
    if not _in_use:
        if has_threads():
            _in_use.append(RealThreads())
        else:
            from kaygraph_viz.virtual.promises import Promises  # there is nothing to import it for elsewhere

            _in_use.append(Promises())
    return _in_use[-1]


@contextmanager
def carried_by(other: Carrier) -> Iterator[None]:
    """Carry fibers in another way in the schedules that begin inside the block."""
    _in_use.append(other)
    try:
        yield
    finally:
        _in_use.remove(other)
