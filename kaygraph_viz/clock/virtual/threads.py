"""Threads, what they wait with, and futures in simulated time: the names and meanings of `threading` and `queue`.

Belongs here: what ``clock.threads`` makes (Thread, Timer, Lock, Condition, Event, SimpleQueue, Future), which threads
are simulated, and which calls are made for user code. Does not belong here: switching (``scheduler``), and what user
code makes by itself (``locks``, ``patches``, ``user_threads``).

What user code makes and waits for, directly or through `threading`, `queue` and `concurrent.futures`, is in simulated
time. What an installed library or another part of the standard library makes is real: it may be shared with threads
that are not simulated, such as those of a notebook.

The locks here are those of this package and not those of ``locks``: only threads of the schedule take them, so one that
is released is handed on at once, and a waiter that is killed passes it on. No real lock is behind them.
"""

from __future__ import annotations

import itertools
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, _base
from functools import partial
from types import FrameType, SimpleNamespace
from typing import Any

from kaygraph_viz.base.parts import PartKind, contextmanager
from kaygraph_viz.base.threads import end_as
from kaygraph_viz.clock.clock import Clock, current_clock, use_clock
from kaygraph_viz.clock.virtual.code_places import is_user_frame
from kaygraph_viz.clock.virtual.fiber import KEY, Fiber, Stopped, is_running
from kaygraph_viz.clock.virtual.preempt import Preemption
from kaygraph_viz.clock.virtual.processors import Slots
from kaygraph_viz.clock.virtual.scheduler import Hold, Scheduler

__all__ = [
    "VirtualEvent",
    "VirtualFuture",
    "VirtualThreads",
    "futures_in_simulated_time",
    "here",
    "is_called_by_user",
    "is_made_for_user",
    "module_of",
    "virtual_thread",
]

_NUMBERED = re.compile(r"(Thread|ThreadPoolExecutor)-(\d+)(.*)", re.DOTALL)  # default names
_WAITS = frozenset({"threading", "queue"})
_MAKES = _WAITS | {
    "concurrent.futures._base",
    "concurrent.futures.thread",
    "asyncio.base_events",
    "kaygraph_viz.capture.futures",
    "kaygraph_viz.capture.threads",
    "kaygraph_viz.clock.virtual.threads",
    "kaygraph_viz.clock.virtual.loop",
    "kaygraph_viz.clock.virtual.patches",
    "kaygraph_viz.clock.virtual.user_threads",
}
_THREAD_IS_MADE = threading.Thread.__init__.__code__


class VirtualFuture(Future[Any]):
    """A future that sets order by its number, not by its address: the same in every run."""

    def __init__(self, number: int, condition: Any = None) -> None:
        super().__init__()
        self.number = number
        if condition is not None:
            self._condition = condition

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """Call a function and take its result or error, unless this future was cancelled before."""
        if not self.set_running_or_notify_cancel():
            return
        try:
            value = function(*args, **options)
        except BaseException as error:
            self.set_exception(error)
        else:
            self.set_result(value)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other

    def set_exception(self, exception: BaseException | None) -> None:
        """Set the error; `Stopped`, from a worker that ended with its block, counts as a cancellation."""
        super().set_exception(CancelledError("its block has ended") if isinstance(exception, Stopped) else exception)


@contextmanager
def futures_in_simulated_time(make_event: Callable[[], Any], now_s: Callable[[], float | None]) -> Iterator[None]:
    """Make ``wait`` and ``as_completed`` of `concurrent.futures` wait in simulated time for simulated futures."""
    base: Any = _base  # of which this is not public
    before, clock = base._create_and_install_waiters, base.time

    def wait_unless_late(wait: Callable[[float | None], bool]) -> Callable[..., bool]:
        """Raise where no time is left: `as_completed` would poll until time passes, which it does not meanwhile."""

        def wait_in_time(timeout: float | None = None) -> bool:
            if timeout is not None and timeout <= 0:
                raise TimeoutError("not all futures have finished")
            return wait(timeout)

        return wait_in_time

    def install(futures: Any, return_when: str) -> Any:
        waiter = before(futures, return_when)
        if any(getattr(future._condition._lock, "is_simulated", False) for future in futures):
            waiter.event = make_event()
            if return_when == base._AS_COMPLETED:
                waiter.event.wait = wait_unless_late(waiter.event.wait)
        return waiter

    def monotonic() -> float:
        now = now_s()
        return time.monotonic() if now is None else now

    base._create_and_install_waiters = install
    base.time = SimpleNamespace(monotonic=monotonic)
    try:
        yield
    finally:
        base._create_and_install_waiters = before
        base.time = clock


