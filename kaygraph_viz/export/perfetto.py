"""A trace as Chrome trace events, the JSON that Perfetto and chrome://tracing open.

Belongs here: tracks, in which spans lie within or beside each other, the events on them, and their file. Does not
belong here: reading such files (``perfetto_reader``).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.parts import Part
from kaygraph_viz.trace.columns import SpanColumns, repeated, sums
from kaygraph_viz.trace.files import FORMAT, VERSION, written
from kaygraph_viz.trace.gauges import GaugeSamples
from kaygraph_viz.trace.memory import MemorySamples
from kaygraph_viz.trace.row import as_fields
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

Event = dict[str, Any]
PID = 1  # one process for all: rows are workers, whatever process they are in
FIRST = 1  # number of the first row; 0 would mean the idle thread of the system
PART = "part"  # category of the parts of spans
PART_OF = "part_of"
APART = "apart"  # category of spans with a track of their own: a viewer identifies the track by it and the id


@overload
def to_perfetto(trace: Trace) -> dict[str, Any]: ...
@overload
def to_perfetto(trace: Trace, path: str | os.PathLike[str]) -> Path: ...
def to_perfetto(trace: Trace, path: str | os.PathLike[str] | None = None) -> dict[str, Any] | Path:
    """Return a trace as Chrome trace events, or write them to a file that Perfetto and chrome://tracing open.

    Each worker is a row. A coroutine has a track of its own, as has a span that overlaps with others of its worker.
    A branch or attempt that did one thing after the other has its parts within it, where nothing else is.
    A link is an arrow, and for each node that had to wait there is a counter of the branches in its queue. So there is
    for each gauge, such as the calls in flight of a limit.

    Parameters
    ----------
    trace
        What was recorded.
    path
        For example ``"run.perfetto.json"``, or ``"run.perfetto.json.gz"`` to have it compressed. An existing file is
        replaced, at once and only when everything was written. None: return the data instead.

    Returns
    -------
    dict or Path
        The trace events, ``json.dumps`` makes a file of them; or where they were written.

    Raises
    ------
    OSError
        If the file cannot be written.

    Notes
    -----
    Times are in microseconds since the first submission, as the format wants it. The arguments of each event hold all
    of the span, with its exact times [ns], and `kaygraph_viz.load` returns the same spans from the file; only lone
    surrogates become question marks in it, and NaN and infinities among attributes texts. Arrows are drawn between
    spans that are in the rows of their workers.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> events = to_perfetto(make_trace(bar("check", "thread-1", 0, 2)))["traceEvents"]
    >>> [(event["ph"], event["name"], event["tid"]) for event in events]
    [('M', 'process_name', 1), ('M', 'thread_name', 1), ('M', 'thread_sort_index', 1), ('X', 'check', 1)]
    """
    columns, dropped = trace.columns, trace.dropped
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION, "spans": len(columns), "dropped": dropped}
    heading = f"kaygraph-viz, {dropped:,} spans not kept" if dropped else "kaygraph-viz"
    if trace.predicted_from:
        head["predicted_from"] = trace.predicted_from
        heading += f", predicted from {trace.predicted_from}"
    events = chain(_events(columns, heading), _memory(columns, trace.memory), _gauges(columns, trace.gauges))
    return {"otherData": head, "traceEvents": list(events)} if path is None else _write(head, events, Path(path))


def _write(head: Mapping[str, Any], events: Iterator[Event], path: Path) -> Path:
    with written(path) as stream:
        stream.write(f'{{"otherData":{_json(head)},\n"traceEvents":['.encode())
        for number, event in enumerate(events):
            stream.write(f"{',' if number else ''}\n{_json(event)}".encode("utf-8", "replace"))
        stream.write(b"\n]}\n")
    return path


_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_LAST_BACKSLASH = re.compile(r'(?<!\\)((?:\\\\)*)\\\\"')


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON that all versions of Perfetto can read."""
    text = _ENCODE(value)
    return _LAST_BACKSLASH.sub(r'\1\\u005c"', text) if '\\\\"' in text else text


