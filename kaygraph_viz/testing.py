"""Helpers for tests of parallel code: traces made by hand and a clock that only moves when it is told to.

Belongs here: what readers can use in tests of their own code as well as we do in ours.
Does not belong here: fixtures and data of one test module.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from kaygraph_viz.errors import OptionError
from kaygraph_viz.trace.columns import Spans
from kaygraph_viz.trace.span import NO_ATTRIBUTES, Kind, Row, Span, Status
from kaygraph_viz.trace.trace import Trace

__all__ = ["FakeClock", "SpanTree", "bar", "make_trace"]

SpanTree: TypeAlias = "Span | tuple[Span, Sequence[SpanTree]]"


class FakeClock:
    """A clock for tests: time passes only through `sleep`, `work` and `advance`, and then at once.

    All threads share one time. There is no scheduling: two threads that sleep one second each move the time by two.

    Parameters
    ----------
    start_s
        What the clock shows first [s].

    Examples
    --------
    >>> from kaygraph_viz.trace.recorder import record, span
    >>> clock = FakeClock()
    >>> with record(clock=clock) as trace, span("parse"):
    ...     clock.work(0.5)
    ...     clock.sleep(1.5)
    >>> trace.spans[0].service_s, trace.spans[0].cpu_ns
    (2.0, 500000000)
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_ns = _ns("start_s", start_s)
        self._cpu_of_thread: dict[int, int] = {}
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """Return the time [ns]."""
        return self._now_ns

    def cpu_ns(self) -> int:
        """Return the CPU time that the calling thread spent in `work` [ns]."""
        return self._cpu_of_thread.get(threading.get_ident(), 0)

    def sleep(self, seconds: float) -> None:
        """Move the time on by `seconds` [s], 0 or more, without using CPU."""
        self._pass(_ns("seconds", seconds), 0)

    async def sleep_async(self, seconds: float) -> None:
        """Do as `sleep`, and let the other tasks of the loop have a turn."""
        self.sleep(seconds)
        await asyncio.sleep(0)

    def work(self, seconds: float) -> None:
        """Move the time on by `seconds` [s], 0 or more, and count them as CPU time of the calling thread."""
        self._pass(_ns("seconds", seconds), _ns("seconds", seconds))

    def advance(self, seconds: float) -> None:
        """Move the time on by `seconds` [s], 0 or more, as a test does from outside the code under test."""
        self._pass(_ns("seconds", seconds), 0)

    def _pass(self, time_ns: int, cpu_ns: int) -> None:
        thread = threading.get_ident()
        with self._lock:
            self._now_ns += time_ns
            self._cpu_of_thread[thread] = self._cpu_of_thread.get(thread, 0) + cpu_ns

    def __repr__(self) -> str:
        return f"FakeClock({self._now_ns / 1e9:g})"


def bar(
    name: str,
    lane: str,
    start_s: float,
    end_s: float,
    *,
    queued_s: float = 0.0,
    cpu_s: float | None = None,
    blocked_s: float = 0.0,
    kind: Kind = "branch",
    status: Status = "ok",
    attempt: int = 1,
    index: int | None = None,
    error: str | None = None,
    span_id: int = 0,
    parent_id: int | None = None,
    links: tuple[int, ...] = (),
    **attributes: Any,
) -> Span:
    """Return one span written in seconds, for `make_trace`.

    Parameters
    ----------
    name, lane
        What it is called and the worker it ran on.
    start_s, end_s
        When it began and ended [s].
    queued_s
        How long before `start_s` it was submitted [s].
    cpu_s
        CPU time [s]; None: not measured.
    blocked_s
        Time blocked by a full queue or a limit [s].
    kind, status, attempt, index, error, parent_id, links, **attributes
        As for `Span`.
    span_id
        Its number; 0: `make_trace` gives it one.

    Examples
    --------
    >>> bar("check", "thread-1", 0.5, 2, queued_s=0.25).queue_wait_s
    0.25
    """
    return Span(
        span_id,
        parent_id,
        name,
        kind,
        lane,
        round((start_s - queued_s) * 1e9),
        round(start_s * 1e9),
        round(end_s * 1e9),
        None if cpu_s is None else round(cpu_s * 1e9),
        round(blocked_s * 1e9),
        status,
        attempt,
        index,
        error,
        attributes or NO_ATTRIBUTES,
        links,
    )


def make_trace(*spans: SpanTree, dropped: int = 0, check: bool = True) -> Trace:
    """Return a finished trace of the given spans.

    Parameters
    ----------
    *spans
        `Span` objects, as `bar` makes them. A pair ``(parent, [children])`` nests; children may be pairs again.
        Spans whose number is 0 are numbered in the order in which they are written.
    dropped
        How many spans the trace says were not kept.
    check
        Whether to refuse a trace that breaks an invariant, so that a test does not rest on an impossible run.

    Returns
    -------
    Trace
        As `record` leaves it: immutable.

    Raises
    ------
    TraceError
        If `check` is true and the spans cannot have happened.
    OptionError
        If an argument is not a span or a pair.

    Examples
    --------
    >>> trace = make_trace((bar("exec", "main", 0, 2, kind="phase"), [bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2)]))
    >>> [(span.span_id, span.parent_id, span.name) for span in trace]
    [(1, None, 'exec'), (2, 1, 'a'), (3, 1, 'b')]
    """
    collected = Spans()
    for span in _numbered(spans):
        collected.append(_row(span))
    columns = collected.columns()
    columns.rows.flags.writeable = False
    trace = Trace(columns, dropped)
    return trace.validate() if check else trace


def _numbered(trees: Sequence[SpanTree]) -> list[Span]:
    """Flatten the trees in the order of writing, with a stack: a trace may be nested deeper than Python can recurse."""
    found: list[Span] = []
    next_id = 1 + _highest_id(trees)
    waiting: list[tuple[SpanTree, int | None]] = [(tree, None) for tree in reversed(trees)]
    while waiting:
        tree, parent_id = waiting.pop()
        span, children = _split(tree)
        if not span.span_id:
            span, next_id = replace(span, span_id=next_id), next_id + 1
        found.append(replace(span, parent_id=parent_id) if parent_id is not None else span)
        waiting += [(child, span.span_id) for child in reversed(children)]
    return found


def _highest_id(trees: Sequence[SpanTree]) -> int:
    highest, waiting = 0, list(trees)
    while waiting:
        span, children = _split(waiting.pop())
        highest = max(highest, span.span_id)
        waiting += children
    return highest


def _split(tree: Any) -> tuple[Span, Sequence[SpanTree]]:
    span, children = tree if isinstance(tree, tuple) and len(tree) == 2 else (tree, ())
    if not isinstance(span, Span):
        expected = "Span objects or pairs (span, [children])"
        raise OptionError("make_trace(*spans)", tree, expected, 'make_trace(bar("a", "main", 0, 1))')
    return span, children


def _row(span: Span) -> Row:
    return (
        span.span_id,
        span.parent_id or 0,
        -1 if span.index is None else span.index,
        span.name,
        span.kind,
        span.lane,
        span.submitted_ns,
        span.started_ns,
        span.ended_ns,
        -1 if span.cpu_ns is None else span.cpu_ns,
        span.blocked_ns,
        span.status,
        span.attempt,
        span.error,
        span.attributes or None,
        span.links or None,
    )


def _ns(name: str, seconds: float) -> int:
    if not 0 <= seconds < float("inf"):
        raise OptionError(name, seconds, "a number of seconds, 0 or more", "clock.sleep(0.1)")
    return round(seconds * 1e9)
