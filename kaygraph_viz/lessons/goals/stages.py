"""Goals that a run of a pipeline is graded by: its queues, the items in flight, and that none is lost.

Belongs here: goals that know stages. Does not belong here: those of any parallel run (``at_once``).

The links of a trace tell which items are in flight: from each branch to the branch of the stage before that made its
item.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kaygraph_viz.analysis.intervals import concurrency
from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.lessons.goals.at_once import longest_stretch
from kaygraph_viz.lessons.goals.goal import Finding, Goal
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

__all__ = ["at_most_on_the_way", "nothing_lost", "queue_at_most"]


def queue_at_most(count: int, stage: str | None = None) -> Goal:
    """Require that never more than `count` items wait in front of a stage, or of any stage."""
    where = f"in front of {stage}" if stage else "in any queue"

    def evaluate(trace: Trace) -> Finding:
        branches = trace.where(kind="branch")
        found = []
        for name in dict.fromkeys(_stage(span) for span in branches):
            waits = [(span.submitted_ns, span.started_ns) for span in branches if _stage(span) == name]
            found += [(*_peak(trace, waits, count), name)] if stage in (None, name) else []
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
        peak, from_s, to_s = _peak(trace, journeys, count)
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


def _peak(trace: Trace, intervals: Iterable[tuple[int, int]], allowed: int) -> tuple[int, float, float]:
    """Return how many of the intervals [ns] overlapped at once at most, and the longest time with too many [s]."""
    starts, ends = np.array(list(intervals), np.int64).reshape(-1, 2).T
    times, counts = concurrency(starts, ends)
    changes = zip(times.tolist(), counts.tolist(), strict=True)
    from_ns, to_ns = longest_stretch((time, count > allowed) for time, count in changes)
    zero = min(span.submitted_ns for span in trace)
    return int(counts.max(initial=0)), (from_ns - zero) / 1e9, (to_ns - zero) / 1e9
