"""Clocks: where every time in a trace comes from, and the two ways to spend time on purpose.

Belongs here: the clock protocol, the real clock, which clock is in force, `sleep` and `work`.
Does not belong here: what is done with the times (``trace``), and clocks that only tests need (``testing``).
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kaygraph_viz.checks import checked_seconds
from kaygraph_viz.parts import noted

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REAL", "Clock", "RealClock", "compute", "cost", "current_clock", "sleep", "sleep_async", "use_clock"]


@runtime_checkable
class Clock(Protocol):
    """What a clock must offer so that everything else can be recorded and simulated with it."""

    def now_ns(self) -> int:
        """Return the time on a monotonic axis [ns]; only differences have a meaning."""

    def cpu_ns(self) -> int:
        """Return the CPU time that the calling thread has used so far [ns]."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass for the caller without using CPU [s]."""

    def compute(self, seconds: float) -> None:
        """Use `seconds` of CPU in the calling thread [s]."""


class RealClock:
    """The clock of this machine: ``perf_counter_ns`` for stamps, ``thread_time_ns`` for CPU.

    Examples
    --------
    >>> clock = RealClock()
    >>> clock.now_ns() <= clock.now_ns()
    True
    """

    now_ns = staticmethod(time.perf_counter_ns)
    cpu_ns = staticmethod(time.thread_time_ns)
    sleep = staticmethod(time.sleep)

    def compute(self, seconds: float) -> None:
        """Spin until this thread has used `seconds` more of CPU [s]."""
        until = time.thread_time_ns() + round(seconds * 1e9)
        while time.thread_time_ns() < until:
            pass

    def __repr__(self) -> str:
        return "RealClock()"


REAL = RealClock()
_clock: ContextVar[Clock | None] = ContextVar("kaygraph_viz_clock", default=None)


def current_clock() -> Clock:
    """Return the clock in force in this context: the one of the active `record`, else the real one.

    Examples
    --------
    >>> current_clock()
    RealClock()
    """
    return _clock.get() or REAL


@contextmanager
def use_clock(clock: Clock) -> Iterator[Clock]:
    """Put `clock` in force for the ``with`` block and for every branch started inside it.

    Parameters
    ----------
    clock
        Any object with the methods of `Clock`.
    """
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)


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

    A clock may bring a coroutine function ``sleep_async`` of its own; one that has none waits in a thread meanwhile.

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
    import asyncio

    clock, seconds = current_clock(), _duration("sleep_async", seconds)
    own = getattr(clock, "sleep_async", None)
    if clock is REAL:
        await asyncio.sleep(seconds)
    elif own is not None:
        await own(seconds)
    else:
        await asyncio.to_thread(clock.sleep, seconds)


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
    """Say how much CPU the code around this call uses, for runs in simulated time.

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
    if getattr(clock, "is_virtual", False):
        clock.compute(seconds)


def _duration(name: str, seconds: float) -> float:
    return checked_seconds(f"{name}(seconds)", seconds, f"{name}(0.1)")
