"""Speedups against the number of workers: the curve with its bounds, and a sketch of it for a corner of a panel.

Belongs here: the numbers of that curve, and drawing it. Does not belong here: predicting (``analysis.what_if``) and the
laws (``analysis.laws``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kaygraph_viz.analysis.laws import amdahl_limit, amdahl_speedup, least_makespan_s
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import WhatIf
from kaygraph_viz.analysis.wording import counted, duration, join_words, significant
from kaygraph_viz.base.checks import MAX_WORKERS, checked_whole
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.canvas import Canvas, checked_axes
from kaygraph_viz.plot.description import Description, Table, attach
from kaygraph_viz.plot.labels import heading
from kaygraph_viz.plot.style import BAR, CRITICAL, FILLS, MUTED, PAPER, TEXT, Fill, Key, Size, Stroke
from kaygraph_viz.trace.nesting import Nesting, unit_mask
from kaygraph_viz.trace.trace import Trace

MARGINS_PT = (40.0, 14.0, 36.0, 62.0)
HEIGHT_IN, MIN_WORKERS, MAX_NAMED = 4.4, 4, 6
MIN_SERIAL_SHARE = 0.005  # with a smaller one Amdahl's limit is above 200: the line would leave the picture
MEASURED_ONE, PREDICTED_ONE = "one worker", "one worker, predicted"
ESTIMATED = "serial execution, estimated"
MEASURED = Stroke(BAR, "measured: median and range", 1.2, "", "o")
PREDICTED = Fill(FILLS["wait"].colour, "predicted: what-if band", line=FILLS["cpu"].colour)
WORK_LAW = Stroke(BAR, "work law: speedup = workers", 1.1)
BEYOND = Fill("#F1F2F3", "impossible with any schedule")


def speedup_curve(
    traces: Trace | Iterable[Trace] | Mapping[int, Trace | Iterable[Trace]],
    *,
    what_if: WhatIf | None = None,
    max_workers: int | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the speedup against the number of workers, measured and predicted, with its bounds.

    Parameters
    ----------
    traces
        One run or several, also several with the same number of workers: their spread is drawn. The number of workers
        is that of `summarize`; a mapping from it to one run or several says it explicitly.
    what_if
        What `what_if` predicted, for all numbers of workers that the curve should have: drawn as a line with a band.
    max_workers
        Where the axis ends, 1 to 4096; default: at the largest number that was measured or predicted.
    ax
        Where to draw; default: a new figure.
    title
        Default: the largest measured speedup.

    Returns
    -------
    Axes
        Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range, or no run took any time.

    Notes
    -----
    Speedup 1 is the median makespan of the runs with one worker, where there are any, else the predicted one, else what
    the run with the fewest workers would have taken one branch after the other, as `summarize` estimates it. The label
    of the axis says which. That run also gives work W, critical path L and serial share s of the three bounds, for P
    workers: the work law ``T >= W / P``, the critical path ``T >= L`` (Graham 1969, Brent 1974), and Amdahl's law
    (1967) ``T = W (s + (1 - s) / P)``, where s is the part of the work in no branch. The first two hold for every
    schedule as long as the branches take as long as they did.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> one = make_trace(bar("a", "main", 0, 2), bar("b", "main", 2, 4))
    >>> two = make_trace(bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 2.5))
    >>> speedup_curve([one, two]).get_title(loc="left")
    '2 workers are 1.6 times as fast'
    """
    if what_if is not None and not isinstance(what_if, WhatIf):
        example = "speedup_curve(trace, what_if=what_if(trace))"
        raise OptionError("what_if", what_if, "a result of what_if(), or None", example)
    found = Speedups.of(_by_workers(traces), what_if)
    if not found.baseline_s:
        raise OptionError("traces", traces, "runs that took longer than 0 s", "with record() as trace: ...")
    checked_axes(ax)
    last = max([MIN_WORKERS, *found.measured, *(what_if.makespan_s if what_if is not None else ())])
    last = last if max_workers is None else checked_whole("max_workers", max_workers, 1, example="max_workers=16")
    canvas = Canvas.of(ax, Size.figure_width, HEIGHT_IN, MARGINS_PT)
    canvas.make_plain()
    keys = _draw(canvas.ax, found, what_if, min(last, MAX_WORKERS))
    return canvas.finish(heading(title, _title(found)), keys, _description(found, what_if))


