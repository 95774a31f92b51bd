"""Criteria that a run is graded by: its structure, never its seconds alone.

Belongs here: criteria of any parallel run. Does not belong here: those of pipelines (``stage_criteria``), applying and
showing them (``grade``).

Each criterion evaluates a trace: whether it is met, why, and which part of the chart shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.analysis.intervals import Ints, concurrency
from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import counted, duration, join_words
from kaygraph_viz.execute.explore import Exploration
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

__all__ = [
    "Criterion", "Finding", "all_ok", "at_least_at_once", "at_most_at_once", "efficiency_at_least", "faster_than",
    "holds_always", "longest_stretch", "no_conflicts", "no_idle_worker", "overlaps", "same_result", "starts_after",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """The result of one criterion for one run.

    Parameters
    ----------
    is_met
        Whether it is met.
    reason
        The reason, in one sentence.
    from_s, to_s
        The part of the chart that shows it [s since the first submission], or None.
    """

    is_met: bool
    reason: str
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True)
class Criterion:
    """A goal of a run, and how to tell from the trace whether the run meets it."""

    goal: str
    evaluate: Callable[[Trace], Finding]


def at_least_at_once(count: int, *names: str) -> Criterion:
    """Require that at some moment at least `count` branches (of these names together) run at once."""
    what = _branches_called(names)

    def evaluate(trace: Trace) -> Finding:
        peak, _ = _peak(trace, names)
        reason = f"at most {peak} {what} ran at once"
        return Finding(True, reason) if peak >= count else Finding(False, reason, *_longest_below(trace, count, names))

    return Criterion(f"at least {count} {what} at once", evaluate)


def at_most_at_once(count: int, *names: str) -> Criterion:
    """Require that never more than `count` branches (of these names together) run at once."""
    what = _branches_called(names)

    def evaluate(trace: Trace) -> Finding:
        peak, (from_s, to_s) = _peak(trace, names)
        if peak <= count:
            return Finding(True, f"at most {peak} {what} ran at once")
        return Finding(False, f"{peak} {what} ran at once", from_s, to_s)

    return Criterion(f"never more than {count} {what} at once", evaluate)


def starts_after(later: str, earlier: str) -> Criterion:
    """Require that no branch called `later` begins before the last one called `earlier` has ended."""

    def evaluate(trace: Trace) -> Finding:
        before, after = _named(trace, earlier), _named(trace, later)
        if not before or not after:
            missing = earlier if not before else later
            return Finding(False, f"there is no branch called {missing!r}")
        ended, began = max(span.ended_ns for span in before), min(span.started_ns for span in after)
        if began >= ended:
            return Finding(True, f"the first {later} began after the last {earlier} had ended")
        zero = _zero(trace)
        return Finding(False, f"a {later} began before the last {earlier} ended", _s(began, zero), _s(ended, zero))

    return Criterion(f"{later} only after every {earlier}", evaluate)


def overlaps(one: str, other: str) -> Criterion:
    """Require that at some moment a branch called `one` and a branch called `other` run at the same time."""

    def evaluate(trace: Trace) -> Finding:
        first, second = _named(trace, one), _named(trace, other)
        if not first or not second:
            return Finding(False, f"there is no branch called {one if not first else other!r}")
        if any(a.started_ns < b.ended_ns and b.started_ns < a.ended_ns for a in first for b in second):
            return Finding(True, f"{one} and {other} ran at the same time")
        earlier, later = sorted((first, second), key=lambda spans: min(span.started_ns for span in spans))
        zero = _zero(trace)
        began, ended = min(span.started_ns for span in earlier), max(span.ended_ns for span in earlier)
        reason = f"while {earlier[0].name} ran, no {later[0].name} ran"
        return Finding(False, reason, _s(began, zero), _s(ended, zero))

    return Criterion(f"{one} and {other} at the same time", evaluate)


def no_idle_worker(share: float = 0.1) -> Criterion:
    """Require that no worker is idle for more than a `share` of the run, 0 to 1, while branches wait for a worker."""

    def evaluate(trace: Trace) -> Finding:
        lane, from_ns, to_ns = _longest_idle(trace)
        makespan_ns = trace.makespan_s * 1e9
        if to_ns - from_ns <= share * makespan_ns:
            return Finding(True, "no worker was idle while work was waiting")
        zero, part = _zero(trace), (to_ns - from_ns) / makespan_ns
        reason = f"{lane} had nothing to do for {part:.0%} of the run while work was waiting"
        return Finding(False, reason, _s(from_ns, zero), _s(to_ns, zero))

    return Criterion("no worker idle while work waits", evaluate)


def faster_than(baseline: Trace, ratio: float = 1.5) -> Criterion:
    """Require a run at least `ratio` times as fast as another one; 1.5 leaves room for noise of a busy machine."""

    def evaluate(trace: Trace) -> Finding:
        gain = baseline.makespan_s / trace.makespan_s if trace.makespan_s else 0.0
        reason = f"it was {gain:.1f} times as fast"
        return Finding(True, reason) if gain >= ratio else Finding(False, reason, *_longest_below(trace, 2))

    return Criterion(f"at least {ratio:g} times as fast as before", evaluate)


def efficiency_at_least(share: float) -> Criterion:
    """Require an efficiency, speedup / workers, of at least a `share`, 0 to 1, against too many workers."""

    def evaluate(trace: Trace) -> Finding:
        summary = summarize(trace)
        share_of = f"the efficiency of {counted(summary.workers, 'worker')} was about {summary.efficiency:.0%}"
        reason = f"{share_of}: one after the other, the run would take about {duration(summary.serial_s)}"
        if summary.efficiency >= share:
            return Finding(True, reason)
        return Finding(False, reason, *_longest_below(trace, summary.workers))

    return Criterion(f"an efficiency of at least {share:.0%}", evaluate)


def all_ok(count: int | None = None) -> Criterion:
    """Require that no branch failed, and that there were `count` of them; one around others does not count."""

    def evaluate(trace: Trace) -> Finding:
        every, branches = _named(trace), _innermost(trace)
        bad = [span for span in every if not span.ok]
        if bad:
            zero = _zero(trace)
            reason = f"{len(bad)} of {len(every)} branches failed, the first with {bad[0].error or bad[0].status}"
            return Finding(False, reason, _s(bad[0].started_ns, zero), _s(bad[0].ended_ns, zero))
        if count is not None and len(branches) != count:
            return Finding(False, f"there were {len(branches)} branches")
        return Finding(True, f"all {len(branches)} branches succeeded")

    goal = "every branch succeeds" if count is None else f"{count} branches, and all of them succeed"
    return Criterion(goal, evaluate)


def no_conflicts() -> Criterion:
    """Require that no two overlapping branches access one key in conflict; needs ``record(shared_access=True)``."""

    def evaluate(trace: Trace) -> Finding:
        found = conflicts(trace)
        if not found:
            return Finding(True, "no two branches that overlapped wrote the same key")
        zero, first = _zero(trace), found[0]
        ended = min(first.first.ended_ns, first.second.ended_ns)
        return Finding(False, str(first), _s(first.second.started_ns, zero), _s(ended, zero))

    return Criterion("no two branches on one key at once", evaluate)


def same_result(value: Any, expected: Any) -> Criterion:
    """Require that a result is the expected one, since a faster run must not change it."""
    return Criterion(
        "the same result as before",
        lambda trace: Finding(bool(value == expected), "it is the same" if value == expected else "it is different"),
    )


def holds_always(exploration: Exploration) -> Criterion:
    """Require that an exploration found no error under any schedule."""
    how = str(exploration).splitlines()[-1]
    reason = f"it held in all {len(exploration.seeds)} schedules" if exploration.ok else f"it failed in one; {how}"

    return Criterion("right under every schedule", lambda trace: Finding(exploration.ok, reason))


def _branches_called(names: Iterable[str]) -> str:
    return f"{join_words(list(names))} branches".strip()


def _named(trace: Trace, *names: str) -> list[Span]:
    """Return the branches of some names, or all."""
    return [span for span in trace if span.kind == "branch" and (not names or span.name.split(" ")[0] in names)]


def _innermost(trace: Trace) -> list[Span]:
    """Return the branches that have no others inside: a branch around others has no bar in the chart."""
    is_around = Nesting.of(trace.columns).enclosing(trace.columns.is_kind("branch"))
    around = set(trace.columns.rows["span_id"][is_around].tolist())
    return [span for span in _named(trace) if span.span_id not in around]


def _zero(trace: Trace) -> int:
    return min((span.submitted_ns for span in trace), default=0)


def _s(time_ns: float, zero_ns: int) -> float:
    return (time_ns - zero_ns) / 1e9


def _at_once(trace: Trace, names: Sequence[str] = ()) -> tuple[Ints, Ints]:
    """Return the times at which the number of running branches changes [ns], and the number from each on."""
    spans = _named(trace, *names) if names else _innermost(trace)
    starts = np.array([span.started_ns for span in spans], np.int64)
    ends = np.array([span.ended_ns for span in spans], np.int64)
    return concurrency(starts, ends)


def _longest_below(trace: Trace, count: int, names: Sequence[str] = ()) -> tuple[float, float]:
    """Return the longest time with fewer than `count` branches at once, also before and after all branches [s]."""
    times, counts = _at_once(trace, names)
    zero, end = _zero(trace), max((span.ended_ns for span in trace), default=0)
    changes = zip([zero, *times.tolist(), end], [0, *counts.tolist(), 0], strict=True)
    from_ns, to_ns = longest_stretch((time, running < count) for time, running in changes)
    return _s(from_ns, zero), _s(to_ns, zero)


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


def _peak(trace: Trace, names: Sequence[str]) -> tuple[int, tuple[float, float]]:
    """Return the largest number of branches at once, and the first time with so many, from and to [s]."""
    times, counts = _at_once(trace, names)
    if not len(times):
        return 0, (0.0, 0.0)
    first, zero = int(counts.argmax()), _zero(trace)
    return int(counts[first]), (_s(int(times[first]), zero), _s(int(times[first + 1]), zero))


def _longest_idle(trace: Trace) -> tuple[str, float, float]:
    """Return the lane of a worker and the longest time in which it was idle while a branch waited to start [ns]."""
    branches = _named(trace)
    waits = [(span.submitted_ns, span.started_ns) for span in branches if span.started_ns > span.submitted_ns]
    longest: tuple[str, float, float] = ("", 0, 0)
    for lane, gap_from, gap_to in _idle_gaps(branches):
        for wait_from, wait_to in waits:
            low, high = max(gap_from, wait_from), min(gap_to, wait_to)
            if high - low > longest[2] - longest[1]:
                longest = (lane, low, high)
    return longest


def _idle_gaps(branches: list[Span]) -> Iterator[tuple[str, int, int]]:
    """Yield the gaps between the branches of each lane, also before the first and after the last: lane, from, to."""
    begin = min((span.submitted_ns for span in branches), default=0)
    end = max((span.ended_ns for span in branches), default=0)
    for lane in dict.fromkeys(span.lane for span in branches):
        mine = sorted((span.started_ns, span.ended_ns) for span in branches if span.lane == lane)
        for (_, gap_from), (gap_to, _) in pairwise([(begin, begin), *mine, (end, end)]):
            yield lane, gap_from, gap_to
