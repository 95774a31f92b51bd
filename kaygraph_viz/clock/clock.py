"""Clocks: where every time in a trace comes from, what waits in that time, and the ways to spend it on purpose.

Belongs here: what a clock is, the real clock, which clock is in force, `sleep`, `compute` and `cost`; where a suspended
coroutine waits, and until when. Does not belong here: what is done with the times (``trace``), simulated time
(``clock.virtual``), and the clock that tests move by hand (``testing``).

What differs from clock to clock is a method or an attribute of `Clock`, with the real one as default: nothing asks
which clock it has. A lock that is held only for a few lines without a wait may be a real one under every clock.
"""

from __future__ import annotations

import asyncio
import asyncio.locks
import asyncio.queues
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import Context, ContextVar
from types import FrameType, MappingProxyType
from typing import Any, Generic, TypeVar

from kaygraph_viz.base.checks import MAX_SECONDS, checked_seconds
from kaygraph_viz.base.machine import Machine, this_machine, thread_cpu_ns
from kaygraph_viz.base.parts import PartKind, contextmanager, noted
from kaygraph_viz.base.thread_protocols import Event, Threads
from kaygraph_viz.base.threads import REAL_THREADS, sleep as real_sleep

T = TypeVar("T")


class InForce(Generic[T]):
    """A context variable that is set for a block, and in all that is started there.

    The block may be left in another context than it was entered in, as an async fixture, a generator that is closed
    elsewhere or an ``ExitStack`` does, and before one that began inside it.
    """

    def __init__(self, name: str, default: T) -> None:
        self._innermost: ContextVar[_Block[T] | None] = ContextVar(name, default=None)
        self._default = default

    def get(self) -> T:
        """Return the value of the innermost block around the caller."""
        block = self._innermost.get()
        if block is not None and block.was_left_elsewhere:
            block = block.around()
        return self._default if block is None else block.value

    @contextmanager
    def set_to(self, value: T) -> Iterator[None]:
        """Put a value in force until the end of the block."""
        block = _Block(value, self._innermost.get())
        token = self._innermost.set(block)
        try:
            yield
        finally:
            block.is_over, innermost = True, self._innermost.get()
            try:
                self._innermost.reset(token)
            except ValueError:  # this is another context: the one in which the block began still has its value
                block.was_left_elsewhere = True
            else:  # a block that began inside it goes on, one around it may have been left before
                self._innermost.set(block.around() if innermost is block else innermost)


class _Block(Generic[T]):
    __slots__ = ("is_over", "outer", "value", "was_left_elsewhere")

    def __init__(self, value: T, outer: _Block[T] | None) -> None:
        self.value, self.outer = value, outer
        self.is_over = self.was_left_elsewhere = False

    def around(self) -> _Block[T] | None:
        """Return the innermost block around it that goes on."""
        block = self.outer
        while block is not None and block.is_over:
            block = block.outer
        return block


WORKER_KINDS = ("thread", "process", "dask")  # of executors whose workers can be simulated
_FREE: Mapping[str, float] = MappingProxyType(dict.fromkeys(WORKER_KINDS, 0.0))