@dataclass(frozen=True)
class Speedups:
    """The numbers of a speedup curve, from which the curve and the sketch are drawn."""

    measured: Mapping[int, Sequence[float]]
    baseline_s: float
    baseline: str
    work_s: float
    critical_path_s: float
    serial_share: float

    @classmethod
    def of(cls, traces: Mapping[int, Sequence[Trace]], what_if: WhatIf | None = None) -> Speedups:
        """Measure traces by number of workers."""
        measured = {workers: [trace.makespan_s for trace in runs] for workers, runs in sorted(traces.items())}
        reference = traces[min(traces)][0]
        summary = summarize(reference)
        if 1 in measured:
            baseline_s, baseline = median(measured[1]), MEASURED_ONE
        elif what_if is not None and 1 in what_if.makespan_s:
            baseline_s, baseline = what_if.makespan_s[1], PREDICTED_ONE
        else:
            baseline_s, baseline = summary.serial_s, ESTIMATED
        work_s, path_s = (min(seconds, baseline_s) for seconds in (summary.work_s, summary.critical_path_s))
        nesting = Nesting.of(reference.columns)
        units = unit_mask(nesting)
        outside = units & ~nesting.within(reference.columns.is_kind("branch"))
        service = reference.columns.column("ended_ns") - reference.columns.column("started_ns")
        work = int(service[units].sum())
        serial_share = int(service[outside].sum()) / work if work else 0.0
        return cls(measured, baseline_s, baseline, work_s, path_s, serial_share)

    def speedup(self, workers: int) -> float:
        """Return the median of the measured speedups."""
        return self.ratio(median(self.measured[workers]))

    def ratio(self, makespan_s: float) -> float:
        """Return the speedup of a makespan [s]."""
        return self.baseline_s / makespan_s if makespan_s else 0.0

    def predicted(self, what_if: WhatIf, workers: int) -> tuple[float, float, float]:
        """Return the lowest, the expected and the highest speedup; the band ends where it is impossible."""
        low, middle, high = (
            self.ratio(makespans[workers]) for makespans in (what_if.high_s, what_if.makespan_s, what_if.low_s)
        )
        return low, middle, max(middle, min(high, self.bound(workers)))

    def bound(self, workers: int) -> float:
        """Return the speedup that no schedule can exceed."""
        return self.ratio(least_makespan_s(self.work_s, self.critical_path_s, workers))


def _by_workers(traces: object) -> dict[int, list[Trace]]:
    """Return runs by their number of workers, at least one."""
    given = traces.items() if isinstance(traces, Mapping) else [(None, traces)]
    found: dict[int, list[Trace]] = {}
    for workers, runs in given:
        for run in runs if isinstance(runs, Iterable) and not isinstance(runs, Trace) else [runs]:
            if not isinstance(run, Trace):
                expected = "a Trace, several, or several by number of workers"
                raise OptionError("traces", run, expected, "speedup_curve({1: one, 4: four})")
            summary = summarize(run)
            if summary.is_profile:
                raise OptionError("traces", run, "runs of branches, not a profile", "with record() as trace: ...")
            count = summary.workers if workers is None else workers
            example = "speedup_curve({1: one, 4: four})"
            found.setdefault(checked_whole("workers", count, 1, example=example), []).append(run)
    if not found:
        raise OptionError("traces", traces, "at least one Trace", "speedup_curve([one, four])")
    return found


