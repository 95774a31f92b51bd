"""An event loop in simulated time: it never waits, it lets the time pass.

Belongs here: the loop, and making `asyncio.run` use it. Does not belong here: the schedule (``scheduler``).
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.virtual.fiber import Fiber
from kaygraph_viz.virtual.scheduler import Scheduler

if TYPE_CHECKING:
    from kaygraph_viz.virtual.threads import VirtualThreads

__all__ = ["VirtualLoop", "loops_in_simulated_time"]


class _Task(asyncio.Task[Any]):
    """A task that sets and dictionaries order by its number, not by its address: the same in every run."""

    number: int

    def __new__(cls, *args: Any, loop: VirtualLoop, **options: Any) -> Self:
        made = super().__new__(cls)
        made.number = next(loop.numbers)
        return made

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Selector(selectors.BaseSelector):
    """Waits for nothing but the time and other threads."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._fiber: Fiber | None = None
        self._own: dict[Any, selectors.SelectorKey] = {}
        self.is_complete = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.is_complete:
            raise VirtualClockError(
                "a real connection cannot be seen by the virtual clock; use the client of a service that was started "
                "inside the block (server.async_client()), or record with the real clock"
            )
        key = self._own[fileobj] = selectors.SelectorKey(fileobj, _number_of(fileobj), events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._own.pop(fileobj)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._own[fileobj]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._own

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._fiber = self._scheduler.here()
            until = None if timeout is None else self._scheduler.now_ns + max(1, round(timeout * 1e9))
            self._scheduler.park(until, "what its coroutines await", is_notifiable=True)
        return []

    def notify(self) -> None:
        if self._fiber is not None:
            self._scheduler.wake(self._fiber)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is simulated.

    Parameters
    ----------
    threads
        Threads in the same simulated time, for `asyncio.to_thread`.
    ties_by_chance
        Whether what is due at the same instant comes in an order that is drawn by chance.
    """

    def __init__(self, threads: VirtualThreads, *, ties_by_chance: bool) -> None:
        self._threads = threads
        self._ties_by_chance = ties_by_chance
        self._clock = selector = _Selector(threads.scheduler)
        super().__init__(selector)
        selector.is_complete = True
        self.numbers = itertools.count()
        self._clock_resolution = 1e-9
        self.set_task_factory(lambda loop, coro, **options: _Task(coro, loop=loop, **options))

    def time(self) -> float:
        """Return the simulated time [s]."""
        return self._threads.scheduler.now_ns / 1e9

    def call_at(  # type: ignore[override]  # asyncio types the arguments of the callback
        self, when: float, callback: Callable[..., object], *args: Any, **options: Any
    ) -> asyncio.TimerHandle:
        """Call `callback` at `when` [s]."""
        if self._ties_by_chance:
            when += self._threads.scheduler.random.random() * 1e-10
        return super().call_at(when, callback, *args, **options)

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run a function in a thread of the same simulated time."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future = self.create_future()

        def run() -> None:
            try:
                value = func(*args)
            except BaseException as error:
                self.call_soon_threadsafe(_settle, future, None, error)
            else:
                self.call_soon_threadsafe(_settle, future, value, None)

        self._threads.Thread(run, name="to_thread").start()
        return future

    def _write_to_self(self) -> None:
        self._clock.notify()


def _number_of(file: Any) -> int:
    number: int = file if isinstance(file, int) else file.fileno()
    return number


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)


@contextmanager
def loops_in_simulated_time(scheduler: Scheduler, make: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[None]:
    """Let `asyncio.run`, where threads of the schedule call it, make its loops with `make`."""
    with _quietly():
        before = asyncio.get_event_loop_policy()

        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self) -> asyncio.AbstractEventLoop:
                return make() if scheduler.takes_part() else before.new_event_loop()

            def get_event_loop(self) -> asyncio.AbstractEventLoop:
                return before.get_event_loop()

            def set_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
                before.set_event_loop(loop)

        asyncio.set_event_loop_policy(Policy())
    try:
        yield
    finally:
        with _quietly():
            asyncio.set_event_loop_policy(before)


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # policies are on their way out
        yield
