"""The parts of the bars of a run in numbers and in a sentence, for the description of a chart.

Belongs here: sums of parts, and the words for them. Does not belong here: tables of bars and rows (``description``),
and how parts are drawn (``part_fills``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kaygraph_viz.analysis.intervals import concurrency
from kaygraph_viz.analysis.wording import join_words
from kaygraph_viz.parts import PART_CODE
from kaygraph_viz.plot.gantt.chart import Run
from kaygraph_viz.plot.gantt.loops import turns_of
from kaygraph_viz.plot.gantt.part_fills import Floats, share_of
from kaygraph_viz.trace.counting import sums

__all__ = ["PART_HEADINGS", "part_times_s", "where_time_went"]

FILLS_OF = {
    "CPU": ("cpu",),
    "waiting": ("wait", "unknown"),
    "interpreter": ("gil",),
    "core": ("core",),
    "blocked": ("blocked",),
    "pause": ("pause",),
}
PART_HEADINGS = tuple(FILLS_OF)
PHRASES = {
    "CPU": "computing",
    "waiting": "waiting",
    "core": "waiting for a core",
    "blocked": "blocked",
    "pause": "pauses before a retry",
}
HELD_UP = ("interpreter", "core", "blocked", "pause")
NOTABLE, MIN_SHARE = 0.05, 0.005  # shares of all time: of being held up for a sentence, of a kind to be named in it
UNKNOWN = PART_CODE["unknown"]


def part_times_s(run: Run) -> dict[str, Floats]:
    """Return the time of each bar in each kind of part [s], by `PART_HEADINGS`, shape (number of bars,) each."""
    found = {
        word: sum((_total_s(run, fill) for fill in fills), np.zeros(len(run.units))) for word, fills in FILLS_OF.items()
    }
    is_measured = _total_s(run, "busy") == 0
    return found | {word: np.where(is_measured, found[word], np.nan) for word in ("CPU", "waiting")}


def _total_s(run: Run, fill: str) -> Floats:
    share = share_of(run.parts, fill)
    some = np.flatnonzero(share)
    times = share[some] * (run.parts.ended_ns[some] - run.parts.started_ns[some]) / 1e9
    return sums(run.parts.owner[some], times, len(run.units)).astype(np.float64, copy=False)


def where_time_went(run: Run, times_s: Mapping[str, Floats]) -> str:
    """Return a sentence about the time in the bars if they were held up for a notable part of it, else ""."""
    totals = {word: float(np.nansum(times)) for word, times in times_s.items()}
    all_s = float((run.parts.ended_ns - run.parts.started_ns).sum()) / 1e9
    if not all_s or sum(totals[word] for word in HELD_UP) < NOTABLE * all_s:
        return ""
    shares = {word: totals[word] / all_s for word in PART_HEADINGS}
    phrases = PHRASES | {"interpreter": f"waiting for {turns_of([run])}"}
    named = [f"{share:.0%} {phrases[word]}" for word, share in shares.items() if share >= MIN_SHARE]
    unmeasured = 1 - sum(totals.values()) / all_s
    more = [f"{unmeasured:.0%} running, not measured"] if unmeasured >= MIN_SHARE else []
    of = f" of {run.name}" if run.name else ""
    return f"The time in the bars{of} is {join_words([*named, *more])}{_turns(run, totals)}."


def _turns(run: Run, totals: Mapping[str, float]) -> str:
    """Return the end of the sentence: how many computed at once, if some waited for a turn and all turns are known."""
    parts = run.parts
    is_cpu, is_unknown = parts.kind == PART_CODE["cpu"], parts.kind == UNKNOWN
    if not totals["interpreter"] + totals["core"] or is_unknown.any() or not is_cpu.any():
        return ""
    most = int(concurrency(parts.started_ns[is_cpu], parts.ended_ns[is_cpu])[1].max())
    return "; no two bars compute at once" if most == 1 else f"; at most {most:,} bars compute at once"
