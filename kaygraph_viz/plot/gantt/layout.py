"""The geometry of a Gantt chart: rectangles of bars, their fills and labels, or the shares of an image of many bars.

Belongs here: what stands where, in seconds and row numbers, and which label fits. Does not belong here: which rows
there are (``scene``), and anything that knows a plotting library (``drawing``).

Stripes narrower than a pixel or two would alias: which of them hits a pixel is chance. So parts that short are put
together to wider stretches in which the kinds are stacked, each as high as its share of that time. A part of which only
the share of CPU is known is drawn like that, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.plot.gantt.loops import awaiting
from kaygraph_viz.plot.gantt.scene import Chart, Run
from kaygraph_viz.plot.labels import Shortener, clean, clean_apart
from kaygraph_viz.plot.style import FILLS, STATUS_FILLS, STATUS_WORDS, Size
from kaygraph_viz.trace.columns import SpanColumns, Stretches, repeated, sums, tally
from kaygraph_viz.trace.intervals import Bools, Ints
from kaygraph_viz.trace.nesting import Nesting, Places, is_own_time
from kaygraph_viz.trace.span import STATUSES

Floats = npt.NDArray[np.float64]
STACK = tuple(key for key in FILLS if key not in ("queued", "around"))  # from the bottom of a bar
CODES: dict[str, int] = {kind: code for code, kind in enumerate(PART_KINDS)}
MIN_STACK_WIDTH = 2  # width of a stretch of several parts, in widths of the shortest part that is drawn alone
MIN_STACK_PARTS = 16  # in a wider stretch: with fewer parts its shares would be chance
MAX_NOISE = 0.07  # neighbours whose shares differ by less are merged: steps that small are chance
MIN_SHARE = 1e-6


class Stripes(NamedTuple):
    """The n filled stretches of some bars: bar by bar in the order of time, those of the same time from the bottom."""

    owner: Places
    started_ns: Floats
    ended_ns: Floats
    low: Floats
    high: Floats
    fill: Places
    is_alone: Bools
    is_stacked: bool


def share_of(parts: Stretches, fill: str) -> Floats:
    """Return the share of each part that has a fill: of an unknown part the measured share is CPU."""
    if fill == "cpu":
        return np.nan_to_num(parts.cpu_share)
    if fill == "busy":
        return np.isnan(parts.cpu_share).astype(np.float64)
    share = np.equal(parts.kind, CODES[fill]).astype(np.float64)
    if fill == "unknown" and share.any():
        share *= np.nan_to_num(1 - parts.cpu_share)
    return share


def make_stripes(parts: Stretches, shortest_ns: float = 0.0) -> Stripes:
    """Return the filled stretches for parts."""
    line = _Line(parts)
    cells = _cells(parts.owner, line, shortest_ns)
    shares = line.shares(cells.start, cells.end)
    high = np.cumsum(shares, axis=1)
    cell, fill = np.nonzero(shares > MIN_SHARE)
    offset = (parts.started_ns - line.edges[:-1])[cells.part[cell]]
    return Stripes(
        parts.owner[cells.part[cell]],
        cells.start[cell] + offset,
        cells.end[cell] + offset,
        (high - shares)[cell, fill],
        high[cell, fill],
        fill,
        shares[cell, fill] > 1 - MIN_SHARE,
        cells.are_runs,
    )


class _Line:
    """All parts one after the other on one time line: their edges, and the time of each fill until each edge [ns]."""

    def __init__(self, parts: Stretches) -> None:
        lasted = parts.ended_ns - parts.started_ns
        self.edges = np.append(0, np.cumsum(lasted))
        self._until = [np.append(0.0, np.cumsum(share_of(parts, fill) * lasted)) for fill in STACK]

    def shares(self, start: Floats, end: Floats) -> Floats:
        """Return the exact share of each fill in each stretch, shape (stretches, fills), in the order of `STACK`."""
        found = np.zeros((len(start), len(STACK)))
        for place, until in enumerate(self._until):
            if until[-1]:
                found[:, place] = np.interp(end, self.edges, until) - np.interp(start, self.edges, until)
        found /= np.maximum(found.sum(axis=1), MIN_SHARE)[:, None]
        return found


class _Cells(NamedTuple):
    """Stretches that are drawn as one, on the time line of all parts [ns]."""

    part: Places  # the first part in each
    start: Floats
    end: Floats
    are_runs: bool  # whether there are any of several parts


def _cells(owner: Places, line: _Line, shortest_ns: float) -> _Cells:
    """Return a cell for each part that is drawn alone, and cells for runs of short ones."""
    edges = line.edges
    is_short, first, last = _short_runs(owner, np.diff(edges), shortest_ns)
    before, after = _room_beside(owner, edges, first, last, MIN_STACK_WIDTH * shortest_ns)
    start, end = edges[:-1].astype(np.float64), edges[1:].astype(np.float64)
    start[(last + 1)[after > 0]] += after[after > 0]
    end[(first - 1)[before > 0]] -= before[before > 0]
    low, high = edges[first] - before, edges[last + 1] + after
    run, run_start, run_end = _columns(low, high, last + 1 - first, MIN_STACK_WIDTH * shortest_ns)

    # columns that differ from those before them in the same run begin a cell; the others are merged with these
    shares = line.shares(run_start, run_end)
    begins = np.ones(len(run), np.bool_)
    total, count = np.zeros(len(STACK)), 0
    for place, number in enumerate(run.tolist()):
        begins[place] = not count or number != run[place - 1] or abs(shares[place] - total / count).max() > MAX_NOISE
        total, count = (shares[place], 1) if begins[place] else (total + shares[place], count + 1)

    closes = np.append(begins[1:], True)[: len(run)]
    alone = np.flatnonzero(~is_short)
    part = np.concatenate([alone, first[run[begins]]])
    order = np.argsort(part, kind="stable")
    starts, ends = np.concatenate([start[alone], run_start[begins]]), np.concatenate([end[alone], run_end[closes]])
    return _Cells(part[order], starts[order], ends[order], bool((last > first).any()))


def _short_runs(owner: Places, lasted: Ints, shortest_ns: float) -> tuple[Bools, Places, Places]:
    """Return which parts are too short to be drawn alone, and the first and the last one of each run of them."""
    is_short = lasted < shortest_ns
    follows = owner[1:] == owner[:-1]
    beside = np.zeros(len(lasted), np.bool_)
    beside[1:] |= is_short[:-1] & follows
    beside[:-1] |= is_short[1:] & follows
    is_short |= beside & (lasted < MIN_STACK_WIDTH * shortest_ns)
    goes_on = is_short[1:] & is_short[:-1] & follows
    first = np.flatnonzero(is_short & ~np.append(False, goes_on)[: len(is_short)])
    last = np.flatnonzero(is_short & ~np.append(goes_on, False)[: len(is_short)])
    return is_short, first, last


def _room_beside(owner: Places, edges: Ints, first: Places, last: Places, least_ns: float) -> tuple[Floats, Floats]:
    """Return how much time a run takes from the parts before and behind it, to be wide enough to be seen [ns]."""
    lasted, lack = np.diff(edges), (least_ns - (edges[last + 1] - edges[first])).clip(0) / 2
    found = []
    for neighbour, mine in ((first - 1, first), (last + 1, last)):
        place = neighbour.clip(0, max(0, len(owner) - 1))
        is_same = (place == neighbour) & (owner[place] == owner[mine])
        found.append(np.where(is_same, np.minimum(lack, lasted[place] / 3), 0.0))
    return found[0], found[1]


def _columns(low: Floats, high: Floats, count: Ints, least_ns: float) -> tuple[Places, Floats, Floats]:
    """Divide each run into columns of equal widths; return the run of each, its start and its end [ns]."""
    columns = np.minimum((high - low) // max(least_ns, 1), count // MIN_STACK_PARTS).astype(np.int64).clip(1)
    run = repeated(np.arange(len(low)), columns)
    number = np.arange(len(run)) - (np.cumsum(columns) - columns)[run]
    width = ((high - low) / columns)[run]
    return run, low[run] + number * width, low[run] + (number + 1) * width


# -- the texts for bars ----------------------------------------------------------------------------------------------

BRIEF = 10  # characters of a name beside a label


def label_at(columns: SpanColumns, position: int) -> str:
    """Return what tells a captured call from others of its function; empty where that was not asked for."""
    label = columns.attributes.get(int(columns.rows["span_id"][position]), {}).get("label")
    return clean(label) if isinstance(label, str) and label else ""


class BarLabels:
    """The texts for the bars of a run."""

    def __init__(self, nesting: Nesting, units: Places) -> None:
        self._columns = columns = nesting.columns
        self._clean = clean_apart(columns.names)
        self._together = Shortener(self._clean)
        self._node = nesting.nearest(columns.is_kind("node"))
        is_own = is_own_time(columns)
        self._is_phase = columns.is_kind("phase") & ~is_own
        self._shown = np.where(is_own, nesting.parent, np.arange(len(is_own)))  # what a bar is called after
        numbered = np.unique(self._shown[units])
        numbered = numbered[columns.rows["index"][numbered] >= 0]
        self._uses = tally(columns.rows["name"][numbered], len(columns.names))

    def is_slim(self, position: int) -> bool:
        """Return whether a bar is prep or post, a phase around the work, which is drawn slim."""
        return bool(self._is_phase[position]) and self._text(position) in ("prep", "post")

    def _text(self, position: int) -> str:
        return self._clean[int(self._columns.rows["name"][position])]

    def name(self, position: int) -> str:
        """Return the name of a bar: of a branch its own, of the work of a plain node that of the node."""
        node = int(self._node[position])
        return self._text(node) if self._is_phase[position] and node >= 0 else self._text(position)

    def full(self, position: int) -> str:
        """Return the name with the number of the item, and for prep and post with the phase."""
        return f"{self.name(position)}: {self._text(position)}" if self.is_slim(position) else self._names(position)[0]

    def of(self, position: int) -> tuple[str, ...]:
        """Return the texts for a bar from the longest to the shortest; short ones drop the name before the failure."""
        names, attempt = self._names(position), int(self._columns.rows["attempt"][position])
        status = STATUSES[self._columns.rows["status"][position]]
        marks = [STATUS_WORDS[status]] if status in STATUS_WORDS else []
        marks += [f"{attempt} tries"] if attempt > 1 else []
        if not marks:
            return names
        mark = ", ".join(marks)
        return (*(f"{text}: {mark}" for text in names), mark, *names[1:])

    def _names(self, position: int) -> tuple[str, ...]:
        position = int(self._shown[position])
        record, name = self._columns.rows[position], self.name(position)
        if label := label_at(self._columns, position):
            return tuple(dict.fromkeys((f"{name}({label})", f"{self._together.cut(name, BRIEF)}({label})", label)))
        facts = self._columns.attributes.get(int(record["span_id"]), {})
        if type(items := facts.get("items")) is int and items > 1:  # very short ones, in one bar
            return f"{name} x {items:,}", f"x {items:,}"
        if record["index"] < 0 or self._uses[record["name"]] < 2:
            return (name,)
        return f"{name} {record['index']}", str(record["index"])


# -- rectangles and labels -------------------------------------------------------------------------------------------

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
        status, texts, is_predicted = (
            STATUSES[rows["status"][place]],
            words.of(position),
            bool(run.predicted_from),
        )
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


# -- shares of an image ----------------------------------------------------------------------------------------------

NOISE = 1e-9  # a share below this is what rounding left of none


@dataclass(frozen=True)
class Bins:
    """The shares of one block of rows: rows of workers without a heading between them."""

    rows: range
    shares: Mapping[str, Floats]
    failed: Mapping[str, Floats]


class Coverage:
    """How much of each bin intervals cover, row by row; intervals of one row may overlap."""

    def __init__(self, rows: Ints, starts: Ints, ends: Ints, edges: Ints, row_count: int) -> None:
        self._shape = row_count, len(edges) - 1
        self._widths = np.diff(edges)
        self._sides = [(sign, *self._cells(rows, times, edges)) for sign, times in ((1, starts), (-1, ends))]

    def _cells(self, rows: Ints, times: Ints, edges: Ints) -> tuple[Ints, Ints]:
        """Return row and bin of each time as one number, and how much of the bin lies behind it [ns]."""
        place = (np.searchsorted(edges, times, side="right") - 1).clip(0, self._shape[1] - 1)
        return rows * self._shape[1] + place, edges[place + 1] - times

    def shares(self, weights: Floats | None = None) -> Floats:
        """Return how much of each bin is covered, shape (rows, bins): from 0 to the number of intervals at once."""
        size = self._shape[0] * self._shape[1]
        whole, within = np.zeros(size), np.zeros(size)
        some = slice(None) if weights is None else np.flatnonzero(weights)
        weight = 1.0 if weights is None else weights[some]
        for sign, cell, behind in self._sides:
            counted = np.broadcast_to(np.asarray(weight, np.float64), cell[some].shape)
            whole += sign * sums(cell[some], counted, size)
            within += sign * sums(cell[some], counted * behind[some], size)
        whole, within = whole.reshape(self._shape), within.reshape(self._shape)
        share: Floats = np.cumsum(whole, axis=1) - whole + within / np.maximum(self._widths, 1)
        share[share < NOISE] = 0
        return share


def make_bins(chart: Chart, bin_count: int) -> list[Bins]:
    """Return the shares of a chart for an image of `bin_count` columns, for each block of rows."""
    edges = np.linspace(0, max(round(chart.extent_s * 1e9), bin_count), bin_count + 1).astype(np.int64)
    shares: dict[str, Floats] = {}
    for run in chart.runs:
        _add_shares(shares, run, edges, len(chart.rows))
    heights = np.array([row.stands_for for row in chart.rows])[:, None]
    failed = {status: found for status in STATUS_FILLS if len(found := _failed(chart, status, edges))}
    return [
        Bins(
            block,
            {part: (share / heights)[block.start : block.stop] for part, share in shares.items()},
            {status: places[np.isin(places[:, 0], block)] for status, places in failed.items()},
        )
        for block in chart.blocks()
    ]


def _add_shares(shares: dict[str, Floats], run: Run, edges: Ints, row_count: int) -> None:
    """Add the shares of a run; of unknown parts the measured share counts as CPU and the rest as waiting."""
    parts = run.parts
    times = parts.started_ns - run.first_ns, parts.ended_ns - run.first_ns
    coverage = Coverage(run.row_of[parts.owner], *times, edges, row_count)
    for fill in STACK:
        weights = share_of(parts, fill)
        if weights.any():
            name = "wait" if fill == "unknown" else fill
            shares[name] = shares.get(name, 0.0) + coverage.shares(weights)


def _failed(chart: Chart, status: str, edges: Ints) -> Floats:
    """Return row and time [s] of the bars that ended with a status, once for each row and bin."""
    found = [np.empty((0, 2))]
    for run in chart.runs:
        is_bad = run.nesting.columns.is_status(status)[run.units]
        ends = run.since_start("ended_ns")[is_bad]
        place = np.minimum(np.searchsorted(edges, ends, side="right") - 1, len(edges) - 2)
        cells = np.unique(np.stack([run.row_of[is_bad], place], axis=1), axis=0)
        found.append(np.stack([cells[:, 0].astype(np.float64), edges[cells[:, 1]] / 1e9], axis=1))
    return np.concatenate(found)