class VirtualThreads:
    """The threads of a virtual clock: what `kaygraph_viz.clock.sync.threads` returns under it."""

    def __init__(self, clock: Clock, scheduler: Scheduler, preemption: Preemption, *, has_gil: bool = True) -> None:
        self.clock = clock
        self.scheduler = scheduler
        self.preemption = preemption
        self.has_gil = has_gil
        self.numbers = itertools.count(1)
        self.pools: list[ThreadPoolExecutor] = []  # those of user code
        self._numbered: dict[tuple[str, str], int] = {}

    @property
    def is_over(self) -> bool:
        """Whether the block of the clock has ended, and with it all its waits."""
        return self.scheduler.root is None

    def Event(self) -> VirtualEvent:
        """Return an event, as `threading.Event`."""
        return VirtualEvent(self.scheduler)

    def Lock(self) -> _Lock:
        """Return a lock, as `threading.Lock`."""
        return _Lock(self.scheduler)

    def Condition(self, lock: _Lock | None = None) -> _Condition:
        """Return a condition, as `threading.Condition`; its own lock cannot be taken twice."""
        return _Condition(self.scheduler, lock or self.Lock())

    def SimpleQueue(self) -> _SimpleQueue:
        """Return an unbounded queue, as `queue.SimpleQueue`."""
        return _SimpleQueue(self.scheduler)

    def Future(self) -> VirtualFuture:
        """Return a future that is waited for in simulated time."""
        return VirtualFuture(next(self.numbers), self.Condition())

    def following(self, future: futures.Future[Any]) -> VirtualFuture:
        """Return a future of simulated time that ends as `future` does; cancelling it cancels both."""
        follower = self.Future()
        future.add_done_callback(partial(end_as, follower))
        follower.add_done_callback(lambda ended: ended.cancelled() and future.cancel())
        return follower

    def slices(self, timeout_s: float | None = None) -> tuple[float]:
        """Return the time limit of the only wait of which a wait is made [s]."""
        return (-1 if timeout_s is None else timeout_s,)

    def shut_pools(self) -> None:
        """Shut down the pools of user code, whose threads end with the block."""
        while self.pools:
            self.pools.pop().shutdown(wait=False, cancel_futures=True)

    def take_in(self, thread: threading.Thread) -> VirtualThread:
        """Make a thread that user code is about to start one of the schedule."""
        numbered = _NUMBERED.fullmatch(thread.name)
        if numbered is not None:  # by a counter that goes on from run to run
            kind, number, rest = numbered.groups()
            count = 1 + sum(each[0] == kind for each in self._numbered)
            thread.name = f"{kind}-{self._numbered.setdefault((kind, number), count)}{rest}"
        thread.daemon = True  # it ends with the block, at the latest
        return VirtualThread(self, thread.run, thread.name, None, thread)

    def Thread(
        self,
        target: Callable[..., object],
        args: tuple[Any, ...] = (),
        *,
        name: str | None = None,
        daemon: bool = True,
        interpreter: Slots | None = None,
    ) -> VirtualThread:
        """Return a thread, as `threading.Thread`; with an `interpreter` of its own it simulates a process."""
        return VirtualThread(self, lambda: target(*args), name or f"Thread-{next(self.numbers)}", interpreter)

    def Timer(self, seconds: float, function: Callable[..., object], args: tuple[Any, ...] = ()) -> _Timer:
        """Return a timer, as `threading.Timer`."""
        return _Timer(self, seconds, lambda: function(*args))

    def interpreter(self) -> Slots:
        """Return the interpreter of a new process: the slot that its threads need to compute."""
        return Slots(self.scheduler, 1 if self.has_gil else None, "the interpreter", "gil")


class _Waiting:
    """Fibers that wait for the same object, in the order in which they came."""

    def __init__(self, scheduler: Scheduler, waits_for: object, kind: PartKind = "wait") -> None:
        self.scheduler = scheduler
        self._waits_for = waits_for
        self._kind = kind
        self._fibers: deque[Fiber] = deque()

    def wait(self, timeout_s: float | None, pass_on: Callable[[], object] | None = None) -> bool:
        """Wait to be woken, at most `timeout_s` [s]; return whether the fiber was."""
        scheduler = self.scheduler
        fiber = scheduler.here()
        until = None if timeout_s is None else scheduler.now_ns + round(max(0.0, timeout_s) * 1e9)
        fiber.is_chosen = False
        try:
            was_woken = scheduler.park(until, self._waits_for, queue=self._fibers, is_last=True, kind=self._kind)
        except BaseException:
            self._leave(fiber)
            if fiber.is_chosen:
                (pass_on or self.wake_one)()
            raise
        if not was_woken:
            self._leave(fiber)
        return was_woken

    async def wait_beside(self) -> None:
        """Wait to be woken while the real event loop of the caller goes on."""
        fiber = self.scheduler.here()
        try:
            await self.scheduler.park_beside(self._waits_for, self._fibers)
        finally:
            self._leave(fiber)

    def _leave(self, fiber: Fiber) -> None:
        if fiber in self._fibers:
            self._fibers.remove(fiber)

    def wake_one(self) -> Fiber | None:
        """Wake the first fiber and return it, or None."""
        return self.scheduler.wake(self._fibers, 1)

    def wake(self, count: int | None = None) -> None:
        """Wake the first `count`, or all."""
        if self._fibers:
            self.scheduler.wake(self._fibers, count)


