"""An event loop in simulated time: where asyncio waits for its selector, the thread parks on the schedule.

Belongs here: the loop, making `asyncio.run` use it, and tasks that wait for locks of each other. Does not belong here:
the schedule and the deadlock of threads (``scheduler``), locks of threads (``locks``).

A lock of asyncio does not know who holds it, so `acquire_and_note` stands for its `acquire` (``patches`` puts it
there). Nothing is noted when a lock is released: who took it last is the holder for as long as it is locked.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import re
import selectors
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from kaygraph_viz.base.errors import VirtualClockError, Wait
from kaygraph_viz.base.parts import PartLog, contextmanager, write_here
from kaygraph_viz.clock.clock import frames_of, innermost_frame, kind_of_wait
from kaygraph_viz.clock.virtual.code_places import line_in, place_in, tasks_of
from kaygraph_viz.clock.virtual.fiber import Fiber, Stopped
from kaygraph_viz.clock.virtual.scheduler import Hold, InnerWaits, Scheduler, circle_of

if TYPE_CHECKING:
    from kaygraph_viz.clock.virtual.threads import VirtualThreads

__all__ = ["VirtualLoop", "acquire_and_note", "loops_in_simulated_time", "real_acquire"]

# The name of a task that was given none, whose number differs from run to run; Python 3.13 calls some of them None.
NUMBERED = re.compile(r"Task-\d+|None")
real_acquire = asyncio.Lock.acquire
_holds: WeakKeyDictionary[asyncio.Lock, Hold] = WeakKeyDictionary()
_RELEASE_WAITER = getattr(asyncio.tasks, "_release_waiter", None)  # how `asyncio.wait` keeps its time limit


@wraps(real_acquire)
async def acquire_and_note(lock: asyncio.Lock) -> Any:
    """Do what the real one does, and note which task holds the lock then."""
    taken = await real_acquire(lock)
    _holds.setdefault(lock, Hold()).take(asyncio.current_task())
    return taken


class WaitsOfTasks(InnerWaits):
    """What an event loop waits for: an event that one of its tasks awaits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __str__(self) -> str:
        return "an event that its coroutines await"

    def circle(self) -> list[Wait]:
        """Return the waits of tasks that wait for locks of each other; empty if there are none."""
        tasks = tasks_of(self._loop)
        names = {task: _name(task, number) for number, task in enumerate(tasks, 1)}
        awaited = {}
        for task in tasks:  # that wait for locks which tasks of this loop hold
            frame = next(iter(frames_of(task.get_coro())), None)
            if frame is not None and frame.f_code is real_acquire.__code__:
                hold = _holds.get(frame.f_locals["self"])
                if hold is not None and hold.holder in names:
                    awaited[task] = hold
        in_circle = circle_of(list(awaited), lambda task: awaited[task].holder if task in awaited else None)
        return [_wait_of(task, awaited[task], names) for task in in_circle]


def _name(task: asyncio.Task[Any], number: int) -> str:
    name = task.get_name()
    return f"task {number}" if NUMBERED.fullmatch(name) else f"task {name!r}"


def _wait_of(task: asyncio.Task[Any], hold: Hold, names: dict[asyncio.Task[Any], str]) -> Wait:
    frames, since = frames_of(task.get_coro()), hold.since
    line, taken = line_in(frames), "" if since is None else since.text
    place, code = place_in(frames), "" if line is None else line.text
    return Wait(names[task], place, code, str(hold), names[hold.holder], str(since or ""), taken)


class _Task(asyncio.Task[Any]):
    """A task that sets and dictionaries order by its number, not by its address: the same in every run."""

    number: int
    log: PartLog
    paused_ns: int  # when its last step ended
    ready_ns: int  # since when it could go on

    def __new__(cls, *args: Any, loop: VirtualLoop, **options: Any) -> Self:
        made = super().__new__(cls)
        made.number = next(loop.numbers)
        made.log = PartLog()
        made.paused_ns = made.ready_ns = loop.now_ns
        loop.beginner = made
        return made

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Future(asyncio.Future[Any]):
    """A future that sets and dictionaries order by its number, for the same reason."""

    def __init__(self, *, loop: VirtualLoop) -> None:
        self.number = next(loop.numbers)
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _When(float):
    """A time [s] that is ordered by whole nanoseconds, then by tie: floats of one instant differ in the last digits."""

    __slots__ = ("order",)

    order: tuple[int, float, int]

    def __lt__(self, other: Any) -> bool:
        return self.order < other.order if isinstance(other, _When) else float(self) < other


