"""The options of `record`, checked, and the listeners that get each new trace.

Belongs here: what is allowed, and what stands for None; what surrounds a recording. Does not belong here: recording
(``recorder``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal

from kaygraph_viz.base.checks import checked_number, checked_whole
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import Clock, InForce, current_clock
from kaygraph_viz.trace.shared_access import SharedWatch

if TYPE_CHECKING:
    from kaygraph_viz.trace.trace import Trace


DEFAULT_MAX_SPANS = 1_000_000
SHORTEST_S, LONGEST_S = 0.0005, 1.0  # from one look at the CPU clocks of threads to the next


def checked_clock(clock: Clock | Literal["virtual"] | None, seed: int | None) -> Clock:
    """Return the clock to record by."""
    if clock == "virtual":
        from kaygraph_viz.clock.virtual.clock import VirtualClock

        return VirtualClock(0 if seed is None else seed)
    if seed is not None:
        raise OptionError("seed", seed, 'given with clock="virtual"', 'record(clock="virtual", seed=3)')
    if clock is None:
        return current_clock()
    if not isinstance(clock, Clock):
        expected = "None for the real clock, 'virtual', or an object of a subclass of kaygraph_viz.clock.clock.Clock"
        raise OptionError("clock", clock, expected, 'clock="virtual"')
    return clock


def checked_watch(shared_access: bool | Literal["strict"]) -> SharedWatch | None:
    """Return the watch of accesses to the shared store, or None where that is not wanted."""
    if shared_access not in (False, True, "strict"):
        raise OptionError("shared_access", shared_access, "False, True or 'strict'", "shared_access=True")
    return SharedWatch(strict=shared_access == "strict") if shared_access else None


def checked_cap(max_spans: int | None) -> int:
    """Return the most spans that are kept."""
    return checked_whole("max_spans", DEFAULT_MAX_SPANS if max_spans is None else max_spans, 1)


def checked_period(sample_s: float | None) -> float | None:
    """Return the time between two readings of the CPU clocks of threads [s], or None for no sampling."""
    if sample_s is None:
        return None
    what = "None, or a number of seconds"
    return checked_number("sample_s", sample_s, SHORTEST_S, LONGEST_S, "sample_s=0.002", what=what)


_teller: InForce[Callable[[Trace], object] | None] = InForce("kaygraph_viz_teller", None)


def told_of_traces(tell: Callable[[Trace], object]) -> AbstractContextManager[None]:
    """Call `tell` with each trace that is begun inside the block, right at its beginning."""
    return _teller.set_to(tell)


def announced(trace: Trace) -> Trace:
    """Return a trace that has just been begun, after passing it to the listener of `told_of_traces`."""
    tell = _teller.get()
    if tell is not None:
        tell(trace)
    return trace