class Clock(ABC):
    """A clock: the times of a trace, and all that waits in that time.

    A clock of your own has four methods: `now_ns`, `cpu_ns`, `sleep` and `compute`. All else has a default: real
    threads, real event loops, and real workers.

    Examples
    --------
    >>> class Stopped(Clock):
    ...     def now_ns(self): return 0
    ...     def cpu_ns(self): return 0
    ...     def sleep(self, seconds): pass
    ...     def compute(self, seconds): pass
    >>> with use_clock(Stopped()) as clock:
    ...     sleep(3600)
    ...     clock.now_ns()
    0
    """

    is_exact = False
    """Whether a run takes the same time on every machine, so that nothing may depend on the machine."""

    has_network = True
    """Whether real connections can be waited for."""

    default_workers: int | None = None
    """How many workers an executor has by default; None: what suits the machine."""

    threads: Threads = REAL_THREADS
    """Threads, and what they wait with."""

    start_up_s: Mapping[str, float] = _FREE
    """How long a simulated worker of each kind takes to start [s]."""

    dispatch_s: Mapping[str, float] = _FREE
    """How long an item takes to reach a simulated worker of each kind [s]."""

    @property
    def machine(self) -> Machine | None:
        """The computer on which programs run by this clock; None where it is not known."""
        return None

    @abstractmethod
    def now_ns(self) -> int:
        """Return the time on a monotonic axis [ns]; only differences have a meaning."""

    @abstractmethod
    def cpu_ns(self) -> int:
        """Return the CPU time that the calling thread has used so far [ns]."""

    @abstractmethod
    def sleep(self, seconds: float, /) -> None:
        """Block the calling thread for `seconds` without using CPU [s]."""

    @abstractmethod
    def compute(self, seconds: float, /) -> None:
        """Use `seconds` of CPU in the calling thread [s]."""

    def sleep_async(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Return a coroutine that does as `sleep` while the event loop goes on; by default `sleep` in a thread."""
        return asyncio.to_thread(self.sleep, seconds)

    def wait(self, event: Event, seconds: float) -> object:
        """Block the calling thread until an event of `threads` is set, at most `seconds` [s]; by default, that long."""
        return self.sleep(seconds)

    def wait_async(self, event: asyncio.Event, seconds: float) -> Coroutine[Any, Any, None]:
        """Return a coroutine that does as `wait` while the event loop goes on."""
        return self.sleep_async(seconds)

    def running(self) -> AbstractContextManager[None]:
        """Return the context in which this clock can be used; `record` enters it before the clock is in force."""
        return nullcontext()

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Return a new event loop that keeps the time of this clock."""
        return asyncio.new_event_loop()

    def is_kept_by(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether an event loop keeps the time of this clock."""
        return True

    def wait_beside(self, event: Event) -> Coroutine[Any, Any, object]:
        """Return a coroutine that waits for an event of `threads` in a loop that keeps another time."""
        return asyncio.to_thread(event.wait)

    def simulates(self, kind: str) -> bool:
        """Return whether the workers of executors of a kind are simulated."""
        return False

    def enter_branch(self, context: Context) -> None:  # noqa: B027  (there is nothing to prepare for most clocks)
        """Prepare a context in which branches will run."""


class RealClock(Clock):
    """The clock of this machine: ``perf_counter_ns`` for stamps, ``thread_time_ns`` for CPU."""

    now_ns = staticmethod(time.perf_counter_ns)
    cpu_ns = staticmethod(thread_cpu_ns)
    sleep = staticmethod(real_sleep)

    @property
    def machine(self) -> Machine:
        """The computer that runs this."""
        return this_machine()

    def compute(self, seconds: float) -> None:
        """Spin until this thread has used `seconds` more of CPU [s]."""
        until = thread_cpu_ns() + round(seconds * 1e9)
        while thread_cpu_ns() < until:
            pass

    def sleep_async(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Return a coroutine that sleeps."""
        return asyncio.sleep(seconds)

    def wait(self, event: Event, seconds: float) -> bool:
        """Block the calling thread until an event is set, at most `seconds` [s]."""
        return event.wait(seconds)

    def wait_async(self, event: asyncio.Event, seconds: float) -> Coroutine[Any, Any, None]:
        """Return a coroutine that waits until an event is set, at most `seconds` [s]."""
        return until_set(event, seconds)

    def __repr__(self) -> str:
        return "RealClock()"


REAL = RealClock()
_clock: InForce[Clock] = InForce("kaygraph_viz_clock", REAL)


def current_clock() -> Clock:
    """Return the clock in force in this context: the one of the active `record`, else the real one."""
    return _clock.get()


@contextmanager
def use_clock(clock: Clock) -> Iterator[Clock]:
    """Put `clock` in force for the ``with`` block and for every branch started inside it."""
    with _clock.set_to(clock):
        yield clock


async def until_set(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, at most `seconds` in the time of the running loop [s]."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def sleep(seconds: float) -> None:
    """Wait without using CPU, as a call to a service or a disk does.

    The same code runs under any clock. In simulated time `time.sleep` does the same.

    Parameters
    ----------
    seconds
        How long to wait [s], 0 or more.

    Raises
    ------
    OptionError
        If `seconds` is negative, NaN or not a number.

    Examples
    --------
    >>> sleep(0)
    """
    clock, seconds = current_clock(), _duration("sleep", seconds)
    with noted("wait", clock.now_ns):
        clock.sleep(seconds)


async def sleep_async(seconds: float) -> None:
    """Wait without using CPU and without holding up the loop: what `sleep` is for coroutines.

    Parameters
    ----------
    seconds
        How long to wait [s], 0 or more.

    Raises
    ------
    OptionError
        If `seconds` is negative, NaN or not a number.

    Examples
    --------
    >>> import asyncio
    >>> asyncio.run(sleep_async(0))
    """
    await current_clock().sleep_async(_duration("sleep_async", seconds))


def compute(seconds: float) -> None:
    """Use CPU, as parsing or arithmetic does.

    Parameters
    ----------
    seconds
        How much CPU time of this thread to use [s], 0 or more.

    Raises
    ------
    OptionError
        If `seconds` is negative, NaN or not a number.

    Examples
    --------
    >>> compute(0)
    """
    current_clock().compute(_duration("compute", seconds))


def cost(cpu_s: float) -> None:
    """Declare how much CPU the code around this call uses, for runs in simulated time.

    What branches really compute takes no simulated time by itself. The real clock measures it, and ignores this call.

    Parameters
    ----------
    cpu_s
        CPU time [s], 0 or more.

    Raises
    ------
    OptionError
        If it is negative, NaN or not a number.

    Examples
    --------
    >>> def count_words(text):
    ...     cost(1e-7 * len(text))
    ...     return len(text.split())
    >>> count_words("two words")
    2
    """
    clock, seconds = current_clock(), _duration("cost", cpu_s)
    if clock.is_exact:
        clock.compute(seconds)


def _duration(name: str, seconds: float) -> float:
    if seconds.__class__ is float and 0.0 <= seconds <= MAX_SECONDS:  # simulated programs sleep millions of times
        return seconds
    return checked_seconds(f"{name}(seconds)", seconds, f"{name}(0.1)")


# -- suspended coroutines: where they wait, and what for --------------------------------------------------------------


FILES = (asyncio.locks.__file__, asyncio.queues.__file__)
# Not events: they can mean anything.
BLOCKING = ("Lock.acquire", "Semaphore.acquire", "Queue.get", "Queue.put", "Queue.join")


def frames_of(awaited: Any) -> list[FrameType]:
    """Return the frames of a suspended coroutine and of what it awaits, innermost first."""
    frames: list[FrameType] = []
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            break
        frames.append(frame)
        inner = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        awaited = inner if inner is not None else frame.f_locals.get("running")  # of ``execute.branch``
    return frames[::-1]


def innermost_frame(awaited: Any) -> FrameType | None:
    """Return the frame in which a coroutine is suspended, or None if it is not."""
    return next(iter(frames_of(awaited)), None)


def kind_of_wait(frame: FrameType | None) -> PartKind:
    """Return the kind of wait in a frame: blocked in locks and queues of asyncio, else a wait."""
    if frame is None or frame.f_code.co_filename not in FILES:
        return "wait"
    return "blocked" if frame.f_code.co_qualname in BLOCKING else "wait"


def due_in_s(frame: FrameType | None) -> float | None:
    """Return after how long a coroutine that sleeps in a frame can go on [s]; None where it does not sleep."""
    if frame is None or frame.f_code is not asyncio.sleep.__code__:
        return None
    due = due_at_s(frame)
    return None if due is None else max(0.0, due - asyncio.get_running_loop().time())


def due_at_s(frame: FrameType) -> float | None:
    """Return when a frame of `asyncio.sleep` goes on, by its loop [s]; None where that, as in a tab, does not tell."""
    when: Callable[[], float] | None = getattr(frame.f_locals.get("h"), "when", None)
    return None if when is None else when()
