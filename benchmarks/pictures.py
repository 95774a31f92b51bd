"""Drawing many bars: against `broken_barh`, against one artist for each bar, and against budgets.

Belongs here: time and memory from a trace to the pixels of its Gantt chart. Does not belong here: recording
(``recording``, ``memory``).

Ours is all that `gantt` does: rows, all parts of each bar, marks, words, legend and description. The peers draw a
plain rectangle for each span into its row and nothing else. Both end with the pixels, of the same size. Times are CPU
times: drawing never waits, and other programs on the machine should not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.harness import Measured, Scale, alternate, benchmark, in_subprocess
from kaygraph_viz.base.parts import PartKind
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import SPAN_DTYPE, SpanColumns
from kaygraph_viz.trace.span import KINDS, STATUSES
from kaygraph_viz.trace.trace import Trace

LANES, SOME_LANES, MANY_LANES = 16, 1_000, 100_000
SOME, MANY, VERY_MANY = 4_000, 100_000, 1_000_000
BARH = "ax.broken_barh for each lane"
ALLOCATED_NOTE = "peak of what is allocated for it"
NOTE = "the peer draws plain rectangles, we all parts of each bar"

# Prints the most that was allocated while a chart was drawn, in bytes; the trace itself was there before.
ALLOCATED = """
import sys, tracemalloc
from benchmarks.pictures import our_bars, broken_bars, drawn, trace_of

