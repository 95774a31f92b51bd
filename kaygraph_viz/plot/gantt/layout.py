"""The geometry of a Gantt chart: rectangles of bars and their parts, and places of labels.

Belongs here: bars and their parts, in seconds and row numbers, and which label fits where. Does not belong here: which
rows there are (``chart``), and anything that knows a plotting library (``bars``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
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
    found = [_run_layout(run, color_by, shortest_s * 1e9) for run in chart.runs]
    rects, failed, bars, around = (
        tuple(chain.from_iterable(getattr(layout, name) for layout in found))
        for name in ("rects", "failed", "bars", "around")
    )
    return Layout(rects, failed, bars, around, any(layout.is_stacked for layout in found))


def _run_layout(run: Run, color_by: str, shortest_ns: float) -> Layout:
    """Return the rectangles of one run."""
    words, rows = BarLabels(run.nesting, run.units), run.nesting.columns.rows[run.units]
    units, row_of, ids = run.units.tolist(), run.row_of.tolist(), rows["span_id"].tolist()
    submitted, started, ended = (rows[name].tolist() for name in ("submitted_ns", "started_ns", "ended_ns"))
    heights = [Size.slim if words.is_slim(position) else Size.full for position in units]
    rects, bars, around, is_stacked = list[Rect](), list[Bar](), list[Bar](), False

    def seconds(time_ns: int) -> float:
        return (time_ns - run.first_ns) / 1e9

    def box(place: int, started_ns: int, ended_ns: int, height: float, fill: str) -> Rect:
        times = seconds(started_ns), seconds(ended_ns)
        return Rect(row_of[place], *times, -height / 2, height / 2, fill, ids[place])

    # time in the queue, as far as the row of the bar was free: it would cover other bars
    free_from: dict[int, int] = {}
    for place in np.lexsort((rows["ended_ns"], rows["started_ns"], run.row_of)).tolist():
        queued_from = max(submitted[place], free_from.get(row_of[place], run.first_ns))
        if queued_from < started[place]:
            rects.append(box(place, queued_from, started[place], Size.queue, "queued"))
        free_from[row_of[place]] = ended[place]

    # time in which a branch only waited for those within it, as far as they have rows of their own
    for place, started_ns, ended_ns in zip(*(each.tolist() for each in awaiting(run)), strict=True):
        rect = box(place, started_ns, ended_ns, Size.slim, "around")
        rects.append(rect)
        times = rect.x0_s, rect.x1_s
        around.append(Bar(rect.row, *times, Size.slim, "ok", words.of(units[place]), rect.span_id, (times, times)))

    # what fills the bars: their parts, or for each attempt its name or how it ended
    if color_by == "part":
        found = make_stripes(run.parts, shortest_ns)
        is_stacked = found.is_stacked
        high = np.array(heights, np.float64)[found.owner]
        high[found.is_alone & (found.fill == PAUSE)] = Size.slim
        starts, ends = ((times - run.first_ns) / 1e9 for times in (found.started_ns, found.ended_ns))
        columns = (found.owner, starts, ends, (found.low - 0.5) * high, (found.high - 0.5) * high, found.fill)
        rects += [
            Rect(row_of[place], start, end, bottom, top, STACK[code], ids[place])
            for place, start, end, bottom, top, code in zip(*(column.tolist() for column in columns), strict=True)
        ]
    tried = [
        (place, one)
        for place, position in enumerate(units)
        for one in run.attempts.of(position)
        if one.started_ns < one.ended_ns
    ]
    if color_by != "part":
        for place, one in tried:
            fill = one.status if color_by == "status" else words.name(units[place])
            shape = (Size.slim, "pause") if one.is_pause else (heights[place], fill)
            rects.append(box(place, one.started_ns, one.ended_ns, *shape))
    failed = [
        box(place, one.started_ns, one.ended_ns, heights[place], one.status)
        for place, one in tried
        if one.status in STATUS_FILLS
    ]

    # outlines, with the places in which a label covers no hatch, or at least no pause
    covered = _by_span(rect for rect in rects if rect.fill in COVERED), _by_span(failed)
    pauses = _by_span(rect for rect in rects if rect.fill == "pause")
    for place, (position, span_id) in enumerate(zip(units, ids, strict=True)):
        times = seconds(started[place]), seconds(ended[place])
        taken = [rect for found_rects in covered for rect in found_rects.get(span_id, ())]
        rooms = longest_gap(*times, taken), longest_gap(*times, pauses.get(span_id, ()))
        status, texts, is_predicted = STATUSES[rows["status"][place]], words.of(position), bool(run.predicted_from)
        bars.append(Bar(row_of[place], *times, heights[place], status, texts, span_id, rooms, is_predicted))
    return Layout(tuple(rects), tuple(failed), tuple(bars), tuple(around), is_stacked)


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
