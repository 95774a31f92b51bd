"""The parts of spans where threads were sampled: what was ``unknown`` becomes what the thread did then.

Belongs here: which thread a span ran on, cutting its timeline to the span, making the CPU add up. Does not belong here:
timelines themselves (``thread_timeline``), reading clocks (``sampler``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.parts import NO_SHARE, PART_CODE
from kaygraph_viz.trace.columns import PART_DTYPE, PartTable, SpanColumns, Stretches, repeated, stretches, sums
from kaygraph_viz.trace.sampler.thread_timeline import Timeline

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CPU, WAIT, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "unknown"))
EDGE_TICKS = 2  # up to this distance from its first and last reading, a thread is taken to have gone on as then
DOUBT_TICKS = 3  # where clock and readings differ by more than this and DOUBT_SHARE, parts stay unknown
DOUBT_SHARE = 0.2


class LaneThread(NamedTuple):
    """A thread that worked on a lane from some time on."""

    lane: str
    tid: int
    since_ns: int


class Pieces(NamedTuple):
    """Pieces of stretches of time, stretch by stretch and in the order of time."""

    owner: Places
    kind: Codes
    until_ns: Ints


def with_samples(
    columns: SpanColumns, lines: Sequence[Timeline], lanes: Sequence[LaneThread], *, tick_ns: int
) -> SpanColumns:
    """Return the same spans, their unknown parts replaced by what their threads did."""
    rows = columns.rows
    numbers = {name: number for number, name in enumerate(columns.lanes)}
    known = [numbers[each.lane] for each in lanes if each.lane in numbers]
    is_sampled = np.isin(rows["lane"], known) & (rows["ended_ns"] - rows["started_ns"] >= tick_ns)
    positions = np.flatnonzero(is_sampled)
    found = stretches(columns, positions)
    is_open = (found.kind == UNKNOWN) & (found.ended_ns - found.started_ns >= tick_ns)
    thread = np.full(len(found.owner), -1)
    thread[is_open] = _threads(columns, positions[found.owner[is_open]], found, is_open, lines, lanes)
    # The CPU time left for the unknown parts of each span [ns]; NaN where it was not measured.
    exact = sums(found.owner, (found.ended_ns - found.started_ns) * (found.kind == CPU), len(positions))
    cpu_ns = rows["cpu_ns"][positions]
    budget = np.where(cpu_ns < 0, np.nan, np.maximum(cpu_ns - exact, 0))
    pieces = [Pieces(np.empty(0, np.intp), np.empty(0, np.uint8), np.empty(0, np.int64))]
    for number, line in enumerate(lines):
        mine = np.flatnonzero(thread == number)
        if len(mine):
            some = _of_thread(line, found, mine, budget, tick_ns)
            pieces.append(some._replace(owner=mine[some.owner]))
    return _replaced(columns, positions, found, Pieces(*(np.concatenate(each) for each in zip(*pieces, strict=True))))


def _threads(
    columns: SpanColumns,
    rows: Places,
    found: Stretches,
    is_open: Mask,
    lines: Sequence[Timeline],
    lanes: Sequence[LaneThread],
) -> Places:
    """Return the thread of each open stretch, as its position in `lines`; -1 where it is not known."""
    lane, started = columns.rows["lane"][rows], columns.rows["started_ns"][rows]
    begins, ends = found.started_ns[is_open], found.ended_ns[is_open]
    numbers = {name: number for number, name in enumerate(columns.lanes)}
    chosen, most = np.full(len(rows), -1, np.intp), np.zeros(len(rows), np.int64)
    for each in lanes:  # the last thread that was seen then: a lane may have several threads, one after the other
        here = np.flatnonzero((lane == numbers.get(each.lane, -1)) & (each.since_ns <= started))
        for number, line in enumerate(lines):  # the system uses the numbers of threads again
            if line.tid == each.tid and len(here):
                shared = np.minimum(ends[here], line.edges_ns[-1]) - np.maximum(begins[here], line.edges_ns[0])
                better = shared > np.minimum(most[here], (ends - begins)[here] // 2)
                chosen[here[better]], most[here[better]] = number, shared[better]
    return chosen


def _of_thread(line: Timeline, found: Stretches, mine: Places, budget: Floats, tick_ns: int) -> Pieces:
    """Return the pieces of those stretches whose CPU time agrees with the timeline of their thread."""
    begins, ends = found.started_ns[mine], found.ended_ns[mine]
    edge = EDGE_TICKS * tick_ns
    is_seen = (begins >= line.edges_ns[0] - edge) & (ends <= line.edges_ns[-1] + edge)
    measured = _cpu_within(line, begins, ends)
    wanted = _shared_out(measured, ends - begins, found.owner[mine], budget)
    doubt = np.maximum(DOUBT_TICKS * tick_ns, DOUBT_SHARE * (ends - begins))
    some = np.flatnonzero(is_seen & (np.abs(wanted - measured) <= doubt))
    pieces = placed(line, begins[some], ends[some], np.rint(wanted[some]).astype(np.int64))
    return pieces._replace(owner=some[pieces.owner])


def _cpu_within(line: Timeline, begins: Ints, ends: Ints) -> Floats:
    """Return the CPU time of the thread within each stretch [ns]."""
    origin = line.edges_ns[0]
    used = np.append(0, np.cumsum(np.where(line.kind == CPU, line.lasted_ns, 0)))
    edges = (line.edges_ns - origin).astype(float)
    before, after = (np.interp((each - origin).astype(float), edges, used) for each in (begins, ends))
    within: Floats = after - before
    return within


def _shared_out(measured: Floats, lasted: Ints, owner: Places, budget: Floats) -> Floats:
    """Return the CPU time of each unknown stretch [ns], scaled so that those of a span sum up to that of its clock."""
    size, limit = len(budget), lasted.astype(float)
    target = np.minimum(budget, sums(owner, limit, size))[owner]
    total = sums(owner, measured, size)[owner]
    share = np.minimum(measured * np.divide(target, total, out=np.zeros(len(owner)), where=total > 0), limit)
    room = limit - share
    missing = target - sums(owner, share, size)[owner]
    all_room = sums(owner, room, size)[owner]
    share += room * np.divide(missing, all_room, out=np.zeros(len(owner)), where=all_room > 0)
    return np.where(np.isnan(share), measured, share)


def placed(line: Timeline, started_ns: Ints, ended_ns: Ints, cpu_ns: Ints) -> Pieces:
    """Return the pieces of stretches of a thread: its timeline, stretched so that the CPU time is that of its clock."""
    owner, kind, lasted = _cut(line, started_ns, ended_ns)
    is_cpu = kind == CPU
    size, length = len(started_ns), ended_ns - started_ns
    wanted = np.stack([cpu_ns, length - cpu_ns], axis=1)  # CPU, and all else
    there = np.stack([sums(owner, lasted * which, size) for which in (is_cpu, ~is_cpu)], axis=1)
    factor = np.divide(wanted, there, out=np.zeros(wanted.shape), where=there > 0)
    warped = lasted * np.where(is_cpu, factor[owner, 0], factor[owner, 1])
    for column, extra in ((1, WAIT), (0, CPU)):  # a kind that the timeline does not have is added at the end, CPU last
        lacking = np.flatnonzero((there[:, column] == 0) & (wanted[:, column] > 0))
        owner, kind = np.append(owner, lacking), np.append(kind, np.full(len(lacking), extra, np.uint8))
        warped = np.append(warped, wanted[lacking, column].astype(float))
    order = np.argsort(owner, kind="stable")
    owner, kind, warped = owner[order], kind[order], warped[order]
    until = started_ns[owner] + _whole_ns(warped, kind == CPU, owner) + _whole_ns(warped, kind != CPU, owner)
    return _merged(Pieces(owner, kind, until), started_ns)


def _cut(line: Timeline, started_ns: Ints, ended_ns: Ints) -> tuple[Places, Codes, Ints]:
    """Return owner, kind and length [ns] of the pieces of a timeline that lie in each stretch."""
    inner = line.edges_ns[1:-1]
    first, last = np.searchsorted(inner, started_ns, "right"), np.searchsorted(inner, ended_ns, "left")
    counts = last - first + 1
    owner = repeated(np.arange(len(started_ns)), counts)
    piece = np.arange(len(owner)) - repeated(np.cumsum(counts) - counts, counts) + first[owner]
    far = np.iinfo(np.int64)
    begins, ends = np.append(far.min, inner)[piece], np.append(inner, far.max)[piece]
    lasted = np.minimum(ends, ended_ns[owner]) - np.maximum(begins, started_ns[owner])
    return owner, line.kind[piece], lasted


def _whole_ns(lasted: Floats, counts: Mask, owner: Places) -> Ints:
    """Return the running sum of the lengths that count, by owner, rounded to whole nanoseconds."""
    total = np.cumsum(np.where(counts, lasted, 0.0))
    is_first = np.append(True, owner[1:] != owner[:-1])[: len(owner)]
    before = np.append(0.0, total[:-1])[: len(total)][is_first]
    whole: Ints = np.rint(total - before[np.cumsum(is_first) - 1]).astype(np.int64)
    return whole


def _merged(pieces: Pieces, started_ns: Ints) -> Pieces:
    """Return the pieces without empty ones, neighbours of one kind in one stretch merged."""
    owner, kind, until = pieces
    is_first = np.append(True, owner[1:] != owner[:-1])[: len(owner)]
    begins = np.where(is_first, started_ns[owner], np.append(0, until[:-1])[: len(until)])
    is_some = until > begins
    owner, kind, until = owner[is_some], kind[is_some], until[is_some]
    is_last = np.append((owner[1:] != owner[:-1]) | (kind[1:] != kind[:-1]), True)[: len(owner)]
    return Pieces(owner[is_last], kind[is_last], until[is_last])


def _replaced(columns: SpanColumns, positions: Places, found: Stretches, pieces: Pieces) -> SpanColumns:
    """Return the spans with pieces in place of some of their stretches."""
    if not len(pieces.owner):
        return columns
    is_kept = np.ones(len(found.owner), bool)
    is_kept[pieces.owner] = False
    span = np.append(found.owner[is_kept], found.owner[pieces.owner])
    parts = np.empty(len(span), PART_DTYPE)
    parts["until_ns"] = np.append(found.ended_ns[is_kept], pieces.until_ns)
    parts["kind"] = np.append(found.kind[is_kept], pieces.kind)
    share = np.where(found.kind == UNKNOWN, np.nan_to_num(found.cpu_share, nan=NO_SHARE), NO_SHARE)
    parts["share"] = np.append(share[is_kept], np.full(len(pieces.owner), NO_SHARE))
    order = np.lexsort((parts["until_ns"], span))
    span, parts = span[order], parts[order]
    goes_on = (span[1:] == span[:-1]) & (parts["kind"][1:] == parts["kind"][:-1]) & (parts["kind"][1:] != UNKNOWN)
    is_kept = np.isin(span, found.owner[pieces.owner]) & ~np.append(goes_on, False)
    span, parts = span[is_kept], parts[is_kept]
    changed, counts = np.unique(span, return_counts=True)
    return replace(columns, parts=_with(columns.parts, columns.rows["span_id"][positions[changed]], counts, parts))


def _with(table: PartTable, span_id: Ints, counts: Ints, parts: npt.NDArray[np.void]) -> PartTable:
    """Return a table in which some spans have other parts."""
    is_other = ~np.isin(table.span_id, span_id)
    others = table.parts[repeated(is_other, np.diff(table.first))]
    return PartTable.of_spans(
        np.append(table.span_id[is_other], span_id),
        np.append(np.diff(table.first)[is_other], counts),
        np.append(others, parts),
    )