def _events(columns: SpanColumns, heading: str) -> Iterator[Event]:
    if not len(columns):
        return
    # Lanes are numbered from 1: main first, then by name, numbers in names by value.
    used = {columns.lanes[code] for code in np.unique(columns.rows["lane"]).tolist()}
    lanes = {lane: number for number, lane in enumerate(sorted(used, key=_natural), FIRST)}
    zero_ns = int(columns.column("submitted_ns").min())
    tracks = place(columns)
    yield from _names(lanes, heading)
    yield from _rows(columns, tracks, lanes, zero_ns)
    yield from _arrows(columns, tracks, lanes, zero_ns)
    yield from _apart(columns, tracks, lanes, zero_ns)
    yield from _queues(columns, zero_ns)


# -- rows of workers -----------------------------------------------------------------------------------------------


def _natural(lane: str) -> tuple[bool, list[tuple[int, str]]]:
    parts = re.split(r"([0-9]{1,18})", lane)
    return lane != "main", [(int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)]


def _names(lanes: Mapping[str, int], heading: str) -> Iterator[Event]:
    yield {"ph": "M", "name": "process_name", "pid": PID, "tid": FIRST, "args": {"name": heading}}
    for lane, tid in lanes.items():
        yield {"ph": "M", "name": "thread_name", "pid": PID, "tid": tid, "args": {"name": _visible(lane)}}
        yield {"ph": "M", "name": "thread_sort_index", "pid": PID, "tid": tid, "args": {"sort_index": tid}}


def _rows(columns: SpanColumns, tracks: Tracks, lanes: Mapping[str, int], zero_ns: int) -> Iterator[Event]:
    at = tracks.order[tracks.apart[tracks.order] == 0].tolist()
    spans = ((lanes[span.lane], span) for span in map(columns.span, at))
    for step in track_events(spans):
        if isinstance(step, SpanBegin):
            span = step.span
            lasts = _lasting(span.started_ns, span.ended_ns, zero_ns)
            event: Event = {"ph": "X", "name": _title(span), "cat": span.kind, "pid": PID, "tid": step.track, **lasts}
            event["args"] = as_fields(span)
            yield event
        elif isinstance(step, PartPiece):
            lasts = _lasting(step.started_ns, step.ended_ns, zero_ns)
            event = {"ph": "X", "name": step.part.kind, "cat": PART, "pid": PID, "tid": step.track, **lasts}
            event["args"] = _part_args(step)
            yield event


def _lasting(started_ns: int, ended_ns: int, zero_ns: int) -> dict[str, float]:
    return {"ts": _us(started_ns - zero_ns), "dur": _us(ended_ns - started_ns)}


def _part_args(piece: PartPiece) -> Event:
    """Return the arguments of the event of a part; by `PART_OF` a reader tells it from a span."""
    share = piece.part.cpu_share
    return {PART_OF: piece.span.span_id} | ({} if share is None else {"cpu_share": round(share, 3)})


def _arrows(columns: SpanColumns, tracks: Tracks, lanes: Mapping[str, int], zero_ns: int) -> Iterator[Event]:
    """Yield the start and the finish of the arrow for each link between spans in rows, if it points forward in time."""
    linked = {*columns.links, *(source for sources in columns.links.values() for source in sources)}
    at = np.flatnonzero(np.isin(columns.rows["span_id"], list(linked)) & (tracks.apart == 0)).tolist()
    spans = {span.span_id: span for span in map(columns.span, at)}
    pairs = ((spans.get(source), spans.get(target)) for target, sources in columns.links.items() for source in sources)
    for number, (source, target) in enumerate(pairs, 1):
        if source is not None and target is not None and source.started_ns <= target.started_ns:
            arrow = {"name": "link", "cat": "link", "id": number, "pid": PID}
            from_ns = min(source.parts[-1].started_ns if has_pieces(source) else source.started_ns, target.started_ns)
            yield arrow | {"ph": "s", "tid": lanes[source.lane], "ts": _us(from_ns - zero_ns)}
            yield arrow | {"ph": "f", "tid": lanes[target.lane], "ts": _us(target.started_ns - zero_ns), "bp": "e"}


