"""The geometry of a Gantt chart: rectangles of bars and their parts, and places of labels.

Belongs here: bars and their parts, in seconds and row numbers, and which label fits where. Does not belong here: which
rows there are (``chart``), and anything that knows a plotting library (``bars``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kaygraph_viz.plot.gantt.awaiting import awaiting
from kaygraph_viz.plot.gantt.bar_labels import BarLabels
from kaygraph_viz.plot.gantt.chart import Chart, Run
from kaygraph_viz.plot.gantt.part_fills import STACK, make_stripes
from kaygraph_viz.plot.style import FILLS, STATUS_FILLS, Size
from kaygraph_viz.trace.span import STATUSES

__all__ = ["Bar", "Label", "Layout", "Rect", "longest_gap", "make_layout", "place_labels"]

MIN_ROOM_PT = 4.0
INNER_PAD_PT = 1.0  # between a label and a hatch: less than to the end of a bar, where the outline is
PAUSE = STACK.index("pause")
COVERED = {"pause", *(key for key, fill in FILLS.items() if fill.hatch)}  # a label there would be hard to read


class Rect(NamedTuple):
    """One filled rectangle: times in seconds since the first submission, heights as shares of a row."""

    row: int
    x0_s: float
    x1_s: float
    low: float
    high: float
    fill: str
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
    rooms: tuple[tuple[float, float], ...] = ()  # the best and the second best place of a label, from and to [s]
    is_predicted: bool = False

    @property
    def is_failed(self) -> bool:
        """Whether it ended badly."""
        return self.status in STATUS_FILLS

    @property
    def low(self) -> float:
        """Its lower end, upwards from the middle of the row."""
        return -self.height / 2

    @property
    def high(self) -> float:
        """Its upper end, upwards from the middle of the row."""
        return self.height / 2


@dataclass(frozen=True)
class Layout:
    """All rectangles of one chart."""

    rects: tuple[Rect, ...]
    failed: tuple[Rect, ...]
    bars: tuple[Bar, ...]
    around: tuple[Bar, ...] = ()
    is_stacked: bool = False


def make_layout(chart: Chart, *, color_by: str = "part", shortest_s: float = 0.0) -> Layout:
    """Return the rectangles of a chart."""
    makers = [_Maker(run, color_by, shortest_s * 1e9) for run in chart.runs]
    for maker in makers:
        maker.add_all()
    return Layout(
        tuple(rect for maker in makers for rect in maker.rects),
        tuple(rect for maker in makers for rect in maker.failed),
        tuple(bar for maker in makers for bar in maker.bars),
        tuple(bar for maker in makers for bar in maker.around),
        any(maker.is_stacked for maker in makers),
    )


class _Maker:
    """A builder of the rectangles of one run."""

    def __init__(self, run: Run, color_by: str, shortest_ns: float) -> None:
        self.run = run
        self.color_by = color_by
        self.shortest_ns = shortest_ns
        self.rects: list[Rect] = []
        self.failed: list[Rect] = []
        self.bars: list[Bar] = []
        self.around: list[Bar] = []
        self.is_stacked = False
        self._words = BarLabels(run.nesting, run.units)
        self._units: list[int] = run.units.tolist()
        self._row_of: list[int] = run.row_of.tolist()
        self._ids: list[int] = run.nesting.columns.rows["span_id"][run.units].tolist()
        self._heights = [Size.slim if self._words.is_slim(position) else Size.full for position in self._units]

    def add_all(self) -> None:
        self._add_queues()
        self._add_around()
        if self.color_by == "part":
            self._add_parts()
        else:
            self._add_whole()
        self._add_failed()
        self._add_bars()

    def _box(self, place: int, started_ns: int, ended_ns: int, height: float, fill: str) -> Rect:
        """Return a rectangle around the middle of the row of a bar."""
        times = self._seconds(started_ns), self._seconds(ended_ns)
        return Rect(self._row_of[place], *times, -height / 2, height / 2, fill, self._ids[place])

    def _seconds(self, time_ns: int) -> float:
        return (time_ns - self.run.first_ns) / 1e9

    def _add_queues(self) -> None:
        """Add the time in the queue, as far as the row of the bar was free: it would cover other bars."""
        rows = self.run.nesting.columns.rows[self.run.units]
        submitted, started, ended = (rows[name].tolist() for name in ("submitted_ns", "started_ns", "ended_ns"))
        free_from: dict[int, int] = {}
        for place in np.lexsort((rows["ended_ns"], rows["started_ns"], self.run.row_of)).tolist():
            row = self._row_of[place]
            queued_from = max(submitted[place], free_from.get(row, self.run.first_ns))
            if queued_from < started[place]:
                self.rects.append(self._box(place, queued_from, started[place], Size.queue, "queued"))
            free_from[row] = ended[place]

    def _add_around(self) -> None:
        """Add the time in which a branch only waited for those within it, as far as they have rows of their own."""
        for place, started_ns, ended_ns in zip(*(each.tolist() for each in awaiting(self.run)), strict=True):
            rect = self._box(place, started_ns, ended_ns, Size.slim, "around")
            self.rects.append(rect)
            words, times = self._words.of(self._units[place]), (rect.x0_s, rect.x1_s)
            self.around.append(Bar(rect.row, *times, Size.slim, "ok", words, rect.span_id, (times, times), False))

    def _add_parts(self) -> None:
        """Fill bars by their parts."""
        found = make_stripes(self.run.parts, self.shortest_ns)
        height = np.array(self._heights, np.float64)[found.owner]
        height[found.is_alone & (found.fill == PAUSE)] = Size.slim
        starts, ends = ((times - self.run.first_ns) / 1e9 for times in (found.started_ns, found.ended_ns))
        columns = (found.owner, starts, ends, (found.low - 0.5) * height, (found.high - 0.5) * height, found.fill)
        for place, start, end, low, high, fill in zip(*(column.tolist() for column in columns), strict=True):
            self.rects.append(Rect(self._row_of[place], start, end, low, high, STACK[fill], self._ids[place]))
        self.is_stacked = found.is_stacked

    def _add_whole(self) -> None:
        """Fill bars by name or status, attempt by attempt."""
        for place, position in enumerate(self._units):
            for one in self.run.attempts.of(position):
                fill = one.status if self.color_by == "status" else self._words.name(position)
                shape = (Size.slim, "pause") if one.is_pause else (self._heights[place], fill)
                if one.started_ns < one.ended_ns:
                    self.rects.append(self._box(place, one.started_ns, one.ended_ns, *shape))

    def _add_failed(self) -> None:
        for place, position in enumerate(self._units):
            for one in self.run.attempts.of(position):
                if one.status in STATUS_FILLS and one.started_ns < one.ended_ns:
                    height = self._heights[place]
                    self.failed.append(self._box(place, one.started_ns, one.ended_ns, height, one.status))

    def _add_bars(self) -> None:
        rows, words = self.run.nesting.columns.rows[self.run.units], self._words
        covered = _by_span(rect for rect in self.rects if rect.fill in COVERED), _by_span(self.failed)
        pauses = _by_span(rect for rect in self.rects if rect.fill == "pause")
        is_predicted = bool(self.run.predicted_from)
        for place, (position, span_id) in enumerate(zip(self._units, self._ids, strict=True)):
            times = self._seconds(int(rows["started_ns"][place])), self._seconds(int(rows["ended_ns"][place]))
            taken = [rect for found in covered for rect in found.get(span_id, ())]
            rooms = longest_gap(*times, taken), longest_gap(*times, pauses.get(span_id, ()))
            status, height = STATUSES[rows["status"][place]], self._heights[place]
            bar = Bar(self._row_of[place], *times, height, status, words.of(position), span_id, rooms, is_predicted)
            self.bars.append(bar)


def _by_span(rects: Iterable[Rect]) -> dict[int, list[Rect]]:
    found: dict[int, list[Rect]] = {}
    for rect in rects:
        found.setdefault(rect.span_id, []).append(rect)
    return found


def longest_gap(start_s: float, end_s: float, taken: Iterable[Rect]) -> tuple[float, float]:
    """Return the longest stretch of a bar that no rectangle takes, from and to [s]."""
    found, at = [], start_s
    for rect in sorted(taken, key=lambda rect: rect.x0_s):
        found.append((at, max(at, rect.x0_s)))
        at = max(at, rect.x1_s)
    return max([*found, (at, max(at, end_s))], key=lambda gap: gap[1] - gap[0])


class Label(NamedTuple):
    """A text centred in a bar; `covers` says whether it covers a hatch, and needs a backing."""

    row: int
    x_s: float
    text: str
    bar: Bar
    covers: bool


def place_labels(
    bars: Iterable[Bar], points_per_s: float, fit: Callable[[str, float], str], *, limit: int = 500, pad: float = 3.0
) -> list[Label]:
    """Return the labels that fit into their bars; they do not overlap, since bars do not."""
    least_s = (2 * pad + MIN_ROOM_PT) / points_per_s
    wide = [bar for bar in bars if bar.x1_s - bar.x0_s > least_s]
    widest = sorted(wide, key=lambda bar: bar.x0_s - bar.x1_s)[:limit]
    placed = (_placed(bar, points_per_s, pad, fit) for bar in widest)
    return [label for label in placed if label is not None]


def _placed(bar: Bar, points_per_s: float, pad: float, fit: Callable[[str, float], str]) -> Label | None:
    """Return the longest label that fits, in the best place of the bar that has room for it."""
    places = list(dict.fromkeys((*bar.rooms, (bar.x0_s, bar.x1_s))))

    def label(text: str, place: tuple[float, float]) -> Label:
        return Label(bar.row, sum(place) / 2, text, bar, place != places[0] or bar.is_predicted)

    for text in bar.labels:
        for place in places:
            inside = (place[0] > bar.x0_s) + (place[1] < bar.x1_s)
            free_pt = inside * INNER_PAD_PT + (2 - inside) * pad
            if fit(text, (place[1] - place[0]) * points_per_s - free_pt) == text:
                return label(text, place)
    if bar.is_failed:  # half a name would hide a failure: it gets a mark
        return None
    cut = fit(bar.labels[0], (bar.x1_s - bar.x0_s) * points_per_s - 2 * pad)
    return label(cut, places[-1]) if cut else None
