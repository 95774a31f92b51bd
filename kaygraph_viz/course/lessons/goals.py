"""Goals that a run is graded by: its structure, never its seconds alone.

Belongs here: each goal, and what it reads from a trace: whether it is met, why, and which part of the chart shows it.
Does not belong here: applying goals and showing the result (``grade``).

>>> from kaygraph_viz.course.lessons import Lesson, goals
>>> from kaygraph_viz.testing import bar, make_trace
>>> at_once = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))
>>> Lesson("00_start_here").grade(at_once, [goals.all_ok(2), goals.at_most_at_once(1)])
1 of 2 goals met
  [x] 2 branches, and all of them succeed: all 2 branches succeeded
  [ ] never more than 1 branch at once: 2 branches ran at once, 0 s after the start; expected at most 1
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import counted, duration, join_words
from kaygraph_viz.base.errors import short
from kaygraph_viz.execute.explore import Exploration
from kaygraph_viz.trace.intervals import Ints, concurrency
from kaygraph_viz.trace.nesting import Nesting
from kaygraph_viz.trace.row import describe_error
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

__all__ = [
    "Finding",
    "Goal",
    "all_ok",
    "as_much_work_as",
    "at_least_at_once",
    "at_most_at_once",
    "at_most_on_the_way",
    "does_the_work",
    "efficiency_at_least",
    "faster_than",
    "holds_always",
    "no_conflicts",
    "no_idle_worker",
    "nothing_lost",
    "overlaps",
    "queue_at_most",
    "same_result",
    "starts_after",
]

LONGEST = 60  # characters of a value
DEEPEST = 20  # keys of a path
BEFORE = 15  # characters shown before the first one that differs
ROUNDING = 1e-9  # sums of the same numbers in another order differ by less
TOLERANCE = 0.02


@dataclass(frozen=True)
class Finding:
    """The result of one goal for one run.

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
class Goal:
    """A goal of a run, and how to tell from the trace whether the run meets it.

    Parameters
    ----------
    text
        The goal, in a few words.
    evaluate
        Returns what it found in a trace.
    """

    text: str
    evaluate: Callable[[Trace], Finding]


def all_ok(count: int | None = None) -> Goal:
    """Require that no branch failed, and that there were `count` of them; one around others does not count."""

    def evaluate(trace: Trace) -> Finding:
        every, branches = named(trace), innermost(trace)
        bad = [span for span in every if not span.ok]
        if bad:
            zero = zero_of(trace)
            failed = f"{len(bad)} of {counted(len(every), 'branch', 'branches')} failed"
            when = duration(seconds(bad[0].ended_ns, zero))
            reason = f"{failed}, the first is {bad[0].name} at {when} with {bad[0].error or bad[0].status}"
            return Finding(False, reason, seconds(bad[0].started_ns, zero), seconds(bad[0].ended_ns, zero))
        if count is not None and len(branches) != count:
            few = count - len(branches)
            what = f"{few} missing" if few > 0 else f"{-few} too many"
            verb = "was" if len(branches) == 1 else "were"
            found = counted(len(branches), "branch", "branches")
            return Finding(False, f"there {verb} {found}, expected {count}: {what}")
        return Finding(True, f"all {len(branches)} branches succeeded")

    goal = "every branch succeeds" if count is None else f"{count} branches, and all of them succeed"
    return Goal(goal, evaluate)


def same_result(value: Any, expected: Any) -> Goal:
    """Require that a result is the expected one, since a faster run must not change it.

    Numbers may differ by rounding, and a tuple may stand for a list. The reason names the first difference.
    """
    differs = difference(value, expected)
    return Goal("the same result as before", lambda trace: Finding(not differs, differs or "it is the same"))


def holds_always(exploration: Exploration) -> Goal:
    """Require that an exploration found no error under any schedule."""
    reason = f"it held in all {len(exploration.seeds)} schedules" if exploration.ok else _failure(exploration)
    return Goal("right under every schedule", lambda trace: Finding(exploration.ok, reason))