def _draw(ax: Axes, found: Speedups, what_if: WhatIf | None, last: int) -> list[Key]:
    """Draw bounds, band and points, from the back to the front, and return the entries of the legend."""
    points = [found.ratio(makespan) for runs in found.measured.values() for makespan in runs]
    points += [found.ratio(makespan) for makespan in what_if.makespan_s.values()] if what_if is not None else []
    highest = max(1.0, *points)
    most = 1.15 * max(highest, min(found.bound(last), 1.5 * highest))
    ax.set_xlim(0.5, last + 0.5)
    ax.set_ylim(0, most)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, steps=[1, 2, 4, 5, 8, 10]))
    ax.set_xlabel("workers", fontsize=Size.font)
    ax.set_ylabel(f"speedup over {found.baseline}", fontsize=Size.font)

    # the work law, the critical path and Amdahl's law, and a shade over what is beyond the first two
    ends = np.linspace(0.5, last + 0.5, 400)
    law = found.ratio(found.work_s) * ends
    path = found.ratio(found.critical_path_s) if found.critical_path_s else np.inf
    style: dict[str, Any] = {"facecolor": BEYOND.colour, "edgecolor": "none", "zorder": 0.5, "gid": "beyond"}
    ax.fill_between(ends, np.minimum(law, path).clip(max=most), most, **style)
    lines: list[tuple[Any, Any, Stroke]] = [(ends, law, WORK_LAW)]
    if path < most:
        label = f"critical path: at most {significant(path, 2)}"
        lines.append((ends, np.full_like(ends, path), Stroke(BAR, label, 1.1, "--")))
    if found.serial_share >= MIN_SERIAL_SHARE:
        counts = np.arange(1, last + 1)
        amdahl = [found.ratio(found.work_s) * amdahl_speedup(found.serial_share, count) for count in counts.tolist()]
        limit = found.ratio(found.work_s) * amdahl_limit(found.serial_share)
        label = f"Amdahl, {found.serial_share:.1%} serial: at most {significant(limit, 2)}"
        lines.append((counts, np.array(amdahl), Stroke(MUTED, label, 1.2, "-.")))
    for workers, heights, stroke in lines:
        style = {"color": stroke.colour, "linewidth": stroke.width, "linestyle": stroke.style, "zorder": 2}
        ax.plot(workers, heights, gid="bound", **style)
    keys: list[Key] = [*(stroke for _, _, stroke in lines), BEYOND]

    if what_if is not None:
        workers = sorted(what_if.makespan_s)
        low, middle, high = zip(*(found.predicted(what_if, count) for count in workers), strict=True)
        ax.fill_between(workers, low, high, facecolor=PREDICTED.colour, edgecolor="none", zorder=1.5, gid="band")
        ax.plot(workers, middle, color=PREDICTED.line, linewidth=1.6, zorder=1.6, gid="predicted")
        keys.append(PREDICTED)

    for count, runs in found.measured.items():
        heights = [found.ratio(makespan) for makespan in runs]
        ax.plot([count] * 2, [min(heights), max(heights)], color=BAR, linewidth=MEASURED.width, zorder=3, gid="range")
        ax.scatter([count] * len(heights), heights, s=9, c=MUTED, zorder=3, gid="runs")
    medians = [found.speedup(count) for count in found.measured]
    ax.scatter(list(found.measured), medians, s=34, c=BAR, zorder=3.5, gid="measured")
    return [MEASURED, *keys]


def _title(found: Speedups) -> str:
    best = max(found.measured, key=found.speedup)
    are = "worker is" if best == 1 else "workers are"
    return f"{best:,} {are} {significant(found.speedup(best), 2)} times as fast"


def _description(found: Speedups, what_if: WhatIf | None) -> Description:
    """Return the picture in words: a line for each number of workers that was measured or predicted."""
    points = [f"{significant(found.speedup(count), 2)} with {counted(count, 'worker')}" for count in found.measured]
    if len(points) > MAX_NAMED:
        points[MAX_NAMED // 2 : -MAX_NAMED // 2] = ["..."]
    limit = f"no number of workers gives more than {significant(found.bound(MAX_WORKERS), 2)}"
    sentence = f"Speedup over {found.baseline}: {join_words(points)}; {limit}."
    predicted = what_if.makespan_s if what_if is not None else {}
    rows = [_line(found, what_if, count) for count in sorted({*found.measured, *predicted})]
    headings = ("workers", "runs", "makespan", "speedup", "lowest", "highest", "predicted", "from", "to", "at most")
    return Description(sentence, [Table(headings, rows, words=0)])


def _line(found: Speedups, what_if: WhatIf | None, workers: int) -> tuple[str, ...]:
    runs = found.measured.get(workers, ())
    cells = [f"{len(runs):,}", duration(median(runs)), significant(found.speedup(workers))] if runs else [""] * 3
    cells += [significant(found.ratio(choose(runs))) for choose in (max, min)] if len(runs) > 1 else [""] * 2
    if what_if is not None and workers in what_if.makespan_s:
        low, middle, high = map(significant, found.predicted(what_if, workers))
        cells += [middle, low, high]
    else:
        cells += [""] * 3
    return f"{workers:,}", *cells, significant(found.bound(workers))


# -- the sketch ------------------------------------------------------------------------------------------------------

MAX_NAMED_IN_SKETCH = 8


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
    counts = [*found.measured][:MAX_NAMED_IN_SKETCH]
    first, *others = counts
    named = [f"{significant(found.speedup(first), 2)} with {counted(first, 'worker')}"]
    named += [f"{significant(found.speedup(count), 2)} with {count}" for count in others]
    line = "; a line shows what is predicted for the others" if has_line else ""
    return f"Times as fast as {found.baseline}: {join_words(named)}{line}."
