"""Helpers for tests of parallel code: traces made by hand, comparing traces, a clock that tests move.

With pytest, the fixture ``virtual_clock`` is there as well: see ``pytest_plugin``.

Belongs here: what readers can use in tests of their own code as well as we do in ours.
Does not belong here: fixtures and data of one test module.
"""

from __future__ import annotations

import asyncio
import difflib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from kaygraph_viz.base.checks import checked_number
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.base.parts import NO_SHARE, PART_CODE, PartKind, RowParts
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.clock.clock import Clock
from kaygraph_viz.trace.columns import Spans
from kaygraph_viz.trace.row import row_of
from kaygraph_viz.trace.span import NO_ATTRIBUTES, Kind, Span, Status
from kaygraph_viz.trace.trace import Trace

__all__ = ["FakeClock", "SpanTree", "assert_trace", "bar", "make_trace"]

SpanTree: TypeAlias = "Span | tuple[Span, Sequence[SpanTree]]"
SHARE_STEP = 0.001  # in which a trace keeps the shares of CPU of parts


class FakeClock(Clock):
    """A clock for tests: time passes only through `sleep`, `compute` and `advance`, and then at once.

    All threads share one time. There is no scheduling: two threads that sleep one second each move the time by two.

    Parameters
    ----------
    start_s
        What the clock shows first [s].

    Examples
    --------
    >>> from kaygraph_viz.recording import record
    >>> from kaygraph_viz.trace.recorder import span
    >>> clock = FakeClock()
    >>> with record(clock=clock) as trace, span("parse"):
    ...     clock.compute(0.5)
    ...     clock.sleep(1.5)
    >>> trace.spans[0].service_s, trace.spans[0].cpu_ns
    (2.0, 500000000)
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_ns = _ns("start_s", start_s)
        self._cpu_of_thread: dict[int, int] = {}
        self._lock = Lock()

    def now_ns(self) -> int:
        """Return the time [ns]."""
        return self._now_ns

    def cpu_ns(self) -> int:
        """Return the CPU time that the calling thread spent in `compute` [ns]."""
        return self._cpu_of_thread.get(threading.get_ident(), 0)

    def sleep(self, seconds: float) -> None:
        """Move the time on by `seconds` [s], 0 or more, without using CPU."""
        self._pass(_ns("seconds", seconds), 0)

    async def sleep_async(self, seconds: float) -> None:
        """Move the time on as `sleep` does, and yield to the other tasks of the loop."""
        self.sleep(seconds)
        await asyncio.sleep(0)

    def compute(self, seconds: float) -> None:
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
    parts: Sequence[tuple[PartKind, float] | tuple[PartKind, float, float]] | None = None,
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
    parts
        What it did when: pairs of kind and duration [s], which add up to its own; an unknown one may have a third
        number, its share of CPU. None: only the sums above are known.

    Examples
    --------
    >>> bar("check", "thread-1", 0.5, 2, queued_s=0.25).queue_wait_s
    0.25
    >>> [part.kind for part in bar("a", "thread-1", 0, 3, cpu_s=1, parts=[("wait", 2), ("cpu", 1)]).parts]
    ['wait', 'cpu']
    """
    noted, end_s_of_part = [], start_s
    for part_kind, lasts_s, *share in parts or ():
        end_s_of_part += lasts_s
        noted.append((PART_CODE[part_kind], round(end_s_of_part * 1e9), share[0] if share else NO_SHARE))
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
        None if parts is None else tuple(noted),
    )


def make_trace(
    *spans: SpanTree, dropped: int = 0, check: bool = True, machine: Machine | None = None
) -> Trace:  # fmt: skip
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
    machine
        The computer on which it is said to have been recorded: its cores, and whether it has a GIL.

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
        collected.append(row_of(span))
    columns = collected.columns()
    columns.rows.flags.writeable = False
    trace = Trace(columns, dropped, machine=machine)
    return trace.validate() if check else trace


