"""Goals about what runs at the same time, and what only after something else.

Belongs here: numbers of branches at once, overlaps, orders, idle workers. Does not belong here: how fast a run is
(``speed``), the stages of a pipeline (``stages``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from kaygraph_viz.analysis.intervals import Ints, concurrency
from kaygraph_viz.analysis.wording import counted, duration, join_words
from kaygraph_viz.lessons.goals.goal import Finding, Goal, innermost, named, seconds, zero_of
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

__all__ = [
    "at_least_at_once",
    "at_most_at_once",
    "longest_below",
    "longest_stretch",
    "no_idle_worker",
    "overlaps",
    "starts_after",
]


def at_least_at_once(count: int, *names: str) -> Goal:
    """Require that at some moment at least `count` branches (of these names together) run at once.

    A branch that waits for a lock, a semaphore or a limit does not run meanwhile: one lock around everything leaves one
    branch at once.
    """

    def evaluate(trace: Trace) -> Finding:
        peak, _ = _peak(trace, names)
        reason = f"at most {_counted(peak, names)} ran at once"
        if peak >= count:
            return Finding(True, reason)
        return Finding(False, f"{reason}, expected {count}", *longest_below(trace, count, names))

    return Goal(f"at least {_counted(count, names)} at once", evaluate)


def at_most_at_once(count: int, *names: str) -> Goal:
    """Require that never more than `count` branches (of these names together) run at once.

    A branch that waits for a lock, a semaphore or a limit does not run meanwhile.
    """

    def evaluate(trace: Trace) -> Finding:
        peak, (from_s, to_s) = _peak(trace, names)
        if peak <= count:
            return Finding(True, f"at most {_counted(peak, names)} ran at once")
        when = f"{duration(from_s)} after the start"
        return Finding(False, f"{_counted(peak, names)} ran at once, {when}; expected at most {count}", from_s, to_s)

    return Goal(f"never more than {_counted(count, names)} at once", evaluate)


def starts_after(later: str, earlier: str) -> Goal:
    """Require that no branch called `later` begins before the last one called `earlier` has ended."""

    def evaluate(trace: Trace) -> Finding:
        before, after = named(trace, earlier), named(trace, later)
        if not before or not after:
            missing = earlier if not before else later
            return Finding(False, f"there is no branch called {missing!r}")
        ended, began = max(span.ended_ns for span in before), min(span.started_ns for span in after)
        if began >= ended:
            return Finding(True, f"the first {later} began after the last {earlier} had ended")
        from_s, to_s = seconds(began, zero_of(trace)), seconds(ended, zero_of(trace))
        last = max(before, key=lambda span: span.ended_ns).name
        reason = f"the first {later} began at {duration(from_s)}, but {last} ended at {duration(to_s)}"
        return Finding(False, reason, from_s, to_s)

    return Goal(f"{later} only after every {earlier}", evaluate)


def overlaps(one: str, other: str) -> Goal:
    """Require that at some moment a branch called `one` and a branch called `other` run at the same time."""

    def evaluate(trace: Trace) -> Finding:
        first, second = named(trace, one), named(trace, other)
        if not first or not second:
            return Finding(False, f"there is no branch called {one if not first else other!r}")
        if any(a.started_ns < b.ended_ns and b.started_ns < a.ended_ns for a in first for b in second):
            return Finding(True, f"{one} and {other} ran at the same time")
        earlier, later = sorted((first, second), key=lambda spans: min(span.started_ns for span in spans))
        zero = zero_of(trace)
        from_s = seconds(min(span.started_ns for span in earlier), zero)
        to_s = seconds(max(span.ended_ns for span in earlier), zero)
        starts = duration(seconds(min(span.started_ns for span in later), zero))
        ran = f"{earlier[0].name} ran until {duration(to_s)}, and {later[0].name} only from {starts} on"
        return Finding(False, ran, from_s, to_s)

    return Goal(f"{one} and {other} at the same time", evaluate)


def no_idle_worker(share: float = 0.1) -> Goal:
    """Require that no worker is idle for more than a `share` of the run, 0 to 1, while branches wait for a worker."""

    def evaluate(trace: Trace) -> Finding:
        lane, from_ns, to_ns = _longest_idle(trace)
        makespan_ns = trace.makespan_s * 1e9
        if to_ns - from_ns <= share * makespan_ns:
            return Finding(True, "no worker was idle while work was waiting")
        part = (to_ns - from_ns) / makespan_ns
        from_s, to_s = seconds(from_ns, zero_of(trace)), seconds(to_ns, zero_of(trace))
        when = f"from {duration(from_s)} to {duration(to_s)}, {part:.0%} of the run"
        return Finding(False, f"{lane} had nothing to do {when}, while work was waiting", from_s, to_s)

    return Goal("no worker idle while work waits", evaluate)


def longest_below(trace: Trace, count: int, names: Sequence[str] = ()) -> tuple[float, float]:
    """Return the longest time with fewer than `count` branches at once, also before and after all branches [s]."""
    times, counts = _at_once(trace, names)
    zero, end = zero_of(trace), max((span.ended_ns for span in trace), default=0)
    changes = zip([zero, *times.tolist(), end], [0, *counts.tolist(), 0], strict=True)
    from_ns, to_ns = longest_stretch((time, running < count) for time, running in changes)
    return seconds(from_ns, zero), seconds(to_ns, zero)


def longest_stretch(changes: Iterable[tuple[int, bool]]) -> tuple[int, int]:
    """Return start and end of the longest time in which a condition holds, 0 and 0 if it never does [ns].

    `changes` are times in order [ns], each with whether the condition holds from then on.

    Examples
    --------
    >>> longest_stretch([(0, False), (2, True), (3, True), (7, False), (8, True), (9, False)])
    (2, 7)
    """
    longest, began = (0, 0), None
    for time, holds in changes:
        if began is not None and time - began > longest[1] - longest[0]:
            longest = (began, time)
        began = (time if began is None else began) if holds else None
    return longest


def _at_once(trace: Trace, names: Sequence[str] = ()) -> tuple[Ints, Ints]:
    """Return the times at which the number of running branches changes [ns], and the number from each on."""
    spans = named(trace, *names) if names else innermost(trace)
    starts, ends = np.array([time for span in spans for time in _running(span)], np.int64).reshape(-1, 2).T
    return concurrency(starts, ends)


def _running(span: Span) -> Iterator[tuple[int, int]]:
    """Yield from when to when a branch ran [ns], without the waits for locks, semaphores and limits."""
    from_ns = span.started_ns
    for part in span.parts if span.blocked_ns else ():
        if part.kind == "blocked":
            yield from_ns, part.started_ns
            from_ns = part.ended_ns
    yield from_ns, span.ended_ns


def _counted(number: int, names: Sequence[str]) -> str:
    """Return a number of branches in words, such as "2 map branches"."""
    word = f"{join_words(list(names))} branch".strip()
    return counted(number, word, f"{word}es")


def _peak(trace: Trace, names: Sequence[str]) -> tuple[int, tuple[float, float]]:
    """Return the largest number of branches at once, and the first time with so many, from and to [s]."""
    times, counts = _at_once(trace, names)
    if not len(times):
        return 0, (0.0, 0.0)
    first, zero = int(counts.argmax()), zero_of(trace)
    return int(counts[first]), (seconds(int(times[first]), zero), seconds(int(times[first + 1]), zero))


def _longest_idle(trace: Trace) -> tuple[str, float, float]:
    """Return the lane of a worker and the longest time in which it was idle while a branch waited to start [ns]."""
    branches = named(trace)
    waits = [(span.submitted_ns, span.started_ns) for span in branches if span.started_ns > span.submitted_ns]
    longest: tuple[str, float, float] = ("", 0, 0)
    begin = min((span.submitted_ns for span in branches), default=0)
    end = max((span.ended_ns for span in branches), default=0)
    for lane in dict.fromkeys(span.lane for span in branches):
        mine = sorted((span.started_ns, span.ended_ns) for span in branches if span.lane == lane)
        for (_, gap_from), (gap_to, _) in pairwise([(begin, begin), *mine, (end, end)]):
            for wait_from, wait_to in waits:
                low, high = max(gap_from, wait_from), min(gap_to, wait_to)
                if high - low > longest[2] - longest[1]:
                    longest = (lane, low, high)
    return longest
