"""What a run of a pipeline can be graded by: its queues, what is on its way, and that nothing is lost.

Belongs here: criteria that know stages. Does not belong here: those for any parallel run (``criteria``).

What is on its way follows from the links of a trace: a branch says which branch of the stage before made its item.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kaygraph_viz.analysis.intervals import concurrency
from kaygraph_viz.lessons.criteria import Criterion, Finding
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

__all__ = ["at_most_on_the_way", "nothing_lost", "queue_at_most"]


def queue_at_most(count: int, stage: str | None = None) -> Criterion:
    """Require that never more than `count` items wait in front of a stage, or of any stage."""
    where = f"in front of {stage}" if stage else "in any queue"

    def look(trace: Trace) -> Finding:
        branches = trace.where(kind="branch")
        found = []
        for name in dict.fromkeys(_stage(span) for span in branches):
            waits = [(span.submitted_ns, span.started_ns) for span in branches if _stage(span) == name]
            found += [(*_most(trace, waits, count), name)] if stage in (None, name) else []
        if not found:
            return _missing(stage or "any")
        most, from_s, to_s, name = max(found, key=lambda each: each[0])
        if most <= count:
            return Finding(True, f"at most {most} items waited {where}")
        return Finding(False, f"{most} items waited in front of {name}", from_s, to_s)

    return Criterion(f"never more than {count} items waiting {where}", look)


def at_most_on_the_way(count: int, first: str, last: str) -> Criterion:
    """Require that never more than `count` items are on their way: done by stage `first`, but not by stage `last`.

    An item that fails has arrived as well. What a blocked worker holds is on its way.
    """

    def look(trace: Trace) -> Finding:
        made_of = {link: span for span in trace.where(kind="branch") for link in span.links}
        begun = [span for span in trace.where(kind="branch") if _stage(span) == first and span.ok]
        if not begun:
            return _missing(first)
        journeys = [(_done_ns(span), _arrived_ns(span, made_of, last)) for span in begun]
        most, from_s, to_s = _most(trace, journeys, count)
        if most <= count:
            return Finding(True, f"at most {most} items were in the pipeline")
        return Finding(False, f"{most} items were in the pipeline", from_s, to_s)

    return Criterion(f"never more than {count} items in the pipeline", look)


def nothing_lost(first: str, last: str) -> Criterion:
    """Require that each item that stage `first` handed on came through stage `last`, or failed, and that only once."""

    def look(trace: Trace) -> Finding:
        branches = trace.where(kind="branch")
        handed_on = sum(span.ok for span in branches if _stage(span) == first)
        through = sum(span.ok for span in branches if _stage(span) == last)
        failed = sum(not span.ok for span in branches if _stage(span) != first)
        if not handed_on:
            return _missing(first)
        return Finding(handed_on == through + failed, f"{handed_on} went in, {through} came through, {failed} failed")

    return Criterion("no item lost, and no item twice", look)


def _stage(span: Span) -> str:
    return span.name.split(" ")[0]


def _done_ns(span: Span) -> int:
    """Return when a branch was done with its item: if it is blocked after that, the next queue was full [ns]."""
    last = span.parts[-1] if span.parts else None
    return last.started_ns if last is not None and last.kind == "blocked" else span.ended_ns


def _arrived_ns(span: Span, made_of: dict[int, Span], last: str) -> int:
    """Return when the item that a branch handed on was through the last stage, or had failed [ns]."""
    while _stage(span) != last and span.span_id in made_of:
        span = made_of[span.span_id]
    return _done_ns(span)


def _missing(stage: str) -> Finding:
    return Finding(False, f"no item went through a stage called {stage!r}")


def _most(trace: Trace, spells: Iterable[tuple[int, int]], allowed: int) -> tuple[int, float, float]:
    """Return how many spells of time [ns] there were at once at most, and the longest time with too many [s]."""
    starts, ends = np.array(list(spells), np.int64).reshape(-1, 2).T
    times, counts = concurrency(starts, ends)
    longest, began = (0, 0), None
    for moment, count in zip(times.tolist(), counts.tolist(), strict=True):
        if began is not None and moment - began > longest[1] - longest[0]:
            longest = (began, moment)
        began = (moment if began is None else began) if count > allowed else None
    zero = min(span.submitted_ns for span in trace)
    return int(counts.max(initial=0)), (longest[0] - zero) / 1e9, (longest[1] - zero) / 1e9
