"""Threads, locks and event loops of the clock in force: real ones, or ones that wait in simulated time.

Belongs here: the functions by which the rest of the package gets something to wait with. Does not belong here: the
kinds of threads (``base.threads``, ``clock.virtual``).

>>> from kaygraph_viz.clock.sync import threads
>>> news = threads().Event()
>>> news.set()
>>> news.wait()
True
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from kaygraph_viz.base.parts import noted
from kaygraph_viz.base.thread_protocols import Lock as AnyLock, Threads
from kaygraph_viz.base.threads import InnerMethod, Lock as RealLock
from kaygraph_viz.clock.clock import current_clock

T = TypeVar("T")

_moving = RealLock()


def threads() -> Threads:
    """Return the threads of the clock in force, and what they wait with."""
    return current_clock().threads


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose time is that of the clock in force."""
    return current_clock().new_event_loop()


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does, in a loop whose time is that of the clock in force."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


class Lock:
    """A lock for branches that share something: like `threading.Lock`, and under a virtual clock in simulated time.

    A lock from `threading` waits in simulated time, too, if it is made inside the block; this one may be made anywhere.

    Examples
    --------
    >>> lock = Lock()
    >>> with lock:
    ...     lock.locked()
    True
    """

    def __init__(self) -> None:
        self._threads = threads()
        self._lock = self._threads.Lock()

    def _mine(self) -> AnyLock:
        """Return the lock among the threads of the clock in force; it moves there while no thread holds it."""
        own = threads()
        if self._threads is not own:
            with _moving:
                if self._threads is not own and (self._threads.is_over or not self._lock.locked()):
                    self._lock = own.Lock()
                    self._threads = own  # last: a thread that sees it takes the lock without this check
        return self._lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait until no other thread holds the lock, and acquire it; return whether it was acquired.

        Parameters
        ----------
        blocking
            Whether to wait.
        timeout
            The longest wait [s]; -1 for no limit.
        """
        lock, taken = self._mine(), [False]
        try:
            taken += map(lock.acquire, (False,))  # taken and noted in one step: no interrupt can come in between
            if blocking and not taken[-1]:
                with noted("blocked", current_clock().now_ns):
                    for limit_s in self._threads.slices(timeout):
                        taken += map(lock.acquire, (True,), (limit_s,))
                        if taken[-1]:
                            break
            return taken[-1]
        except BaseException:
            if taken[-1]:
                lock.release()
            raise

    def release(self) -> None:
        """Release the lock; a thread that waits for it goes on."""
        self._mine().release()

    def locked(self) -> bool:
        """Return whether a thread holds it."""
        return self._mine().locked()

    def __enter__(self) -> bool:
        return self.acquire()

    @property
    def _inside(self) -> AnyLock:
        return self._mine()

    __exit__ = InnerMethod("_inside")

    def __reduce__(self) -> Any:
        raise TypeError("a lock cannot be sent to another process, where it would have no effect")
