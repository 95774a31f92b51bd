"""The geometry of a Gantt chart: which rectangle goes where.

Belongs here: rows, bars and their parts, in seconds and row numbers, and which label fits where. Does not belong here:
anything that knows a plotting library (``gantt``), so that other ways to show a chart can use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.nesting import Nesting, Places, unit_mask
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.rows import RowLabel, assign_rows, stack
from kaygraph_viz.plot.style import STATUS_WORDS, Size
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.trace.trace import Trace

__all__ = ["FAILED_STATUSES", "Bar", "Label", "Layout", "NodeLine", "Rect", "make_layout", "place_labels", "split"]

FAILED_STATUSES = frozenset(STATUS_WORDS) - {"skipped"}
MAX_NODE_LEVELS = 3
Part = tuple[str, int, int, bool]  # fill, start [ns], end [ns], whether it failed


class Rect(NamedTuple):
    """One filled rectangle: times in seconds since the first submission, height as a share of the row."""

    row: int
    x0_s: float
    x1_s: float
    height: float
    fill: str
    is_failed: bool
    span_id: int


class Bar(NamedTuple):
    """One unit of work: its outline, and the labels it may carry, the best first."""

    row: int
    x0_s: float
    x1_s: float
    height: float
    status: str
    labels: tuple[str, ...]
    span_id: int
    tries: int = 1
    room: tuple[float, float] = (0.0, 0.0)  # where a label stands best, from and to [s]

    @property
    def is_failed(self) -> bool:
        """Whether it ended badly."""
        return self.status in FAILED_STATUSES

    @property
    def is_marked(self) -> bool:
        """Whether it says more than its name: that it failed, or took several attempts."""
        return self.is_failed or self.tries > 1


class NodeLine(NamedTuple):
    """When a node ran: a line above the rows."""

    level: int
    x0_s: float
    x1_s: float
    label: str


@dataclass(frozen=True)
class Layout:
    """All geometry of one chart.

    Parameters
    ----------
    rows
        What each row is called.
    rects
        The parts of the bars; within a row they never overlap.
    bars
        The outlines of the units of work.
    nodes
        The lines above the rows; empty where there is only one node.
    extent_s
        The makespan [s].
    """

    rows: tuple[RowLabel, ...]
    rects: tuple[Rect, ...]
    bars: tuple[Bar, ...]
    nodes: tuple[NodeLine, ...]
    extent_s: float


def split(start: int, end: int, cpu: int, blocked: int) -> list[tuple[str, int, int]]:
    """Return the parts of one bar as (part, start, end), whose durations add up to that of the bar.

    CPU time comes first, then waiting, then blocked. How they really alternated is not recorded: the order within a
    bar carries no meaning, only the lengths do.

    Parameters
    ----------
    start, end
        The service time [ns].
    cpu
        CPU time [ns]; -1 where it was not measured: the part is then ``busy``.
    blocked
        Blocked time [ns].

    Examples
    --------
    >>> split(10, 20, 3, 2)
    [('cpu', 10, 13), ('waiting', 13, 18), ('blocked', 18, 20)]
    """
    blocked_from = end - min(blocked, end - start)
    cpu_until = min(start + cpu, blocked_from) if cpu >= 0 else blocked_from
    first = "cpu" if cpu >= 0 else "busy"
    parts = [(first, start, cpu_until), ("waiting", cpu_until, blocked_from), ("blocked", blocked_from, end)]
    return [part for part in parts if part[2] > part[1]]


def make_layout(trace: Trace, *, colour_by: str = "part") -> Layout:
    """Return the geometry of the chart of a trace.

    Parameters
    ----------
    trace
        Any trace.
    colour_by
        ``"part"`` splits each bar; ``"name"`` and ``"status"`` leave it whole and fill it by that.

    Returns
    -------
    Layout
        One bar for each unit of work, in the row of its worker. Where a branch was tried again, its bar shows each
        attempt and the pauses between. The time in the queue is drawn only where the row was free.
    """
    columns = trace.columns
    nesting = Nesting.of(columns)
    units = np.flatnonzero(unit_mask(nesting))
    if not len(columns):
        return Layout((), (), (), (), 0.0)
    maker = _Maker(nesting, units, colour_by)
    row_of, rows = assign_rows(columns, units)
    order = np.lexsort((columns.column("ended_ns")[units], columns.column("started_ns")[units], row_of))
    maker.add_all(units[order], row_of[order])
    return Layout(rows, tuple(maker.rects), tuple(maker.bars), node_lines(nesting), maker.seconds(maker.last_ns))


class _Maker:
    """Makes the rectangles of one layout, bar by bar."""

    def __init__(self, nesting: Nesting, units: Places, colour_by: str) -> None:
        self.columns = nesting.columns
        self.colour_by = colour_by
        self.first_ns = int(self.columns.column("submitted_ns").min())
        self.last_ns = int(self.columns.column("ended_ns").max())
        self.rects: list[Rect] = []
        self.bars: list[Bar] = []
        self._attempts = _attempts_of(nesting)
        self._labels = _Labels(nesting, units)

    def seconds(self, time_ns: int) -> float:
        return (time_ns - self.first_ns) / 1e9

    def add_all(self, units: Places, row_of: Ints) -> None:
        free_from: dict[int, int] = {}
        for position, row in zip(units.tolist(), row_of.tolist(), strict=True):
            self._add(position, row, free_from.get(row, self.first_ns))
            free_from[row] = int(self.columns.rows["ended_ns"][position])

    def _add(self, position: int, row: int, free_from: int) -> None:
        record = self.columns.rows[position]
        start, end, span_id = int(record["started_ns"]), int(record["ended_ns"]), int(record["span_id"])
        status = STATUSES[record["status"]]
        height = Size.slim if self._labels.is_slim(position) else Size.full
        queued_from = max(int(record["submitted_ns"]), free_from)
        if queued_from < start:
            self._put(row, queued_from, start, Size.queue, "queued", False, span_id)
        for part, part_start, part_end, failed in self._parts(position, status):
            tall = Size.slim if part == "pause" else height
            self._put(row, part_start, part_end, tall, part, failed, span_id)
        labels = self._labels.of(position, status)
        tries = int(record["attempt"])
        outline = self.seconds(start), self.seconds(end)
        self.bars.append(Bar(row, *outline, height, status, labels, span_id, tries, self._room(position)))

    def _put(self, row: int, start: int, end: int, height: float, fill: str, failed: bool, span_id: int) -> None:
        self.rects.append(Rect(row, self.seconds(start), self.seconds(end), height, fill, failed, span_id))

    def _parts(self, position: int, status: str) -> list[Part]:
        attempts = self._attempts.get(position, [])
        start, end, cpu, blocked = self._times(position)
        if len(attempts) < 2:
            return self._filled(position, status, start, end, cpu, blocked)
        found: list[Part] = []
        at = start
        for attempt, (share_cpu, share_blocked) in zip(attempts, self._shares(attempts, cpu, blocked), strict=True):
            first, last, _, _ = self._times(attempt)
            if at < first:
                found.append(("pause", at, first, False))
            attempt_status = STATUSES[self.columns.rows["status"][attempt]]
            found += self._filled(position, attempt_status, first, last, share_cpu, share_blocked)
            at = last
        return [*found, ("pause", at, end, False)] if at < end else found

    def _times(self, position: int) -> tuple[int, int, int, int]:
        row = self.columns.rows[position]
        return int(row["started_ns"]), int(row["ended_ns"]), int(row["cpu_ns"]), int(row["blocked_ns"])

    def _shares(self, attempts: list[int], cpu: int, blocked: int) -> list[tuple[int, int]]:
        """Return CPU and blocked time of each attempt; where only their sum is known, in proportion to their length."""
        times = [self._times(attempt) for attempt in attempts]
        if cpu < 0 or any(time[2] >= 0 for time in times):
            return [(time[2], time[3]) for time in times]
        total = sum(end - start for start, end, _, _ in times) or 1
        return [(cpu * (end - start) // total, blocked * (end - start) // total) for start, end, _, _ in times]

    def _filled(self, position: int, status: str, start: int, end: int, cpu: int, blocked: int) -> list[Part]:
        failed = status in FAILED_STATUSES
        if self.colour_by == "status":
            return [(status, start, end, failed)]
        if self.colour_by == "name":
            return [(self._labels.name(position), start, end, failed)]
        return [(part, begin, until, failed) for part, begin, until in split(start, end, cpu, blocked)]

    def _room(self, position: int) -> tuple[float, float]:
        """Return where a label covers nothing of interest: the longest attempt."""
        attempts = self._attempts.get(position, [])
        times = [self._times(part)[:2] for part in (attempts if len(attempts) > 1 else [position])]
        start, end = max(times, key=lambda time: time[1] - time[0])
        return self.seconds(start), self.seconds(end)


def _attempts_of(nesting: Nesting) -> dict[int, list[int]]:
    """Return the attempts within each branch, in order."""
    found: dict[int, list[int]] = {}
    for position in np.flatnonzero(nesting.columns.is_kind("attempt") & (nesting.parent >= 0)).tolist():
        found.setdefault(int(nesting.parent[position]), []).append(position)
    return found


class _Labels:
    """Finds words for bars."""

    def __init__(self, nesting: Nesting, units: Places) -> None:
        self._columns = columns = nesting.columns
        self._clean = [clean(name) for name in columns.names]
        self._node = nesting.nearest(columns.is_kind("node"))
        self._is_phase = columns.is_kind("phase")
        self._uses = np.bincount(columns.rows["name"][units], minlength=len(columns.names))

    def is_slim(self, position: int) -> bool:
        """Whether this is a phase around the work rather than the work itself."""
        return bool(self._is_phase[position]) and self._text(position) in ("prep", "post")

    def _text(self, position: int) -> str:
        return self._clean[int(self._columns.rows["name"][position])]

    def name(self, position: int) -> str:
        """Return what a bar is called: a branch by its own name, the work of a plain node by the node's."""
        node = int(self._node[position])
        return self._text(node) if self._is_phase[position] and node >= 0 else self._text(position)

    def of(self, position: int, status: str) -> tuple[str, ...]:
        """Return the texts for a bar from the fullest to the shortest; what went wrong outlasts the name."""
        record, name = self._columns.rows[position], self.name(position)
        tries = [f"{record['attempt']} tries"] if record["attempt"] > 1 else []
        marks = ", ".join([STATUS_WORDS[status], *tries] if status in STATUS_WORDS else tries)
        number = str(record["index"]) if record["index"] >= 0 and self._uses[record["name"]] > 1 else ""
        names = [f"{name} {number}", number] if number else [name]
        if marks:
            return (*(f"{text}: {marks}" for text in names), marks, *names[1:])
        return tuple(names)


