"""Real threads, and what they wait with: as `threading` has it, and safe against interrupts.

Belongs here: waits in which an interrupt is noticed whenever it comes, and which leave nothing locked. Does not belong
here: the interface (``thread_protocols``), and simulated time (``clock.virtual``).

Python raises KeyboardInterrupt in the main thread between two of its instructions. Two things follow. An interrupt that
comes just as a wait in the system begins is noticed only when that wait is over, so a wait is one of many short ones.
And whatever takes a lock in Python code may be interrupted between taking it and saying so, so blocks that hold a lock
enter and leave it by the methods of the lock itself, which are written in C: nothing comes between those and a block.
In Python 3.14 something does (python/cpython#148874), so that locks have an entrance of their own there.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from _thread import RLock as PlainRLock, allocate_lock
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import suppress
from functools import partial
from typing import Any

from kaygraph_viz.base.optional import SIMULATE, require_installed
from kaygraph_viz.base.thread_protocols import Lock as AnyLock, Threads

SLICE_S = 0.1  # how late an interrupt may be noticed
_now_s, _sleep = time.monotonic, time.sleep  # real ones, also while a block of simulated time replaces them


def slices(timeout_s: float | None = None) -> Iterator[float]:
    """Yield the time limits of the short waits of which one long wait is made [s]."""
    until_s = threading.TIMEOUT_MAX if timeout_s is None or timeout_s < 0 else _now_s() + timeout_s
    longest_s = threading.TIMEOUT_MAX if isinstance(threading.current_thread(), Thread | Timer) else SLICE_S
    while (left_s := until_s - _now_s()) > longest_s:
        yield longest_s
    yield max(0.0, left_s)


def sleep(seconds: float, /) -> None:
    """Sleep as `time.sleep` does."""
    if seconds <= SLICE_S:
        _sleep(seconds)
    else:
        for limit_s in slices(seconds):
            _sleep(limit_s)


class InnerMethod:
    """A method of an object that is one of the lock inside it: a ``with`` statement calls that without a detour."""

    def __init__(self, inner: str) -> None:
        self._inner = inner

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        return self if thing is None else getattr(getattr(thing, self._inner), self._name)

    def __call__(self, thing: Any, *arguments: object) -> Any:
        """Call the method of a thing, as its class does for an ``ExitStack``."""
        return self.__get__(thing)(*arguments)


class SteadyLock:
    """As `threading.Lock`, entered by a step of a loop: an interrupt may come after each call, but not after that."""

    __slots__ = ("_lock", "acquire", "locked", "release")

    def __init__(self) -> None:
        self._lock = lock = allocate_lock()
        self.acquire, self.release, self.locked = lock.acquire, lock.release, lock.locked

    def __enter__(self) -> bool:
        for _ in iter(self.acquire, False):
            break
        return True

    __exit__ = InnerMethod("_lock")


class SteadyRLock(PlainRLock):  # type: ignore[misc]  # not as final as it is said to be
    """As `threading.RLock`, entered in the same way."""

    def __enter__(self) -> bool:  # type: ignore[override]
        for _ in iter(self.acquire, False):
            break
        return True


_is_unsteady = sys.version_info[:2] == (3, 14)
Lock: Callable[[], AnyLock] = SteadyLock if _is_unsteady else threading.Lock
RLock: Callable[[], Any] = SteadyRLock if _is_unsteady else threading.RLock


class Event:
    """As `threading.Event`. It has no lock that an interrupt of a wait could leave locked."""

    def __init__(self) -> None:
        self._is_set = False
        self._turns: deque[Any] = deque()  # a lock for each thread that waits, released by `set`

    def is_set(self) -> bool:
        """Return whether `set` was called."""
        return self._is_set

    def set(self) -> None:
        """End all waits."""
        self._is_set = True
        for turn in list(self._turns):
            with suppress(RuntimeError):  # released before: each thread takes its turn out of the queue by itself
                turn.release()

    def clear(self) -> None:
        """Make it one that is not set, for waits from now on."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` [s]; return whether it is."""
        if self._is_set:
            return True
        turn = allocate_lock()
        turn.acquire()
        self._turns.append(turn)
        try:  # a look again: it may have been set before the turn was in the queue
            return self._is_set or any(turn.acquire(True, limit_s) for limit_s in slices(timeout)) or self._is_set
        finally:
            self._turns.remove(turn)


class Condition(threading.Condition):
    """As `threading.Condition`."""

    _lock: Any

    def __init__(self) -> None:
        super().__init__(RLock())

    __enter__ = InnerMethod("_lock")
    __exit__ = InnerMethod("_lock")


class Thread(threading.Thread):
    """As `threading.Thread`; its code is ours, so that it is never interrupted."""

    def start(self) -> None:
        """Start it."""
        require_installed("threads in real time", SIMULATE)
        super().start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` [s]."""
        _join(super().join, self, timeout)


class Timer(threading.Timer):
    """As `threading.Timer`."""

    def start(self) -> None:
        """Start it."""
        require_installed("timers in real time", SIMULATE)
        super().start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` [s]."""
        _join(super().join, self, timeout)


def _join(join: Any, thread: threading.Thread, timeout: float | None) -> None:
    for limit_s in slices(timeout):
        join(limit_s)
        if not thread.is_alive():
            return


class Future(futures.Future[Any]):
    """As `concurrent.futures.Future`."""

    def __init__(self) -> None:
        super().__init__()
        self._condition = Condition()

    def result(self, timeout: float | None = None) -> Any:
        """Wait until it has ended, at most `timeout` [s], and return its result or raise its error."""
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until it has ended, at most `timeout` [s], and return its error, or None."""
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: float | None) -> None:
        if not self.done():
            ended = Event()
            self.add_done_callback(lambda _: ended.set())
            ended.wait(timeout)


def end_as(future: futures.Future[Any], other: futures.Future[Any]) -> None:
    """End a future with the result or the error of another one that has ended, unless it has ended before."""
    if other.cancelled():
        future.cancel()
    elif not future.done() and future.set_running_or_notify_cancel():
        error = other.exception()
        future.set_exception(error) if error is not None else future.set_result(other.result())


class _RealThreads:
    Condition = Condition
    Event = Event
    Future = Future
    Lock = staticmethod(Lock)
    SimpleQueue = queue.SimpleQueue
    Thread = Thread
    Timer = Timer
    is_over = False
    slices = staticmethod(slices)

    def following(self, future: futures.Future[Any]) -> futures.Future[Any]:
        follower = Future()
        future.add_done_callback(partial(end_as, follower))
        follower.add_done_callback(lambda ended: ended.cancelled() and future.cancel())
        return follower


REAL_THREADS: Threads = _RealThreads()