def _failure(exploration: Exploration) -> str:
    """Return what the first run of an exploration that failed did, and how to see it again."""
    first = exploration.first
    assert first is not None
    name = first.failed[0]
    often = f"{len(exploration.failed[name])} of {counted(len(exploration.seeds), 'schedule')}"
    got = f"got {short(first.result)}" if first.error is None else f"it ended with {describe_error(first.error)}"
    return f"{name!r} failed in {often}; with seed {first.seed}, {got}; .replay() repeats that run"


def no_conflicts() -> Goal:
    """Require that no two overlapping branches access one key in conflict; needs ``record(shared_access=True)``."""

    def evaluate(trace: Trace) -> Finding:
        found = conflicts(trace)
        if not found:
            return Finding(True, "no two branches that overlapped wrote the same key")
        zero, first = zero_of(trace), found[0]
        ended = min(first.first.ended_ns, first.second.ended_ns)
        more = f"; {len(found) - 1} more" if len(found) > 1 else ""
        return Finding(False, f"{first}{more}", seconds(first.second.started_ns, zero), seconds(ended, zero))

    return Goal("no two branches on one key at once", evaluate)


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


def faster_than(baseline: Trace, ratio: float = 1.5) -> Goal:
    """Require a run at least `ratio` times as fast as another one; 1.5 leaves room for noise of a busy machine."""

    def evaluate(trace: Trace) -> Finding:
        if not trace.makespan_s:
            return Finding(False, "the run took no time: nothing was done in it")
        gain = baseline.makespan_s / trace.makespan_s
        times = f"{duration(trace.makespan_s)}, before {duration(baseline.makespan_s)}"
        reason = f"it was {_times(gain, ratio)} times as fast: {times}"
        return Finding(True, reason) if gain >= ratio else Finding(False, reason, *longest_below(trace, 2))

    return Goal(f"at least {ratio:g} times as fast as before", evaluate)


def _times(gain: float, ratio: float) -> str:
    """Return a factor in words; one below the ratio never looks like the ratio."""
    rounded = f"{gain:.1f}"
    return f"{gain:.3f}" if float(rounded) >= ratio > gain else rounded


def efficiency_at_least(share: float) -> Goal:
    """Require an efficiency, speedup / workers, of at least a `share`, 0 to 1, against too many workers."""

    def evaluate(trace: Trace) -> Finding:
        summary = summarize(trace)
        share_of = f"the efficiency of {counted(summary.workers, 'worker')} was about {summary.efficiency:.0%}"
        reason = f"{share_of}: one after the other, the run would take about {duration(summary.serial_s)}"
        if summary.efficiency >= share:
            return Finding(True, reason)
        return Finding(False, reason, *longest_below(trace, summary.workers))

    return Goal(f"an efficiency of at least {share:.0%}", evaluate)


def as_much_work_as(baseline: Trace) -> Goal:
    """Require that one after the other, the run would compute and wait for as long as another one, within 2%.

    A faster run overlaps its work; one that skips a part of it, or sleeps to look busy, is something else.
    """
    before = _Work.of(baseline)

    def evaluate(trace: Trace) -> Finding:
        found = _Work.of(trace)
        if found.is_near(before):
            return Finding(True, f"one after the other, it would take {found}, as before")
        return Finding(False, f"one after the other, it would take {found}; before it was {before}")

    return Goal("as much work as before", evaluate)


@dataclass(frozen=True)
class _Work:
    """How long a run would take one after the other, and for how long it computes [s]."""

    serial_s: float
    computing_s: float

    @classmethod
    def of(cls, trace: Trace) -> _Work:
        found = summarize(trace)
        return cls(found.serial_s, found.cpu_s or 0.0)

    def is_near(self, other: _Work) -> bool:
        limit_s = TOLERANCE * other.serial_s
        return abs(self.serial_s - other.serial_s) <= limit_s and abs(self.computing_s - other.computing_s) <= limit_s

    def __str__(self) -> str:
        return f"{duration(self.serial_s)} ({duration(self.computing_s)} computing)"


