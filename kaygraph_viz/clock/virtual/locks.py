"""Locks of user code: what `threading` and `queue` wait with, in simulated time.

Belongs here: the lock and the reentrant lock that user code gets inside a block, and the wait of a condition, on which
events, semaphores, barriers and queues are built. Does not belong here: which code gets them (``patches``), and what
the package itself waits with (``threads``).

Each of these locks has a real one inside, whose holder holds the lock. Simulated threads do not block on it: they wait
in a queue in simulated time until it is free. All other threads, and all threads after the block, block on it. So a
lock that outlives its block still works.
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections import deque
from contextlib import suppress
from types import FrameType
from typing import Any

from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.clock.virtual.scheduler import Hold, Scheduler
from kaygraph_viz.clock.virtual.threads import here

__all__ = ["Lock", "RLock", "Waiter", "wait"]

PRIMITIVES = ("threading", "queue")


class Waiter:
    """One wait of one simulated thread, which any thread may end."""

    def __init__(self, scheduler: Scheduler, waits_for: object) -> None:
        self._scheduler = scheduler
        self._waits_for = waits_for
        self._fiber = scheduler.here()
        self.is_released = False

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended, with its block or before."""
        return self._fiber.is_over

    def until_ns(self, timeout_s: float | None) -> int | None:
        """Return when a time limit that begins now is over [ns]."""
        return None if timeout_s is None else self._scheduler.now_ns + round(timeout_s * 1e9)

    def wait_until(self, until_ns: int | None) -> bool:
        """Wait to be released, at most until then [ns]; return whether it was."""
        while not self.is_released:  # the event loop of the thread may have been notified instead
            if not self._scheduler.park(until_ns, self._waits_for, is_notifiable=True, is_last=True, kind="blocked"):
                break
        return self.is_released

    def release(self) -> None:
        """End the wait; a second time is a `RuntimeError`."""
        if self.is_released:
            raise RuntimeError("release unlocked lock")
        self.is_released = True
        self._scheduler.notify(self._fiber)


class Lock:
    """As `threading.Lock`, for simulated threads as for all others."""

    is_simulated = True  # told by ``threads`` and ``patches`` from a real lock

    def __init__(self, real: Any = None) -> None:
        self._real: Any = _thread.allocate_lock() if real is None else real
        self._queue: deque[Waiter] = deque()
        self._promised: Waiter | None = None  # whom `release` has woken to take it
        self._holder: int | None = None  # the thread that took it by `acquire`
        self._hold = Hold()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire the lock; return whether it was acquired."""
        threads = here()
        if threads is None or (timeout != -1 and (not blocking or timeout < 0)):  # invalid: the real one raises
            is_taken = self._real.acquire(blocking, timeout)
        else:
            limit_s = None if timeout == -1 else timeout
            is_taken = self._take() or (blocking and self._wait(threads.scheduler, limit_s))
        if is_taken:
            self._holder = threading.get_ident()
            self._hold.take(None if threads is None else threads.scheduler.mine())
        return bool(is_taken)

    def _take(self) -> bool:
        """Acquire it if it is free and not promised to a waiting thread; return whether it was acquired."""
        return not self._is_promised() and self._real.acquire(False)

    def _is_promised(self) -> bool:
        return self._promised is not None and not self._promised.is_over

    def _wait(self, scheduler: Scheduler, timeout_s: float | None) -> bool:
        """Wait in the queue until woken to take it; if a thread that is not simulated was faster, wait as the first."""
        enqueue, until_ns = self._queue.append, None
        while True:
            waiter = Waiter(scheduler, self._hold)
            until_ns = waiter.until_ns(timeout_s) if until_ns is None else until_ns
            enqueue(waiter)
            try:
                if self._take():  # released before the waiter was in the queue
                    return True
                if self._holder is None and not self._is_promised():  # held directly: no `release` would wake it
                    return bool(self._real.acquire(True, -1 if timeout_s is None else timeout_s))
                if not waiter.wait_until(until_ns):
                    return False
            except BaseException:
                if waiter.is_released:
                    self._wake_next()
                raise
            finally:
                if waiter in self._queue:
                    self._queue.remove(waiter)
            self._promised = None
            if self._real.acquire(False):
                return True
            enqueue = self._queue.appendleft

    def _wake_next(self) -> None:
        try:
            self._promised = self._queue.popleft()
        except IndexError:
            self._promised = None
        else:
            self._promised.release()

    def release(self) -> None:
        """Release the lock and wake the thread that has waited longest."""
        self._holder = self._hold.holder = None
        self._real.release()
        self._wake_next()

    def locked(self) -> bool:
        """Return whether a thread holds it, or has been woken to take it."""
        is_held = self._holder is not None or self._is_promised()
        return is_held or (hasattr(self._real, "locked") and self._real.locked())

    def is_mine(self) -> bool:
        """Return whether the calling thread holds it."""
        return self._holder == threading.get_ident()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: object, *exc_info: object) -> None:
        if kind is not Stopped or self.is_mine():  # else it was ended in the wait of a condition
            self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} lock of simulated time at {id(self):#x}>"

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")

    def _at_fork_reinit(self) -> None:
        self._real._at_fork_reinit()
        self._queue.clear()
        self._promised = self._holder = self._hold.holder = None


class RLock(threading._RLock):  # type: ignore[misc]  # the one written in Python: the other cannot be inherited from
    """As `threading.RLock`, for simulated threads as for all others."""

    is_simulated = True

    def __init__(self, real: Any = None) -> None:
        super().__init__()
        self._block = Lock(real)

    def __exit__(self, kind: object, *exc_info: object) -> None:
        if kind is not Stopped or self._block.is_mine():
            self.release()

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.RLock' object")


def wait(condition: Any, scheduler: Scheduler, timeout_s: float | None) -> bool:
    """Wait in simulated time as `threading.Condition.wait` does; any thread may notify."""
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    name: str = "Condition.wait"
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in PRIMITIVES:
        name, frame = frame.f_code.co_qualname, frame.f_back  # what user code has called, such as ``Queue.get``
    waiter = Waiter(scheduler, f"{name}()")
    until_ns = waiter.until_ns(timeout_s)
    condition._waiters.append(waiter)
    state = condition._release_save()
    try:
        return (timeout_s is None or timeout_s > 0) and waiter.wait_until(until_ns)
    finally:
        try:
            condition._acquire_restore(state)
        finally:
            if not waiter.is_released:
                with suppress(ValueError):
                    condition._waiters.remove(waiter)