# -- tracks of their own -------------------------------------------------------------------------------------------


def _apart(columns: SpanColumns, tracks: Tracks, lanes: Mapping[str, int], zero_ns: int) -> Iterator[Event]:
    """Yield begin and end events of spans with a track of their own, properly nested, track by track."""
    order = tracks.order[tracks.apart[tracks.order] != 0]
    at = order[np.argsort(tracks.apart[order], kind="stable")].tolist()
    for step in track_events((int(tracks.apart[position]), columns.span(position)) for position in at):
        span = step.span
        common = {"cat": APART, "id2": {"local": step.track}, "pid": PID, "tid": lanes[span.lane]}
        if isinstance(step, PartPiece):
            common["name"] = step.part.kind
            yield common | {"ph": "b", "ts": _us(step.started_ns - zero_ns), "args": _part_args(step)}
            yield common | {"ph": "e", "ts": _us(step.ended_ns - zero_ns)}
        elif isinstance(step, SpanBegin):
            yield common | {
                "ph": "b",
                "name": _title(span),
                "ts": _us(span.started_ns - zero_ns),
                "args": as_fields(span),
            }
        else:
            yield common | {"ph": "e", "name": _title(span), "ts": _us(span.ended_ns - zero_ns)}


# -- queues --------------------------------------------------------------------------------------------------------


def _queues(columns: SpanColumns, zero_ns: int) -> Iterator[Event]:
    """Yield a counter for each node at each change: its branches that were submitted and had not begun."""
    branches = np.flatnonzero(columns.is_kind("branch") & (columns.rows["submitted_ns"] < columns.rows["started_ns"]))
    node = nearest_node(columns)[branches]
    for each in np.unique(node).tolist():
        mine = branches[node == each]
        name = columns.names[columns.rows["name"][each]] if each >= 0 else "branches"
        submitted, started = (columns.column(time)[mine] - zero_ns for time in ("submitted_ns", "started_ns"))
        times, change = np.unique(np.concatenate([submitted, started]), return_inverse=True)
        steps = repeated([1, -1], len(mine))
        depth = np.cumsum(sums(change, steps)).astype(np.int64)
        counter = {"ph": "C", "name": f"queue of {_visible(name)}", "pid": PID, "tid": FIRST}
        for time, waiting in zip(times.tolist(), depth.tolist(), strict=True):
            yield counter | {"ts": _us(time), "args": {"waiting": waiting}}


def _memory(columns: SpanColumns, samples: MemorySamples) -> Iterator[Event]:
    """Yield a counter of the memory in use since the first submission, if that was recorded."""
    zero_ns = int(columns.column("submitted_ns").min(initial=1 << 62))
    for time_ns, size in zip(samples.times_ns.tolist(), samples.size.tolist(), strict=True):
        if time_ns >= zero_ns:
            counter = {"ph": "C", "name": "memory in use", "pid": PID, "tid": FIRST, "ts": _us(time_ns - zero_ns)}
            yield counter | {"args": {"bytes": size}}


def _gauges(columns: SpanColumns, gauges: Mapping[str, GaugeSamples]) -> Iterator[Event]:
    """Yield a counter for each gauge, with two curves: what is used, and the most that may be."""
    zero_ns = int(columns.column("submitted_ns").min(initial=1 << 62))
    for name, samples in gauges.items():
        for time_ns, used, most in zip(*samples, strict=True):
            if time_ns >= zero_ns:
                counter = {"ph": "C", "name": _visible(name), "pid": PID, "tid": FIRST, "ts": _us(time_ns - zero_ns)}
                yield counter | {"args": {"used": used, "limit": most}}


# -- numbers and texts ---------------------------------------------------------------------------------------------


def _us(time_ns: int) -> float:
    """Return microseconds from which a viewer gets the same nanoseconds."""
    time_us = time_ns / 1000
    return math.nextafter(time_us, math.inf) if int(time_us * 1000.0) < time_ns else time_us


def _title(span: Span) -> str:
    """Return the text on a span in a viewer: its name, and its status if that is not ok."""
    return _visible(span.name) + (f" ({span.status})" if span.status != "ok" else "")