def does_the_work(count: int, least_s: float = 0.0, *names: str) -> Goal:
    """Require at least `count` branches (of these names together) that each work for more than `least_s` [s].

    Computing and waiting for a service are work; waiting for a lock, a semaphore or a limit is not. It is for exercises
    whose result could be written down, or computed before the run: then there are no branches, or they do nothing. With
    `least_s` somewhat below what an item takes in simulated time, each item has to be worked on in the run itself.
    """

    def evaluate(trace: Trace) -> Finding:
        branches = named(trace, *names) if names else innermost(trace)
        work_s = [(span.ended_ns - span.started_ns - span.blocked_ns) / 1e9 for span in branches]
        working = sum(each > least_s for each in work_s)
        long = f" for more than {duration(least_s)}" if least_s else ""
        reason = f"{working} of {counted(len(branches), 'branch', 'branches')} worked{long}"
        return Finding(working >= count, reason if working >= count else f"{reason}, expected {count}")

    return Goal(f"the work of {counted(count, 'branch', 'branches')} is done in the run", evaluate)


def queue_at_most(count: int, stage: str | None = None) -> Goal:
    """Require that never more than `count` items wait in front of a stage, or of any stage."""
    where = f"in front of {stage}" if stage else "in any queue"

    def evaluate(trace: Trace) -> Finding:
        branches = trace.where(kind="branch")
        found = []
        for name in dict.fromkeys(_stage(span) for span in branches):
            waits = [(span.submitted_ns, span.started_ns) for span in branches if _stage(span) == name]
            found += [(*_peak_of(trace, waits, count), name)] if stage in (None, name) else []
        if not found:
            return _missing(stage or "any")
        peak, from_s, to_s, name = max(found, key=lambda each: each[0])
        if peak <= count:
            return Finding(True, f"at most {peak} items waited {where}")
        when = f"from {duration(from_s)} on, more than {count} waited"
        return Finding(False, f"{peak} items waited in front of {name}; {when}", from_s, to_s)

    return Goal(f"never more than {count} items waiting {where}", evaluate)


def at_most_on_the_way(count: int, first: str, last: str) -> Goal:
    """Require that never more than `count` items are in flight: done by stage `first`, but not by stage `last`.

    An item that fails in between is no longer in flight. One that a blocked worker holds is.
    """

    def evaluate(trace: Trace) -> Finding:
        made_of = {link: span for span in trace.where(kind="branch") for link in span.links}
        begun = [span for span in trace.where(kind="branch") if _stage(span) == first and span.ok]
        if not begun:
            return _missing(first)
        journeys = []
        for span in begun:
            arrived = span
            while _stage(arrived) != last and arrived.span_id in made_of:  # else it has failed
                arrived = made_of[arrived.span_id]
            journeys.append((_done_ns(span), _done_ns(arrived)))
        peak, from_s, to_s = _peak_of(trace, journeys, count)
        if peak <= count:
            return Finding(True, f"at most {peak} items were in the pipeline")
        when = f"from {duration(from_s)} on, there were more than {count}"
        return Finding(False, f"{peak} items were in the pipeline; {when}", from_s, to_s)

    return Goal(f"never more than {count} items in the pipeline", evaluate)


def nothing_lost(first: str, last: str) -> Goal:
    """Require that each item that stage `first` passed on went through stage `last` or failed, exactly once."""

    def evaluate(trace: Trace) -> Finding:
        branches = trace.where(kind="branch")
        passed_on = sum(span.ok for span in branches if _stage(span) == first)
        through = sum(span.ok for span in branches if _stage(span) == last)
        failed = sum(not span.ok for span in branches if _stage(span) != first)
        if not passed_on:
            return _missing(first)
        lost = passed_on - through - failed
        what = f": {lost} are lost" if lost > 0 else f": {-lost} too many" if lost else ""
        return Finding(not lost, f"{passed_on} went in, {through} came through, {failed} failed{what}")

    return Goal("no item lost, and no item twice", evaluate)


def _stage(span: Span) -> str:
    return span.name.split(" ")[0]


