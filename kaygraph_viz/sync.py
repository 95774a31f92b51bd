"""Threads, locks and event loops of the clock in force: real ones, or ones that wait in simulated time.

Belongs here: the one place where the rest of the package asks for something to wait with. Does not belong here: how
simulated time works (``virtual``).

>>> from kaygraph_viz.sync import threads
>>> news = threads().Event()
>>> news.set()
>>> news.wait()
True
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

from kaygraph_viz.clock import current_clock
from kaygraph_viz.parts import noted

__all__ = ["Lock", "is_virtual", "new_event_loop", "run_loop", "threads"]

T = TypeVar("T")

_moving = threading.Lock()

_REAL = SimpleNamespace(
    adopt=id,
    Condition=threading.Condition,
    Event=threading.Event,
    Lock=threading.Lock,
    SimpleQueue=queue.SimpleQueue,
    Thread=threading.Thread,
    Timer=threading.Timer,
    is_over=False,
)


def threads() -> Any:
    """Return what threads wait with: ``Condition Event Lock SimpleQueue Thread Timer``, as in `threading` and `queue`.

    Its function ``adopt(future)`` lets a future that has just been made be waited for in the same way.

    Ask for it where it is used, in the context of the call: a clock may be in force for a moment only.
    """
    return getattr(current_clock(), "threads", _REAL)


def is_virtual() -> bool:
    """Return whether simulated time is in force here."""
    return bool(getattr(current_clock(), "is_virtual", False))


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose time is that of the clock in force."""
    make = getattr(current_clock(), "new_event_loop", asyncio.new_event_loop)
    loop: asyncio.AbstractEventLoop = make()
    return loop


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Do as `asyncio.run` does, in a loop whose time is that of the clock in force."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


class Lock:
    """A lock for branches that share something: like `threading.Lock`, and under a virtual clock in simulated time.

    A lock from `threading` does, too, if it is made inside the block; this one may be made anywhere.

    Examples
    --------
    >>> lock = Lock()
    >>> with lock:
    ...     lock.locked()
    True
    """

    def __init__(self) -> None:
        self._world = threads()
        self._lock = self._world.Lock()

    def _mine(self) -> Any:
        """Return the lock of the world of the clock in force; it moves there while nobody holds it."""
        world = threads()
        if self._world is not world:
            with _moving:
                if self._world is not world and (self._world.is_over or not self._lock.locked()):
                    self._lock = world.Lock()
                    self._world = world  # last: whoever sees it takes the lock without looking again
        return self._lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait until nobody else holds the lock, and take it; return whether it was taken.

        Parameters
        ----------
        blocking
            Whether to wait at all.
        timeout
            The longest wait [s]; -1 for as long as it takes.
        """
        lock = self._mine()
        if lock.acquire(False):
            return True
        if not blocking:
            return False
        with noted("blocked", current_clock().now_ns):
            taken: bool = lock.acquire(True, timeout)
        return taken

    def release(self) -> None:
        """Let the next one have it."""
        self._mine().release()

    def locked(self) -> bool:
        """Return whether anybody holds it."""
        held: bool = self._mine().locked()
        return held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def __reduce__(self) -> Any:
        raise TypeError("a lock cannot be sent to another process, where it would keep nobody out")