trace = trace_of(int(sys.argv[1]), int(sys.argv[3]))
drawn(our_bars, trace_of(100))
tracemalloc.start()
drawn(our_bars if sys.argv[2] == "ours" else broken_bars, trace)
print(tracemalloc.get_traced_memory()[1])
"""


@benchmark("gantt of 4,000 bars / one bar at a time", peer="ax.barh for each span", target=0.3, note=NOTE)
def against_single_bars(scale: Scale) -> Measured:
    """Measure a chart of single bars against one artist for each."""
    return _against(single_bars, scale.pick(SOME, 200), scale.pick(3, 1))


@benchmark("gantt of 4,000 bars / broken_barh", peer=BARH, note=NOTE)
def against_broken_bars(scale: Scale) -> Measured:
    """Measure the same chart against the fastest function of matplotlib."""
    return _against(broken_bars, scale.pick(SOME, 200), scale.pick(7, 1))


@benchmark("gantt of 100,000 bars / broken_barh", peer=BARH, target=0.5, note=NOTE)
def many_against_broken_bars(scale: Scale) -> Measured:
    """Measure a chart that is an image."""
    return _against(broken_bars, scale.pick(MANY, 6_000), scale.pick(5, 1))


@benchmark("gantt of 1,000,000 bars / broken_barh", peer=BARH, target=0.5, note=NOTE)
def very_many_against_broken_bars(scale: Scale) -> Measured:
    """Measure a chart of the largest number of spans that a recording keeps by default."""
    return _against(broken_bars, scale.pick(VERY_MANY, 6_000), 1)


@benchmark("gantt of 100,000 bars", peer="a budget of 1 s", target=1.0, note="until the pixels are there")
def many(scale: Scale) -> Measured:
    """Measure the time of a chart against its budget."""
    return _against_budget(scale.pick(MANY, 6_000), 1.0, scale.pick(5, 1))


@benchmark("gantt of 1,000,000 bars", peer="a budget of 3 s", target=1.0, note="until the pixels are there")
def very_many(scale: Scale) -> Measured:
    """Measure the time of a large chart against its budget."""
    return _against_budget(scale.pick(VERY_MANY, 6_000), 3.0, scale.pick(3, 1))


@benchmark("gantt of 5,000 bars of 100 parts", peer="a budget of 2 s", target=1.0, note="threads that take turns")
def turns(scale: Scale) -> Measured:
    """Measure the time of a chart whose bars have more parts than the chart has pixels."""
    trace = turns_of(scale.pick(100, 10))
    return alternate(lambda: drawn(our_bars, trace), lambda: 2.0, scale.pick(3, 1))


@benchmark("memory of gantt, 100,000 bars", peer=BARH, unit="B", target=1.0, note=ALLOCATED_NOTE)
def memory_of_many(scale: Scale) -> Measured:
    """Measure the peak of memory while a chart is drawn, without the trace."""
    return _allocated(scale.pick(MANY, 6_000))


@benchmark("memory of gantt, 1,000,000 bars", peer=BARH, unit="B", target=0.5, note=ALLOCATED_NOTE)
def memory_of_very_many(scale: Scale) -> Measured:
    """Measure the same for a large chart."""
    return _allocated(scale.pick(VERY_MANY, 20_000))


@benchmark(
    "memory of gantt, 100,000 lanes / 1,000 lanes", peer="as many bars on 1,000 lanes", unit="B", target=4.0,
    note=f"{ALLOCATED_NOTE}; rows that cannot be told apart are folded",
)  # fmt: skip
def memory_of_many_lanes(scale: Scale) -> Measured:
    """Measure how the memory of a chart grows with the number of workers, each a row."""
    count = scale.pick(MANY, 2_000)
    lanes = (min(count, number) for number in (MANY_LANES, SOME_LANES))
    return Measured(*(in_subprocess(ALLOCATED, count, "ours", number)[0] for number in lanes))


def _allocated(count: int) -> Measured:
    ours, theirs = (in_subprocess(ALLOCATED, count, who, LANES)[0] for who in ("ours", "peer"))
    return Measured(ours, theirs)


Draw = Callable[[Axes, Trace], object]


def our_bars(ax: Axes, trace: Trace) -> None:
    """Draw with this package."""
    gantt(trace, ax=ax)


def broken_bars(ax: Axes, trace: Trace) -> None:
    """Draw one collection for each lane."""
    rows = trace.columns.rows
    for lane in range(len(trace.columns.lanes)):
        mine = rows[rows["lane"] == lane]
        spans = np.stack([mine["started_ns"], mine["ended_ns"] - mine["started_ns"]], axis=1) / 1e9
        ax.broken_barh(spans.tolist(), (lane - 0.4, 0.8))


def single_bars(ax: Axes, trace: Trace) -> None:
    """Draw one artist for each span."""
    for span in trace.columns.rows[["lane", "started_ns", "ended_ns"]].tolist():
        lane, started, ended = span
        ax.barh(lane, (ended - started) / 1e9, left=started / 1e9, height=0.8)


def drawn(draw: Draw, trace: Trace) -> float:
    """Draw a trace to pixels, and return the CPU time of that [s]."""
    started = time.process_time()
    figure = Figure(figsize=(9.0, 6.0))
    canvas: Any = FigureCanvasAgg(figure)
    draw(figure.add_subplot(), trace)
    canvas.draw()
    return time.process_time() - started


@cache
def trace_of(count: int, lanes: int = LANES) -> Trace:
    """Return a run of branches of about 2 ms on some lanes, with CPU and blocked time, of which 1 of 1,000 failed.

    Parameters
    ----------
    count
        The number of branches, 1 or more.
    lanes
        The number of lanes, 1 or more.
    """
    random = np.random.default_rng(0)
    rows = np.zeros(count, SPAN_DTYPE)
    lane = np.arange(count) % lanes
    length = random.gamma(2.0, 1e6, count).astype(np.int64) + 1_000
    for number in range(lanes):
        mine = np.arange(number, count, lanes)
        gaps = random.integers(0, 300_000, len(mine))
        rows["started_ns"][mine] = np.cumsum(length[mine] + gaps) - length[mine]
    rows["span_id"], rows["index"], rows["lane"] = np.arange(1, count + 1), np.arange(count), lane
    rows["ended_ns"] = rows["started_ns"] + length
    rows["submitted_ns"] = np.maximum(0, rows["started_ns"] - random.integers(0, 10_000_000, count))
    rows["cpu_ns"] = (length * 0.6 * random.random(count)).astype(np.int64)
    rows["blocked_ns"] = np.where(random.random(count) < 0.1, length // 5, 0)
    rows["attempt"], rows["kind"] = 1, KINDS.index("branch")
    rows["status"] = np.where(random.random(count) < 0.001, STATUSES.index("error"), STATUSES.index("ok"))
    return Trace(SpanColumns(rows, ("page",), tuple(f"thread-{number + 1}" for number in range(lanes))).in_order())


def turns_of(count: int) -> Trace:
    """Return a run of `count` branches of a second on each of 50 threads, in which each took 50 turns of 4 to 6 ms."""
    random, made = np.random.default_rng(0), []
    for number in range(50 * count):
        ends = np.cumsum(random.uniform(0.004, 0.006, 50)) + 0.015 * np.arange(50)
        edges = np.concatenate([[0.0], np.stack([ends, ends + 0.015], axis=1).ravel()])
        kinds: list[PartKind] = ["cpu", "gil"] * 50
        parts = list(zip(kinds, np.diff(edges).tolist(), strict=True))
        start = number % count * 1.1
        made.append(bar("turn", f"thread-{number // count + 1}", start, start + float(edges[-1]), parts=parts))
    return make_trace(*made, check=False)


def _against(peer: Draw, count: int, turns: int) -> Measured:
    trace = trace_of(count)
    return alternate(lambda: drawn(our_bars, trace), lambda: drawn(peer, trace), turns)


def _against_budget(count: int, budget_s: float, turns: int) -> Measured:
    trace = trace_of(count)
    return alternate(lambda: drawn(our_bars, trace), lambda: budget_s, turns)