class VirtualEvent:
    """An event, as `threading.Event`."""

    def __init__(self, scheduler: Scheduler, kind: PartKind = "wait", waits_for: object = "an event") -> None:
        self._waiting = _Waiting(scheduler, waits_for, kind)
        self._is_set = False

    def is_set(self) -> bool:
        """Return whether `set` was called."""
        return self._is_set

    def set(self) -> None:
        """End all waits, at this instant."""
        self._is_set = True
        self._waiting.wake()

    def clear(self) -> None:
        """Make it one that is not set, for waits from now on."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` [s]; return whether it is."""
        return self._is_set or self._waiting.wait(timeout) or self._is_set

    async def wait_beside(self) -> None:
        """Wait while the real event loop of the caller goes on."""
        if not self._is_set:
            await self._waiting.wait_beside()


class _Lock:
    is_simulated = True

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._hold = Hold()
        self._waiting = _Waiting(scheduler, self._hold, "blocked")
        self._is_held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._is_held:
            is_mine = blocking and self._waiting.wait(None if timeout < 0 else timeout, self.release)
        else:
            self._is_held = is_mine = True
        if is_mine:
            self._hold.take(self._scheduler.mine())
        return is_mine

    def release(self) -> None:
        if not self._is_held:
            raise RuntimeError("release unlocked lock")
        self._hold.holder = self._waiting.wake_one()  # who holds it now
        self._is_held = self._hold.holder is not None

    def locked(self) -> bool:
        return self._is_held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        if (
            self._is_held and self._hold.holder is self._scheduler.mine()
        ):  # else it was ended in the wait of a condition
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
        self._waiting = _Waiting(scheduler, "an item in a queue")

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


def virtual_thread(thread: threading.Thread) -> VirtualThread | None:
    """Return the `VirtualThread` of a real thread, or None."""
    return vars(thread).get(KEY)


class VirtualThread:
    """A real thread that runs only when it has the turn."""

    def __init__(
        self,
        threads: VirtualThreads,
        run: Callable[[], object],
        name: str,
        interpreter: Slots | None,
        thread: threading.Thread | None = None,
    ) -> None:
        self._clock = threads.clock
        self._scheduler = threads.scheduler
        self._preemption = threads.preemption
        self._function = run
        end = Hold(f"the end of thread {name!r}")
        self._ended = VirtualEvent(self._scheduler, "wait" if thread is None else "blocked", end)
        self._thread = thread or threading.Thread(name=name, daemon=True)
        self._thread.run = self._run  # type: ignore[method-assign]
        vars(self._thread)[KEY] = self
        self.name = name
        parent = self._scheduler.here()
        self.fiber = end.holder = Fiber(f"thread {name!r}", interpreter or parent.interpreter, parent)
        self.fiber.thread = self._thread
        self.fiber.on_end = self._ended.set

    def start(self) -> None:
        """Put it on the schedule."""
        self._scheduler.start(self.fiber)
        try:
            self.fiber.carrier.start(self._thread)
        except BaseException:  # the system has no more threads, or an interrupt came
            self._scheduler.withdraw(self.fiber)
            raise

    def _run(self) -> None:
        try:
            self._scheduler.begin(self.fiber)
            with use_clock(self._clock), self._preemption.in_thread():
                self._function()
        except Stopped:
            pass
        finally:
            self._scheduler.finish(self.fiber)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` [s]."""
        if not self.fiber.is_over:
            self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Return whether it has begun and not ended."""
        return is_running(self.fiber) and not self._ended.is_set()

    def kill(self) -> None:
        """End it and its descendants at this instant, as a process can be killed."""
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


def here() -> VirtualThreads | None:
    """Return the threads of the simulation to which the calling thread belongs; None if it is real, or away."""
    threads = current_clock().threads
    if not isinstance(threads, VirtualThreads):
        return None
    fiber = threads.scheduler.mine()
    return None if fiber is None or fiber.is_away else threads


def module_of(frame: FrameType | None) -> str:
    """Return the name of the module of the code that a frame runs."""
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def is_made_for_user(frame: FrameType | None) -> bool:
    """Return whether an object is made, or a thread started, in a frame on behalf of user code."""
    while frame is not None and frame.f_code is not _THREAD_IS_MADE and module_of(frame) in _MAKES:
        frame = frame.f_back
    return frame is not None and is_user_frame(frame)


def is_called_by_user(frame: FrameType | None) -> bool:
    """Return whether a wait in a frame of `threading` or `queue` was called by user code or by this package."""
    while frame is not None and module_of(frame) in _WAITS:
        frame = frame.f_back
    return frame is not None and (is_user_frame(frame) or module_of(frame).startswith("kaygraph_viz."))
