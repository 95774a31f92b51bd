"""Threads, and what they wait with, in simulated time: the same names and meanings as in `threading` and `queue`.

Belongs here: Thread, Timer, Lock, Condition, Event, SimpleQueue. Does not belong here: who runs when (``scheduler``).
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from kaygraph_viz.clock import Clock, use_clock
from kaygraph_viz.virtual.fiber import Fiber, Stopped
from kaygraph_viz.virtual.preempt import preempting
from kaygraph_viz.virtual.processors import Turns
from kaygraph_viz.virtual.scheduler import Scheduler

__all__ = ["VirtualThreads"]


class VirtualThreads:
    """What `kaygraph_viz.sync.threads` returns under a virtual clock.

    Parameters
    ----------
    clock
        Put in force in every thread that is started.
    scheduler
        The schedule.
    preempt
        The chance with which a thread gives way after a single step of user code, 0 to 1.
    """

    def __init__(self, clock: Clock, scheduler: Scheduler, preempt: float) -> None:
        self.clock = clock
        self.scheduler = scheduler
        self.preempt = preempt

    def Event(self) -> _Event:
        """Return an event, as `threading.Event`."""
        return _Event(self.scheduler)

    def Lock(self) -> _Lock:
        """Return a lock, as `threading.Lock`."""
        return _Lock(self.scheduler)

    def Condition(self, lock: _Lock | None = None) -> _Condition:
        """Return a condition, as `threading.Condition`."""
        return _Condition(self.scheduler, lock or self.Lock())

    def SimpleQueue(self) -> _SimpleQueue:
        """Return an unbounded queue, as `queue.SimpleQueue`."""
        return _SimpleQueue(self.scheduler)

    def Thread(
        self, target: Callable[..., object], args: tuple[Any, ...] = (), *, name: str | None = None,
        daemon: bool = True, interpreter: Turns | None = None,
    ) -> VirtualThread:  # fmt: skip
        """Return a thread, as `threading.Thread`; with an `interpreter` of its own it stands for a process."""
        return VirtualThread(self, lambda: target(*args), name, interpreter)

    def Timer(self, seconds: float, function: Callable[..., object], args: tuple[Any, ...] = ()) -> _Timer:
        """Return a timer, as `threading.Timer`."""
        return _Timer(self, seconds, lambda: function(*args))

    def interpreter(self) -> Turns:
        """Return an interpreter of its own, as a process has one."""
        return Turns(self.scheduler, 1, "the interpreter")


class _Waiting:
    """Fibers that wait for the same thing, in the order in which they came."""

    def __init__(self, scheduler: Scheduler, waits_for: str) -> None:
        self.scheduler = scheduler
        self._waits_for = waits_for
        self._fibers: deque[Fiber] = deque()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait to be woken, at most `timeout_s` [s]; return whether it was."""
        scheduler = self.scheduler
        fiber = scheduler.here()
        until = None if timeout_s is None else scheduler.now_ns + round(max(0.0, timeout_s) * 1e9)
        self._fibers.append(fiber)
        try:
            scheduler.park(until, self._waits_for)
        finally:
            was_woken = fiber not in self._fibers
            if not was_woken:
                self._fibers.remove(fiber)
        return was_woken

    def wake(self, count: int | None = None) -> None:
        """Wake the first `count`, or all."""
        for _ in range(len(self._fibers) if count is None else min(count, len(self._fibers))):
            self.scheduler.wake(self._fibers.popleft())


class _Event:
    def __init__(self, scheduler: Scheduler) -> None:
        self._waiting = _Waiting(scheduler, "an event")
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._waiting.wake()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set:
            self._waiting.wait(timeout)
        return self._is_set


class _Lock:
    def __init__(self, scheduler: Scheduler) -> None:
        self._waiting = _Waiting(scheduler, "a lock")
        self._is_held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._is_held:
            return blocking and self._waiting.wait(None if timeout < 0 else timeout)  # `release` hands it over
        self._is_held = True
        return True

    def release(self) -> None:
        if not self._is_held:
            raise RuntimeError("release unlocked lock")
        if self._waiting._fibers:
            self._waiting.wake(1)
        else:
            self._is_held = False

    def locked(self) -> bool:
        return self._is_held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        if self._is_held:  # else its holder was ended while it waited
            self.release()


class _Condition:
    def __init__(self, scheduler: Scheduler, lock: _Lock) -> None:
        self._lock = lock
        self._waiting = _Waiting(scheduler, "a condition")
        self.acquire, self.release = lock.acquire, lock.release

    def wait(self, timeout: float | None = None) -> bool:
        self._lock.release()
        try:
            return self._waiting.wait(timeout)
        finally:
            self._lock.acquire()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        scheduler = self._waiting.scheduler
        until = None if timeout is None else scheduler.now_ns + round(timeout * 1e9)
        while not (found := predicate()):
            left = None if until is None else (until - scheduler.now_ns) / 1e9
            if left is not None and left <= 0:
                break
            self.wait(left)
        return found

    def notify(self, n: int = 1) -> None:
        self._waiting.wake(n)

    def notify_all(self) -> None:
        self._waiting.wake()

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.__exit__()


class _SimpleQueue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._items: deque[Any] = deque()
        self._waiting = _Waiting(scheduler, "something in a queue")

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._waiting.wake(1)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        while not self._items:
            if not block or not (self._waiting.wait(timeout) or timeout is None):
                raise queue.Empty
        return self._items.popleft()

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


class VirtualThread:
    """A real thread that runs only when the schedule says so."""

    def __init__(
        self, threads: VirtualThreads, run: Callable[[], object], name: str | None, interpreter: Turns | None
    ) -> None:
        self._clock = threads.clock
        self._scheduler = threads.scheduler
        self._preempt = threads.preempt
        self._function = run
        self._ended = _Event(self._scheduler)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.name = self._thread.name
        parent = self._scheduler.here()
        self.fiber = Fiber(f"thread {self.name!r}", interpreter or parent.interpreter)
        self.fiber.thread = self._thread

    def start(self) -> None:
        """Put it on the schedule."""
        self._scheduler.start(self.fiber)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._scheduler.begin(self.fiber)
            with use_clock(self._clock), preempting(self._scheduler, self._preempt):
                self._function()
        except Stopped:
            pass
        finally:
            self._ended.set()
            self._scheduler.finish(self.fiber)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` [s]."""
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Return whether it has begun and not ended."""
        return self._thread.is_alive() and not self._ended.is_set()

    def kill(self) -> None:
        """End it at this instant, as a process can be."""
        self._scheduler.kill(self.fiber)


class _Timer:
    def __init__(self, threads: VirtualThreads, seconds: float, function: Callable[[], object]) -> None:
        self._seconds = seconds
        self._function = function
        self._is_over = threads.Event()
        self._thread = threads.Thread(self._run, name="timer")
        self.daemon = True

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        if not self._is_over.wait(self._seconds):
            self._function()

    def cancel(self) -> None:
        self._is_over.set()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)