def node_lines(nesting: Nesting) -> tuple[NodeLine, ...]:
    """Return when each node ran, on as few levels as keep them apart; nothing where there is only one node.

    Nodes that would need a fourth level are left out: their bars in the rows show when they ran.
    """
    columns: SpanColumns = nesting.columns
    nodes = np.flatnonzero(columns.is_kind("node"))
    if len(nodes) < 2:
        return ()
    first_ns = columns.column("submitted_ns").min()
    starts, ends = columns.column("started_ns")[nodes], columns.column("ended_ns")[nodes]
    levels = stack(starts, ends).tolist()
    names = [clean(columns.names[code]) for code in columns.rows["name"][nodes].tolist()]
    spans = zip(levels, ((starts - first_ns) / 1e9).tolist(), ((ends - first_ns) / 1e9).tolist(), names, strict=True)
    return tuple(NodeLine(*line) for line in spans if line[0] < MAX_NODE_LEVELS)


class Label(NamedTuple):
    """A text centred in a bar."""

    row: int
    x_s: float
    text: str
    bar: Bar


def place_labels(
    bars: tuple[Bar, ...], points_per_s: float, fit: Callable[[str, float], str], *, limit: int = 500, pad: float = 3.0
) -> list[Label]:
    """Return the labels that fit into their bars; since bars do not overlap, neither do the labels.

    Parameters
    ----------
    bars
        The bars of a layout.
    points_per_s
        How wide a second is drawn [pt].
    fit
        Returns a text cut to a width in points, empty if nothing sensible fits.
    limit
        The most labels; the widest bars get them.
    pad
        Room that stays free at each end [pt].
    """
    wide = [bar for bar in bars if bar.height == Size.full and (bar.x1_s - bar.x0_s) * points_per_s > 2 * pad + 4]
    widest = sorted(wide, key=lambda bar: bar.x0_s - bar.x1_s)[:limit]
    placed = (_placed(bar, points_per_s, pad, fit) for bar in widest)
    return [label for label in placed if label is not None]


def _placed(bar: Bar, points_per_s: float, pad: float, fit: Callable[[str, float], str]) -> Label | None:
    """Return the fullest label that fits, in the best place of the bar if it can, else in its middle."""
    places = list(dict.fromkeys((bar.room, (bar.x0_s, bar.x1_s))))
    for text in bar.labels:
        for x0, x1 in places:
            if fit(text, (x1 - x0) * points_per_s - 2 * pad) == text:
                return Label(bar.row, (x0 + x1) / 2, text, bar)
    if bar.is_failed:  # half a name would hide a failure: it gets a cross
        return None
    cut = fit(bar.labels[0], (bar.x1_s - bar.x0_s) * points_per_s - 2 * pad)
    return Label(bar.row, (bar.x0_s + bar.x1_s) / 2, cut, bar) if cut else None
