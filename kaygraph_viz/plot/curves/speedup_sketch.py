"""A speedup curve small enough for a corner of a panel: runs that were tried, and a prediction.

Belongs here: drawing it with few words. Does not belong here: the full picture with all its bounds, and the numbers
(``speedup``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kaygraph_viz.analysis.what_if.what_if import WhatIf
from kaygraph_viz.analysis.wording import counted, join_words, significant
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.curves.speedup import MEASURED_ONE, Speedups
from kaygraph_viz.plot.description import Description, attach
from kaygraph_viz.plot.style import BAR, CRITICAL, FILLS, MUTED, PAPER, TEXT, Size
from kaygraph_viz.trace.trace import Trace

__all__ = ["speedup_sketch"]

MAX_NAMED = 8


def speedup_sketch(
    tried: Mapping[int, Trace],
    *,
    ax: Axes,
    shown: int | tuple[int, float] | None = None,
    others: Sequence[tuple[int, Trace]] = (),
    one_worker_s: float | None = None,
    what_if: WhatIf | None = None,
    last: int = 16,
) -> Axes:
    """Draw the speedup of runs against their number of workers, with few words."""
    found = Speedups.of({workers: [run] for workers, run in tried.items()}, what_if)
    if one_worker_s:
        found = replace(found, baseline_s=one_worker_s, baseline=MEASURED_ONE)
    points = [(workers, found.speedup(workers)) for workers in found.measured]
    beside = [(workers, found.ratio(run.makespan_s)) for workers, run in others]
    makespans = {} if what_if is None else what_if.makespan_s
    line = [(count, found.ratio(seconds)) for count, seconds in sorted(makespans.items()) if count <= last]
    top = 1.18 * max(2.0, *(speedup for _, speedup in [*points, *beside, *line]))
    Canvas(ax).make_plain()
    ax.set_xlim(0, last + 0.8)
    ax.set_ylim(0, top)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 4, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.set_xlabel("workers", fontsize=Size.font, color=TEXT)
    ax.set_ylabel(f"times as fast as {found.baseline}", fontsize=Size.font, color=TEXT)

    ax.plot([0, top], [0, top], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1, gid="ideal")
    if line:
        ax.plot(*zip(*line, strict=True), zorder=2, gid="predicted", color=FILLS["cpu"].colour, linewidth=1.8)
    if beside:
        _draw_points(ax, beside, "others", markersize=4.5, color=MUTED, markerfacecolor=PAPER)
    _draw_points(ax, points, "tried", markersize=5, color=BAR)
    if shown is not None:
        at, took_s = shown if isinstance(shown, tuple) else (shown, None)
        ring = [(at, found.speedup(at) if took_s is None else found.ratio(took_s))]
        _draw_points(
            ax, ring, "shown", markersize=11, color=CRITICAL.colour, markerfacecolor="none", markeredgewidth=1.8
        )
    # the legend in words: dots and lines are told apart by their shape
    words = ["● tried", *(["○ with other settings\n"] if beside else []), *(["━ predicted"] if line else []), "╌ ideal"]
    title = "  ".join(words).replace("\n  ", "\n")
    ax.set_title(title, loc="left", fontsize=Size.small_font, color=TEXT)
    attach(ax, Description(_sentence(found, bool(line))))
    return ax


def _draw_points(ax: Axes, points: Sequence[tuple[int, float]], gid: str, **style: Any) -> None:
    ax.plot(*zip(*points, strict=True), linestyle="", marker="o", zorder=4, gid=gid, **style)


def _sentence(found: Speedups, has_line: bool) -> str:
    counts = [*found.measured][:MAX_NAMED]
    first, *others = counts
    named = [f"{significant(found.speedup(first), 2)} with {counted(first, 'worker')}"]
    named += [f"{significant(found.speedup(count), 2)} with {count}" for count in others]
    line = "; a line shows what is predicted for the others" if has_line else ""
    return f"Times as fast as {found.baseline}: {join_words(named)}{line}."