def _done_ns(span: Span) -> int:
    """Return when a branch was done with its item: a blocked part at its end is the wait for a full queue [ns]."""
    last = span.parts[-1] if span.parts else None
    return last.started_ns if last is not None and last.kind == "blocked" else span.ended_ns


def _missing(stage: str) -> Finding:
    return Finding(False, f"no item went through a stage called {stage!r}")


def _peak_of(trace: Trace, intervals: Iterable[tuple[int, int]], allowed: int) -> tuple[int, float, float]:
    """Return how many of the intervals [ns] overlapped at once at most, and the longest time with too many [s]."""
    starts, ends = np.array(list(intervals), np.int64).reshape(-1, 2).T
    times, counts = concurrency(starts, ends)
    changes = zip(times.tolist(), counts.tolist(), strict=True)
    from_ns, to_ns = longest_stretch((time, count > allowed) for time, count in changes)
    zero = min(span.submitted_ns for span in trace)
    return int(counts.max(initial=0)), (from_ns - zero) / 1e9, (to_ns - zero) / 1e9


def named(trace: Trace, *names: str) -> list[Span]:
    """Return the branches of some names, or all."""
    return [span for span in trace if span.kind == "branch" and (not names or span.name.split(" ")[0] in names)]


def innermost(trace: Trace) -> list[Span]:
    """Return the branches that have no others inside: a branch around others has no bar in the chart."""
    is_around = Nesting.of(trace.columns).enclosing(trace.columns.is_kind("branch"))
    around = set(trace.columns.rows["span_id"][is_around].tolist())
    return [span for span in named(trace) if span.span_id not in around]


def zero_of(trace: Trace) -> int:
    """Return the time of the first submission [ns]."""
    return min((span.submitted_ns for span in trace), default=0)


def seconds(time_ns: float, zero_ns: int) -> float:
    """Return a time as the chart shows it [s since `zero_ns`]."""
    return (time_ns - zero_ns) / 1e9


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


def longest_below(trace: Trace, count: int, names: Sequence[str] = ()) -> tuple[float, float]:
    """Return the longest time with fewer than `count` branches at once, also before and after all branches [s]."""
    times, counts = _at_once(trace, names)
    zero, end = zero_of(trace), max((span.ended_ns for span in trace), default=0)
    changes = zip([zero, *times.tolist(), end], [0, *counts.tolist(), 0], strict=True)
    from_ns, to_ns = longest_stretch((time, running < count) for time, running in changes)
    return seconds(from_ns, zero), seconds(to_ns, zero)


def longest_stretch(changes: Iterable[tuple[int, bool]]) -> tuple[int, int]:
    """Return start and end of the longest time in which a condition holds, 0 and 0 if it never does [ns]."""
    longest, began = (0, 0), None
    for time, holds in changes:
        if began is not None and time - began > longest[1] - longest[0]:
            longest = (began, time)
        began = (time if began is None else began) if holds else None
    return longest


def difference(value: Any, expected: Any) -> str:
    """Return what differs between a value and the expected one, or "" if they are the same.

    Lists and tuples with the same items are the same, and so are numbers that differ by rounding only.

    Examples
    --------
    >>> difference([1, 2, 4, 8], [1, 2, 3, 7])
    '2 of 4 items differ; the first is [2]: expected 3, got 4'
    >>> difference({"a": 1, "c": 3}, {"a": 1, "b": {"x": [2]}, "c": 3})
    "1 key is missing: 'b'"
    >>> difference(0.1 + 0.2, 0.3)
    ''
    """
    if _is_same(value, expected):
        return ""
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        differ = [key for key in expected if key in value and not _is_same(value[key], expected[key])]
        keys = _of_keys(value.keys(), expected.keys(), "key")
        first = _differing(differ, len(expected), "value", value, expected)
        return "; ".join(filter(None, [keys, first]))
    if _is_list(value) and _is_list(expected):
        return _of_lists(value, expected)
    if isinstance(value, AbstractSet) and isinstance(expected, AbstractSet):
        return _of_keys(value, expected, "item")
    return _pair(value, expected)


