"""The geometry of a Gantt chart: which rectangle goes where.

Belongs here: bars and their parts, in seconds and row numbers, and which label fits where. Does not belong here: which
rows there are (``chart``), and anything that knows a plotting library (``bars``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.plot.chart import Chart, Run
from kaygraph_viz.plot.style import STATUS_FILLS, Size
from kaygraph_viz.plot.words import Words
from kaygraph_viz.trace.span import STATUSES

__all__ = ["Bar", "Label", "Layout", "Rect", "make_layout", "place_labels", "split"]

MIN_ROOM_PT = 4.0


class Rect(NamedTuple):
    """One filled rectangle: times in seconds since the first submission, height as a share of the row.

    `status` is how the attempt ended that it is a part of; ``ok`` for the time in the queue and for pauses.
    """

    row: int
    x0_s: float
    x1_s: float
    height: float
    fill: str
    status: str
    span_id: int

    @property
    def is_failed(self) -> bool:
        """Whether it is part of an attempt that ended badly."""
        return self.status in STATUS_FILLS


class Bar(NamedTuple):
    """One unit of work: its outline, and the labels it may carry, the best first."""

    row: int
    x0_s: float
    x1_s: float
    height: float
    status: str
    labels: tuple[str, ...]
    span_id: int
    room: tuple[float, float] = (0.0, 0.0)  # where a label stands best, from and to [s]

    @property
    def is_failed(self) -> bool:
        """Whether it ended badly."""
        return self.status in STATUS_FILLS


@dataclass(frozen=True)
class Layout:
    """All rectangles of one chart.

    Parameters
    ----------
    rects
        The parts of the bars; within a row they never overlap.
    bars
        The outlines of the units of work.
    """

    rects: tuple[Rect, ...]
    bars: tuple[Bar, ...]


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
    parts = [(first, start, cpu_until), ("wait", cpu_until, blocked_from), ("blocked", blocked_from, end)]
    return [part for part in parts if part[2] > part[1]]


def make_layout(chart: Chart, *, colour_by: str = "part") -> Layout:
    """Return the rectangles of a chart.

    Parameters
    ----------
    chart
        Its runs and rows.
    colour_by
        ``"part"`` splits each bar; ``"name"`` and ``"status"`` leave it whole and fill it by that.

    Returns
    -------
    Layout
        One bar for each unit of work, in the row of its worker. Where a branch was tried again, its bar shows each
        attempt and the pauses between. The time in the queue is drawn only where the row was free.
    """
    makers = [_Maker(run, colour_by) for run in chart.runs]
    for maker in makers:
        maker.add_all()
    return Layout(
        tuple(rect for maker in makers for rect in maker.rects), tuple(bar for maker in makers for bar in maker.bars)
    )


class _Maker:
    """Makes the rectangles of one run, bar by bar."""

    def __init__(self, run: Run, colour_by: str) -> None:
        self.run = run
        self.columns = run.nesting.columns
        self.colour_by = colour_by
        self.rects: list[Rect] = []
        self.bars: list[Bar] = []
        self._attempts = _attempts_of(run.nesting)
        self._words = Words(run.nesting, run.units)

    def _seconds(self, time_ns: int) -> float:
        return (time_ns - self.run.first_ns) / 1e9

    def add_all(self) -> None:
        units, row_of = self.run.units, self.run.row_of
        order = np.lexsort((self.columns.column("ended_ns")[units], self.columns.column("started_ns")[units], row_of))
        free_from: dict[int, int] = {}
        for position, row in zip(units[order].tolist(), row_of[order].tolist(), strict=True):
            self._add(position, row, free_from.get(row, self.run.first_ns))
            free_from[row] = int(self.columns.rows["ended_ns"][position])

    def _add(self, position: int, row: int, free_from: int) -> None:
        record = self.columns.rows[position]
        start, end, span_id = int(record["started_ns"]), int(record["ended_ns"]), int(record["span_id"])
        height = Size.slim if self._words.is_slim(position) else Size.full
        queued_from = max(int(record["submitted_ns"]), free_from)
        if queued_from < start:
            self._put(row, queued_from, start, Size.queue, "queued", "ok", span_id)
        for attempt in self._attempts_or_pauses(position):
            tall = Size.slim if attempt.is_pause else height
            for part, begin, until in self._parts(position, attempt):
                self._put(row, begin, until, tall, part, attempt.status, span_id)
        status, labels = STATUSES[record["status"]], self._words.of(position)
        self.bars.append(
            Bar(row, self._seconds(start), self._seconds(end), height, status, labels, span_id, self._room(position))
        )

    def _put(self, row: int, start: int, end: int, height: float, fill: str, status: str, span_id: int) -> None:
        if start < end:
            self.rects.append(Rect(row, self._seconds(start), self._seconds(end), height, fill, status, span_id))

    def _attempts_or_pauses(self, position: int) -> list[_Attempt]:
        """Return the attempts of a bar, and the pauses between them, without gaps."""
        attempts = self._attempts.get(position, [])
        whole = self._attempt(position)
        if len(attempts) < 2:
            return [whole]
        found: list[_Attempt] = []
        at = whole.start
        for attempt in _with_shares([self._attempt(place) for place in attempts], whole):
            found += [_pause(at, attempt.start), attempt]
            at = attempt.end
        return [part for part in [*found, _pause(at, whole.end)] if part.end > part.start]

    def _attempt(self, position: int) -> _Attempt:
        row = self.columns.rows[position]
        start, end, cpu, blocked = (int(row[name]) for name in ("started_ns", "ended_ns", "cpu_ns", "blocked_ns"))
        return _Attempt(start, end, cpu, blocked, STATUSES[row["status"]])

    def _parts(self, position: int, attempt: _Attempt) -> list[tuple[str, int, int]]:
        if attempt.is_pause:
            return [("pause", attempt.start, attempt.end)]
        if self.colour_by == "status":
            return [(attempt.status, attempt.start, attempt.end)]
        if self.colour_by == "name":
            return [(self._words.name(position), attempt.start, attempt.end)]
        return split(attempt.start, attempt.end, attempt.cpu, attempt.blocked)

    def _room(self, position: int) -> tuple[float, float]:
        """Return where a label covers nothing of interest: the longest attempt, up to where it was blocked."""
        attempts = self._attempts.get(position, [])
        rooms = [self._attempt(place) for place in (attempts if len(attempts) > 1 else [position])]
        longest = max(rooms, key=lambda part: part.end - part.start - part.blocked)
        end = longest.end - (longest.blocked if self.colour_by == "part" else 0)
        return self._seconds(longest.start), self._seconds(max(longest.start, end))


class _Attempt(NamedTuple):
    """One attempt of a branch, or a pause between two of them."""

    start: int
    end: int
    cpu: int
    blocked: int
    status: str
    is_pause: bool = False


def _pause(start: int, end: int) -> _Attempt:
    return _Attempt(start, end, 0, 0, "ok", is_pause=True)


def _with_shares(attempts: list[_Attempt], whole: _Attempt) -> list[_Attempt]:
    """Give attempts whose CPU and blocked times are only known together a share each, in proportion to its length."""
    if whole.cpu < 0 or any(attempt.cpu >= 0 for attempt in attempts):
        return attempts
    total = sum(attempt.end - attempt.start for attempt in attempts) or 1
    return [
        attempt._replace(
            cpu=whole.cpu * (attempt.end - attempt.start) // total,
            blocked=whole.blocked * (attempt.end - attempt.start) // total,
        )
        for attempt in attempts
    ]


def _attempts_of(nesting: Nesting) -> dict[int, list[int]]:
    """Return the attempts within each branch, in order."""
    found: dict[int, list[int]] = {}
    for position in np.flatnonzero(nesting.columns.is_kind("attempt") & (nesting.parent >= 0)).tolist():
        found.setdefault(int(nesting.parent[position]), []).append(position)
    return found


class Label(NamedTuple):
    """A text centred in a bar; `covers` says whether it stands on more than plain colour."""

    row: int
    x_s: float
    text: str
    bar: Bar
    covers: bool


def place_labels(
    bars: Iterable[Bar], points_per_s: float, fit: Callable[[str, float], str], *, limit: int = 500, pad: float = 3.0
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
    least_s = (2 * pad + MIN_ROOM_PT) / points_per_s
    wide = [bar for bar in bars if bar.height == Size.full and bar.x1_s - bar.x0_s > least_s]
    widest = sorted(wide, key=lambda bar: bar.x0_s - bar.x1_s)[:limit]
    placed = (_placed(bar, points_per_s, pad, fit) for bar in widest)
    return [label for label in placed if label is not None]


def _placed(bar: Bar, points_per_s: float, pad: float, fit: Callable[[str, float], str]) -> Label | None:
    """Return the fullest label that fits, in the best place of the bar if it can, else in its middle."""
    places = list(dict.fromkeys((bar.room, (bar.x0_s, bar.x1_s))))

    def label(text: str, place: tuple[float, float]) -> Label:
        return Label(bar.row, sum(place) / 2, text, bar, bar.is_failed or place != bar.room)

    for text in bar.labels:
        for place in places:
            if fit(text, (place[1] - place[0]) * points_per_s - 2 * pad) == text:
                return label(text, place)
    if bar.is_failed:  # half a name would hide a failure: it gets a mark
        return None
    cut = fit(bar.labels[0], (bar.x1_s - bar.x0_s) * points_per_s - 2 * pad)
    return label(cut, places[-1]) if cut else None
