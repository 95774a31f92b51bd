"""Goals about how fast a run is and how well it uses its workers.

Belongs here: ratios of times. Does not belong here: what runs at the same time (``at_once``).
"""

from __future__ import annotations

from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.lessons.goals.at_once import longest_below
from kaygraph_viz.lessons.goals.goal import Finding, Goal
from kaygraph_viz.trace.trace import Trace

__all__ = ["efficiency_at_least", "faster_than"]


def faster_than(baseline: Trace, ratio: float = 1.5) -> Goal:
    """Require a run at least `ratio` times as fast as another one; 1.5 leaves room for noise of a busy machine."""

    def evaluate(trace: Trace) -> Finding:
        if not trace.makespan_s:
            return Finding(False, "the run took no time: nothing was done in it")
        gain = baseline.makespan_s / trace.makespan_s
        times = f"{duration(trace.makespan_s)}, before {duration(baseline.makespan_s)}"
        reason = f"it was {_times(gain, ratio)} times as fast: {times}"
        return Finding(True, reason) if gain >= ratio else Finding(False, reason, *longest_below(trace, 2))

    return Goal(f"at least {ratio:g} times as fast as before", evaluate)


def _times(gain: float, ratio: float) -> str:
    """Return a factor in words; one below the ratio never looks like the ratio."""
    rounded = f"{gain:.1f}"
    return f"{gain:.3f}" if float(rounded) >= ratio > gain else rounded


def efficiency_at_least(share: float) -> Goal:
    """Require an efficiency, speedup / workers, of at least a `share`, 0 to 1, against too many workers."""

    def evaluate(trace: Trace) -> Finding:
        summary = summarize(trace)
        share_of = f"the efficiency of {counted(summary.workers, 'worker')} was about {summary.efficiency:.0%}"
        reason = f"{share_of}: one after the other, the run would take about {duration(summary.serial_s)}"
        if summary.efficiency >= share:
            return Finding(True, reason)
        return Finding(False, reason, *longest_below(trace, summary.workers))

    return Goal(f"an efficiency of at least {share:.0%}", evaluate)
