"""Traces for tests of Gantt charts, and what is asked of their layouts and artists."""

from __future__ import annotations

from hypothesis import strategies as st
from matplotlib.collections import PolyCollection

import kaygraph_viz as kv
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.plot.gantt.layout import make_layout
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.plot.style import (
    Size,
)
from kaygraph_viz.testing import bar, make_trace

seconds = st.integers(0, 40).map(lambda value: value / 8)


shortest = st.sampled_from([0.0, 0.3, 2.0])


def layout_of(trace, **options):
    return make_layout(Chart.of(trace), **options)


def is_slim_pause(rect):
    return rect.fill == "pause" and (rect.low, rect.high) == (-Size.slim / 2, Size.slim / 2)


@st.composite
def busy_lanes(draw):
    """Branches on lanes, some of which overlap as coroutines of one thread do, and some of which know their parts."""
    made = []
    for lane in range(draw(st.integers(1, 4))):
        at = 0.0
        for number in range(draw(st.integers(0, 6))):
            start, length = at + draw(seconds), draw(seconds)
            cpu, blocked = draw(st.none() | st.floats(0, 1)), draw(st.floats(0, 1))
            parts = draw(st.none() | st.lists(st.tuples(st.sampled_from(PART_KINDS), st.just(length / 4)),
                                              min_size=4, max_size=4)) if length else None  # fmt: skip
            made.append(
                bar("b", f"lane-{lane}", start, start + length, queued_s=draw(seconds),
                    cpu_s=None if cpu is None else cpu * length, blocked_s=blocked * length, index=number,
                    status=draw(st.sampled_from(["ok", "error", "skipped"])), parts=parts)
            )  # fmt: skip
            at = draw(st.sampled_from([start, start + length]))
    return make_trace(*made, check=False)


def recorded(kind, function, items, **options):
    with kv.record(clock=kv.VirtualClock(**options)) as trace, kv.get_executor(kind, 4) as executor:
        list(executor.imap(function, items))
    return trace


def polygons(ax, gid):
    return [c.get_paths() for c in ax.collections if isinstance(c, PolyCollection) and c.get_gid() == gid]


def drawn(ax):
    ax.figure.canvas.draw()
    return ax.figure.canvas.get_renderer()