class _Selector(selectors.BaseSelector):
    """A selector that waits for time and for other threads, and for no connection."""

    def __init__(self, scheduler: Scheduler, waits_for: object, before_waiting: Callable[[], bool]) -> None:
        self._scheduler = scheduler
        self._waits_for = waits_for
        self._before_waiting = before_waiting  # returns whether callbacks may be due
        self._fiber: Fiber | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise VirtualClockError(
            "under a virtual clock no real connection is possible; use the client of a service that was started "
            "inside the block (server.async_client()), or record with the real clock"
        )

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if (timeout is None or timeout > 0) and not self._before_waiting():
            self._fiber = self._scheduler.here()
            until = None if timeout is None else self._scheduler.now_ns + max(1, round(timeout * 1e9))
            self._scheduler.park(until, self._waits_for, is_notifiable=True)
        return []

    def yield_to_others(self) -> bool:
        """Yield to all that is due at this instant; return whether that notified the loop."""
        self._fiber = self._scheduler.here()
        return self._scheduler.park(self._scheduler.now_ns, is_notifiable=True, is_last=True)

    def notify(self) -> None:
        if self._fiber is not None:
            self._scheduler.notify(self._fiber)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is simulated."""

    def __init__(self, threads: VirtualThreads, *, ties_by_chance: bool) -> None:
        self._threads = threads
        self._ties_by_chance = ties_by_chance
        self._clock = selector = _Selector(threads.scheduler, WaitsOfTasks(self), self._before_waiting)
        super().__init__(selector)
        self.numbers = itertools.count()
        self._serial = itertools.count()
        self._helpers = 0
        self._helper_has_ended = asyncio.Event()
        self._limits: list[tuple[asyncio.TimerHandle, Callable[..., object], tuple[Any, ...]]] = []
        self._due_ns: int | None = None  # when the callback that runs at the moment was due
        self.beginner: _Task | None = None  # the task that is being made, which queues its first step

        def make_task(_: object, coro: Any, **options: Any) -> _Task:
            made = _Task(coro, loop=self, **options)
            self.beginner = None
            return made

        self.set_task_factory(make_task)

    @property
    def now_ns(self) -> int:
        """The simulated time [ns]."""
        return self._threads.scheduler.now_ns

    def time(self) -> float:
        """Return the simulated time [s]."""
        now_s = self._threads.scheduler.now_ns / 1e9
        self._clock_resolution = max(1e-9, 2 * math.ulp(now_s))  # asyncio calls what is due within it
        return now_s

    def create_future(self) -> _Future:
        """Return a future of this loop."""
        return _Future(loop=self)

    def call_at(  # type: ignore[override]  # asyncio types the arguments of the callback
        self, when: float, callback: Callable[..., object], *args: Any, **options: Any
    ) -> asyncio.TimerHandle:
        """Call `callback` at `when` [s]."""
        tie = self._threads.scheduler.random.random() if self._ties_by_chance else 0.0
        when = _When(when)
        when.order = round(when * 1e9), tie, next(self._serial)
        is_limit = isinstance(getattr(callback, "__self__", None), asyncio.Timeout) or callback is _RELEASE_WAITER
        if not is_limit:  # limits come last in their instant
            return super().call_at(when, self._call_due, when.order[0], callback, *args, **options)
        timer: asyncio.TimerHandle = super().call_at(
            when, lambda: self._limits.append((timer, callback, args)), **options
        )
        return timer

    def _call_due(self, due_ns: int, callback: Callable[..., object], *args: Any) -> None:
        """Call a callback and note when it was due, which is earlier than now if the loop was busy."""
        self._due_ns = due_ns
        try:
            callback(*args)
        finally:
            self._due_ns = None

    def call_soon(  # type: ignore[override]  # as above
        self, callback: Callable[..., object], *args: Any, **options: Any
    ) -> asyncio.Handle:
        """Call `callback` in the next iteration; a step of a task is noted in the log of the task."""
        task = self._task_of(callback)
        if task is not None:
            task.ready_ns = self.now_ns if self._due_ns is None else max(self._due_ns, task.paused_ns)
            callback = partial(self._take_step, task, callback)
        return super().call_soon(callback, *args, **options)

    def _task_of(self, callback: Callable[..., object]) -> _Task | None:
        """Return the task of which a callback is the next step: its owner, or else the task that queues it."""
        owner = getattr(callback, "__self__", None)
        if type(owner) is _Task:
            return owner
        if type(callback).__name__ != "TaskStepMethWrapper":
            return None
        current = asyncio.current_task(self) if self.beginner is None else self.beginner
        return current if type(current) is _Task else None

    def _take_step(self, task: _Task, callback: Callable[..., object], *args: Any) -> None:
        fiber, began_ns = self._threads.scheduler.mine(), self.now_ns
        if fiber is None:  # the block has ended, and the loop is closing
            callback(*args)
            return
        task.log.add(kind_of_wait(innermost_frame(task.get_coro())), task.paused_ns, task.ready_ns)
        task.log.add("gil", task.ready_ns, began_ns)
        own, fiber.log = fiber.log, task.log
        write_here(task.log)
        try:
            callback(*args)
        finally:
            task.paused_ns = self.now_ns
            own.copy_from(task.log, began_ns, task.paused_ns)
            fiber.log = own
            write_here(own)

    def _before_waiting(self) -> bool:
        """Queue the callbacks of expired time limits, once nothing else is due at this instant."""
        if not self._limits:
            return False
        if not self._clock.yield_to_others():
            limits, self._limits = self._limits, []
            for timer, callback, args in limits:
                if not timer.cancelled():
                    self.call_soon(callback, *args)
        return True

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run a function in a new thread of the same simulated time; their number has no limit."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future = self.create_future()
        self._threads.Thread(self._help, (future, func, args), name="to_thread").start()
        self._helpers += 1
        return future

    def _help(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = func(*args)
        except Stopped:
            raise
        except StopIteration as raised:  # which no future takes: from 3.12 on Python does the same
            error = RuntimeError(f"{func!r} raised StopIteration")
            error.__cause__ = raised
        except BaseException as raised:
            error = raised

        def end() -> None:
            self._helpers -= 1
            self._helper_has_ended.set()
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        with suppress(RuntimeError):  # the loop was closed meanwhile
            self.call_soon_threadsafe(end)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (as asyncio's)
        """Wait for all functions of `run_in_executor`."""
        while self._helpers:
            self._helper_has_ended.clear()
            await self._helper_has_ended.wait()
        await super().shutdown_default_executor()

    # What wakes a real loop is a pair of sockets.

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        self._clock.notify()


@contextmanager
def loops_in_simulated_time(scheduler: Scheduler, make: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[None]:
    """Make `asyncio.run` use loops of `make` where threads of the schedule call it, while the block runs."""
    # What makes loops for all of asyncio; from 3.14 on its public name warns, and 3.16 has none.
    private: Any = getattr(asyncio.events, "_get_event_loop_policy", None)
    policy: Any = asyncio.get_event_loop_policy() if private is None else private()
    outer, before = vars(policy).get("new_event_loop"), policy.new_event_loop

    def new_event_loop() -> asyncio.AbstractEventLoop:
        return before() if scheduler.mine() is None else make()

    policy.new_event_loop = new_event_loop
    as_completed = asyncio.as_completed

    def in_order(fs: Any, **options: Any) -> Any:
        """Make the tasks in the order of the arguments: asyncio puts coroutines into a set, whose order varies."""
        is_one = asyncio.isfuture(fs) or asyncio.iscoroutine(fs)  # asyncio raises
        if not is_one and isinstance(asyncio._get_running_loop(), VirtualLoop):
            fs = [asyncio.ensure_future(each) for each in dict.fromkeys(fs)]
        return as_completed(fs, **options)

    asyncio.as_completed = in_order
    try:
        yield
    finally:
        asyncio.as_completed = as_completed
        if outer is None:
            del policy.new_event_loop
        else:
            policy.new_event_loop = outer