def assert_trace(trace: Iterable[Span], expected: Iterable[Span], *, tolerance_s: float = 0.0) -> None:
    """Compare a trace with the expected one, span by span, and raise an error that shows the differences.

    Compared are name, index, lane, status, attempts, and the times when a span was submitted, began and ended; CPU and
    blocked time and parts where the expected span has them, and parts of two traces where both have noted them; not the
    numbers of spans. Times count from the first submission. Spans of a kind that does not occur among the expected ones
    are left out, so that a list of branches is enough.

    Parameters
    ----------
    trace
        What was recorded.
    expected
        Another trace, or spans made with `bar`; their times count from 0.
    tolerance_s
        How far each time may be off [s]; 0 for the virtual clock, which is exact.

    Raises
    ------
    AssertionError
        With a line for each span that is missing (``-``) or was not expected (``+``).

    Examples
    --------
    >>> trace = make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2))
    >>> assert_trace(trace, [bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2)])
    >>> assert_trace(trace, [bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 3)])
    Traceback (most recent call last):
    ...
    AssertionError: the trace is not what was expected (- expected, + recorded):
        name  lane      submitted  began  ended  status
        a     thread-1        0 s    0 s    1 s  ok
      - b     thread-2        0 s    0 s    3 s  ok
      + b     thread-2        0 s    0 s    2 s  ok
    """
    wanted = sorted(expected, key=_order)
    kinds = {span.kind for span in wanted}
    everything = list(trace)
    first_ns = min((span.submitted_ns for span in everything), default=0)
    zero_ns = first_ns if not isinstance(expected, Trace) else min((span.submitted_ns for span in wanted), default=0)
    found = sorted((span for span in everything if span.kind in kinds or not kinds), key=_order)
    found, wanted = _with_comparable_parts(found, wanted, both_noted=isinstance(expected, Trace))
    if all(span.cpu_ns is None for span in wanted):
        found = [replace(span, cpu_ns=None) for span in found]
    found_rows = [_cells(span, first_ns) for span in found]
    wanted_rows = [_cells(span, zero_ns if isinstance(expected, Trace) else 0) for span in wanted]
    if len(found) == len(wanted):
        pairs = zip(found_rows, wanted_rows, found, wanted, strict=True)
        found_rows = [_merged(got, want, a, b, tolerance_s) for got, want, a, b in pairs]
    if found_rows == wanted_rows:
        return
    raise AssertionError(_difference(found_rows, wanted_rows))


Cells = tuple[str, str, float, float, float, str, str]


def _order(span: Span) -> tuple[int, int, str, str, int]:
    return span.started_ns, span.ended_ns, span.name, span.lane, -1 if span.index is None else span.index


def _cells(span: Span, zero_ns: int) -> Cells:
    name = span.name if span.index is None else f"{span.name} {span.index}"
    status = span.status if span.attempt == 1 else f"{span.status}, {span.attempt} attempts"
    times = (span.submitted_ns - zero_ns, span.started_ns - zero_ns, span.ended_ns - zero_ns)
    return name, span.lane, times[0] / 1e9, times[1] / 1e9, times[2] / 1e9, status, _parts(span)


def _parts(span: Span) -> str:
    sums = [] if span.cpu_ns is None else [f"CPU {span.cpu_ns / 1e9:g} s"]
    sums += [f"blocked {span.blocked_ns / 1e9:g} s"] if span.blocked_ns else []
    noted = span.parts if span.noted_parts is not None else ()
    shares = ("" if part.cpu_share is None else f" ({part.cpu_share:.1%} CPU)" for part in noted)
    parts = (f"{part.kind} {part.lasted_ns / 1e9:.9g} s{share}" for part, share in zip(noted, shares, strict=True))
    return "; ".join(filter(None, [", ".join(sums), ", ".join(parts)]))


def _with_comparable_parts(
    found: list[Span], wanted: list[Span], *, both_noted: bool
) -> tuple[list[Span], list[Span]]:  # fmt: skip
    """Return the spans without the parts that are not compared; without any where spans are missing or too many."""
    if len(found) != len(wanted):
        return [replace(span, noted_parts=None) for span in found], [replace(span, noted_parts=None) for span in wanted]

    def as_if_noted(span: Span) -> RowParts:
        shares = (NO_SHARE if part.cpu_share is None else part.cpu_share for part in span.parts)
        return tuple(
            (PART_CODE[part.kind], part.ended_ns, share) for part, share in zip(span.parts, shares, strict=True)
        )

    pairs = []
    for one, other in zip(found, wanted, strict=True):
        counts = other.noted_parts is not None and (one.noted_parts is not None or not both_noted)
        pairs.append((
            replace(one, noted_parts=as_if_noted(one) if counts else None),
            other if counts else replace(other, noted_parts=None),
        ))  # fmt: skip
    return [one for one, _ in pairs], [other for _, other in pairs]