def _is_same(value: Any, expected: Any) -> bool:
    try:
        if isinstance(value, float) and isinstance(expected, float):
            both_nan = math.isnan(value) and math.isnan(expected)
            return both_nan or math.isclose(value, expected, rel_tol=ROUNDING)
        if isinstance(value, Mapping) and isinstance(expected, Mapping):
            return value.keys() == expected.keys() and all(_is_same(value[key], expected[key]) for key in expected)
        if _is_list(value) and _is_list(expected):
            return len(value) == len(expected) and all(map(_is_same, value, expected))
        return bool(np.all(value == expected))
    except Exception:  # what cannot be compared is not the same; a reader's class may raise anything
        return False


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _of_keys(value: Iterable[Any], expected: Iterable[Any], word: str) -> str:
    """Return which keys or items are missing, and which are too many."""
    has, wanted = set(value), set(expected)
    parts = []
    missing, more = [key for key in expected if key not in has], [key for key in value if key not in wanted]
    for found, what in ((missing, "missing"), (more, "too many")):
        if found:
            verb, such = ("is", "") if len(found) == 1 else ("are", "such as ")
            parts.append(f"{counted(len(found), word)} {verb} {what}: {such}{short(found[0], LONGEST)}")
    return "; ".join(parts)


def _of_lists(value: Sequence[Any], expected: Sequence[Any]) -> str:
    differ = [
        place for place, (one, other) in enumerate(zip(value, expected, strict=False)) if not _is_same(one, other)
    ]
    counts = ""
    if len(value) != len(expected):
        few = len(expected) - len(value)
        what = f"{few} missing" if few > 0 else f"{-few} too many"
        counts = f"{counted(len(value), 'item')} instead of {len(expected)}: {what}"
    elif _has_the_same_items(value, expected):
        counts = "the right items in another order"
    return "; ".join(filter(None, [counts, _differing(differ, len(expected), "item", value, expected)]))


def _has_the_same_items(value: Sequence[Any], expected: Sequence[Any]) -> bool:
    try:
        return Counter(value) == Counter(expected)
    except Exception:  # not hashable
        return False


def _differing(differ: Sequence[Any], total: int, word: str, value: Any, expected: Any) -> str:
    """Return how many of the values at some places differ, and how the first of them does."""
    if not differ:
        return ""
    where, one, other = _innermost(value, expected, differ[0])
    how_many = f"{len(differ):,} of {counted(total, word)} {'differs' if len(differ) == 1 else 'differ'}"
    return f"{how_many}; the first is {where}: {_pair(one, other)}"


def _innermost(value: Any, expected: Any, place: Any) -> tuple[str, Any, Any]:
    """Return the path to the first value that differs, from a place on, and the two values there."""
    where = ""
    for _ in range(DEEPEST):
        where += f"[{short(place, LONGEST)}]"
        value, expected = value[place], expected[place]
        if isinstance(value, Mapping) and isinstance(expected, Mapping) and value.keys() == expected.keys():
            places: Iterable[Any] = expected
        elif _is_list(value) and _is_list(expected) and len(value) == len(expected):
            places = range(len(expected))
        else:
            break
        place = next(place for place in places if not _is_same(value[place], expected[place]))
    return where, value, expected


def _pair(value: Any, expected: Any) -> str:
    """Return two values that differ, in words."""
    if isinstance(value, str) and isinstance(expected, str) and max(len(value), len(expected)) > LONGEST:
        same = next(
            (at for at, (a, b) in enumerate(zip(value, expected, strict=False)) if a != b),
            min(len(value), len(expected)),
        )
        cut = max(0, same - BEFORE)
        return (
            f"from character {cut + 1} on, expected {short(expected[cut:], LONGEST)}, got {short(value[cut:], LONGEST)}"
        )
    shown, wanted = short(value, LONGEST), short(expected, LONGEST)
    if shown == wanted:
        return f"expected {wanted} of class {type(expected).__name__}, got one of class {type(value).__name__}"
    return f"expected {wanted}, got {shown}"