def _visible(text: str) -> str:
    r"""Return a text with ? for control characters, which change how others are shown."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


# -- begin and end of spans on a track, and the parts in each of them ------------------------------------------------


WORK = ("branch", "attempt")


class SpanBegin(NamedTuple):
    """The begin of a span on a track."""

    track: int
    span: Span


class PartPiece(NamedTuple):
    """A stretch of a part during which nothing else is drawn within its span."""

    track: int
    span: Span
    part: Part
    started_ns: int
    ended_ns: int


class SpanEnd(NamedTuple):
    """The end of a span on a track."""

    track: int
    span: Span


@dataclass(slots=True)
class _Open:
    """A span that has begun, and the time from which on its parts have not been drawn [ns]."""

    track: int
    span: Span
    ended_ns: int
    parts: tuple[Part, ...]
    from_ns: int

    def pieces(self, until_ns: int, next_ns: int) -> Iterator[PartPiece]:
        """Yield the parts that are not drawn yet until a time [ns]; until `next_ns` a span covers them."""
        for part in self.parts:
            begin_ns, end_ns = max(part.started_ns, self.from_ns), min(part.ended_ns, until_ns)
            if begin_ns < end_ns:
                yield PartPiece(self.track, self.span, part, begin_ns, end_ns)
        self.from_ns = max(self.from_ns, next_ns)

    def closed(self) -> Iterator[PartPiece | SpanEnd]:
        if self.parts:
            yield from self.pieces(self.ended_ns, self.ended_ns)
        yield SpanEnd(self.track, self.span)


def has_pieces(span: Span) -> bool:
    """Return whether the parts of a span are drawn: it is a unit of work with several parts, some of them known."""
    some_known = span.noted_parts is not None or span.blocked_ns > 0
    return some_known and span.kind in WORK and len(span.parts) > 1


def track_events(spans: Iterable[tuple[int, Span]]) -> Iterator[SpanBegin | PartPiece | SpanEnd]:
    """Yield the events of all tracks in order, such that spans and parts lie within or beside each other."""
    opened: list[_Open] = []
    for track, span in spans:
        started_ns, ended_ns = span.started_ns, span.ended_ns
        while opened and (opened[-1].ended_ns <= started_ns or opened[-1].track != track):
            yield from opened.pop().closed()
        if opened and opened[-1].parts:
            yield from opened[-1].pieces(started_ns, ended_ns)
        yield SpanBegin(track, span)
        opened.append(_Open(track, span, ended_ns, span.parts if has_pieces(span) else (), started_ns))
    while opened:
        yield from opened.pop().closed()


# -- tracks: rows in which spans lie within or beside each other -----------------------------------------------------


Ints = npt.NDArray[np.int64]

COROUTINE_LANES = ("async", "task")  # on these kinds of lanes other branches run while one waits
CHUNK = 65_536
TRACKED = ("branch", "attempt", "wait")


class Tracks(NamedTuple):
    """The order and the tracks of spans."""

    order: Ints
    apart: Ints


def place(columns: SpanColumns) -> Tracks:
    """Return the tracks of spans, such that those of one track lie within or beside each other."""
    parents, lanes = parent_positions(columns), _lane(columns)
    depth, _ = _climb(parents)
    numbers, starts, ends = (columns.column(name) for name in ("span_id", "started_ns", "ended_ns"))
    # By lane and start; spans that begin at the same time from outside in, then by their ends.
    order = np.lexsort((numbers, ends, depth, starts, lanes)).astype(np.int64)
    apart = np.zeros(len(columns), np.int64)
    kinds = (lane.rpartition("/")[2].rpartition("-")[0] for lane in columns.lanes)
    is_coroutine = np.array([kind in COROUTINE_LANES for kind in kinds], np.bool_)
    goes_apart = columns.is_kind(*TRACKED) & is_coroutine[columns.rows["lane"]]
    row: list[int] = []  # the ends of what is open in the row of the lane [ns]
    rows_apart: dict[int, list[int]] = {}  # the same by number of their outermost span
    lane_before = -1
    for position, number, parent, lane, start, end in _in_chunks(order, numbers, parents, lanes, starts, ends):
        if lane != lane_before:
            row, rows_apart, lane_before = [], {}, lane
        home = int(apart[parent]) if parent >= 0 else 0
        if home in rows_apart and _fits(rows_apart[home], start, end) and rows_apart[home]:
            apart[position] = home
            rows_apart[home].append(end)
        elif _fits(row, start, end) and (row or not goes_apart[position]):
            row.append(end)
        else:
            apart[position] = number
            rows_apart[number] = [end]
    return Tracks(order, apart)


def _lane(columns: SpanColumns) -> Ints:
    """Return a number for the lane of each span; lanes whose names became equal by being cut are one."""
    first = {lane: code for code, lane in reversed(list(enumerate(columns.lanes)))}
    return np.array([first[lane] for lane in columns.lanes], np.int64)[columns.column("lane")]


def _in_chunks(order: Ints, *fields: Ints) -> Iterator[tuple[int, ...]]:
    """Yield each position with its fields; a list of all of them would take ten times as much memory."""
    for first in range(0, len(order), CHUNK):
        at = order[first : first + CHUNK]
        yield from zip(at.tolist(), *(field[at].tolist() for field in fields), strict=True)


def enclosing(columns: SpanColumns) -> Ints:
    """Return for each span the span id of the innermost one of its lane that encloses it by its times, or 0."""
    rows = columns.rows
    order = np.lexsort((rows["span_id"], -rows["ended_ns"], rows["started_ns"], rows["lane"]))
    fields = (columns.column(name) for name in ("span_id", "lane", "started_ns", "ended_ns"))
    found = np.zeros(len(rows), np.int64)
    open_spans: list[tuple[int, int]] = []  # (end, number)
    lane_before = -1
    for position, number, lane, start, end in _in_chunks(order.astype(np.int64), *fields):
        if lane != lane_before:
            open_spans, lane_before = [], lane
        while open_spans and open_spans[-1][0] <= start:
            open_spans.pop()
        if not open_spans or end <= open_spans[-1][0]:
            found[position] = open_spans[-1][1] if open_spans else 0
            open_spans.append((end, number))
    return found


def _fits(open_ends: list[int], start: int, end: int) -> bool:
    """Remove the spans that have ended, and return whether a span lies within those that are open."""
    while open_ends and open_ends[-1] <= start:
        open_ends.pop()
    return not open_ends or end <= open_ends[-1]


def outside_in(columns: SpanColumns) -> Ints:
    """Return the positions of all spans, parents before their children."""
    depth, _ = _climb(parent_positions(columns))
    return np.lexsort((columns.rows["span_id"], columns.rows["started_ns"], depth)).astype(np.int64)


def nearest_node(columns: SpanColumns) -> Ints:
    """Return the position of the innermost node that encloses each span, or is it; -1 where there is none."""
    is_node = columns.is_kind("node")
    _, last = _climb(np.where(is_node, -1, parent_positions(columns)))
    return np.where(is_node[last], last, -1) if len(last) else last


def parent_positions(columns: SpanColumns) -> Ints:
    """Return the position of the parent of each span, or -1."""
    numbers, parents = columns.column("span_id"), columns.column("parent_id")
    if not len(numbers):
        return parents
    order = np.argsort(numbers, kind="stable")
    at = order[np.minimum(np.searchsorted(numbers, parents, sorter=order), len(numbers) - 1)]
    return np.where(numbers[at] == parents, at, -1).astype(np.int64)


def _climb(parent: Ints) -> tuple[Ints, Ints]:
    """Return the number of ancestors of each position, and the topmost one, by doubling the distance in each pass."""
    steps, last = (parent >= 0).astype(np.int64), np.where(parent >= 0, parent, np.arange(len(parent)))
    jump = parent
    # So many passes are enough for any depth, and it ends also where a damaged trace has a cycle.
    for _ in range(len(parent).bit_length()):
        steps += np.where(jump >= 0, steps[jump], 0)
        last = np.where(jump >= 0, last[jump], last)
        jump = np.where(jump >= 0, jump[jump], -1)
    return steps, last