def _near_parts(found: Span, wanted: Span, tolerance_s: float) -> bool:
    ones, others = ((span.noted_parts or (), span.started_ns) for span in (found, wanted))
    if [kind for kind, _, _ in ones[0]] != [kind for kind, _, _ in others[0]]:
        return False
    return all(
        abs((end - ones[1]) - (other_end - others[1])) <= tolerance_s * 1e9 and abs(share - other_share) <= SHARE_STEP
        for (_, end, share), (_, other_end, other_share) in zip(ones[0], others[0], strict=True)
    )


def _merged(got: Cells, want: Cells, found: Span, wanted: Span, tolerance_s: float) -> Cells:
    """Return a recorded row for the comparison, with the expected values where the difference is within tolerance."""
    near = all(abs(a - b) <= tolerance_s + 1e-12 for a, b in zip(got[2:5], want[2:5], strict=True))
    cpu_ns = found.cpu_ns if wanted.cpu_ns is not None else None
    blocked_ns = found.blocked_ns if wanted.blocked_ns or tolerance_s == 0 else 0
    shown = _parts(replace(found, cpu_ns=cpu_ns, blocked_ns=blocked_ns))
    off_s = (cpu_ns or 0) / 1e9 - (wanted.cpu_ns or 0) / 1e9, (blocked_ns - wanted.blocked_ns) / 1e9
    same_parts = all(abs(off) <= tolerance_s for off in off_s) and _near_parts(found, wanted, tolerance_s)
    times = want[2:5] if near else got[2:5]
    return (got[0], got[1], *times, got[5], want[6] if same_parts else shown)


def _difference(found: list[Cells], wanted: list[Cells]) -> str:
    head = ("name", "lane", "submitted", "began", "ended", "status", "")
    table = [head, *(_texts(row) for row in (*wanted, *found))]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        parts = [
            text.rjust(width) if 2 <= column < 5 else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    shown = difflib.ndiff([line(_texts(row)) for row in wanted], [line(_texts(row)) for row in found])
    lines = [f"  {each}" for each in shown if not each.startswith("?")]
    return "\n".join(["the trace is not what was expected (- expected, + recorded):", f"    {line(head)}", *lines])


def _texts(row: Cells) -> tuple[str, ...]:
    return (row[0], row[1], *(f"{time:.9g} s" for time in row[2:5]), row[5], row[6])


def _numbered(trees: Sequence[SpanTree]) -> list[Span]:
    """Flatten the trees in the order of writing, with a stack: a trace may be nested deeper than Python can recurse."""
    found: list[Span] = []
    highest, unread = 0, list(trees)
    while unread:
        span, children = _split(unread.pop())
        highest = max(highest, span.span_id)
        unread += children

    next_id = highest + 1
    waiting: list[tuple[SpanTree, int | None]] = [(tree, None) for tree in reversed(trees)]
    while waiting:
        tree, parent_id = waiting.pop()
        span, children = _split(tree)
        if not span.span_id:
            span, next_id = replace(span, span_id=next_id), next_id + 1
        found.append(replace(span, parent_id=parent_id) if parent_id is not None else span)
        waiting += [(child, span.span_id) for child in reversed(children)]
    return found


def _split(tree: Any) -> tuple[Span, Sequence[SpanTree]]:
    span, children = tree if isinstance(tree, tuple) and len(tree) == 2 else (tree, ())
    if not isinstance(span, Span):
        expected = "Span objects or pairs (span, [children])"
        raise OptionError("make_trace(*spans)", tree, expected, 'make_trace(bar("a", "main", 0, 1))')
    return span, children


def _ns(name: str, seconds: float) -> int:
    return round(checked_number(name, seconds, example="clock.sleep(0.1)", what="a number of seconds") * 1e9)
