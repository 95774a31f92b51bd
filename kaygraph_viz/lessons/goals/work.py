"""Goals about what a run does: nothing is left out, and nothing is added to look busy.

Belongs here: how much work there was. Does not belong here: how fast it was done (``speed``), what came out of it
(``results``).
"""

from __future__ import annotations

from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.lessons.goals.goal import Finding, Goal
from kaygraph_viz.trace.trace import Trace

__all__ = ["as_much_work_as"]

TOLERANCE = 0.02


def as_much_work_as(baseline: Trace) -> Goal:
    """Require that one after the other, the run would take as long as another one, within 2%.

    A faster run overlaps its work; one that skips a part of it, or sleeps to look busy, is something else.
    """
    expected_s = summarize(baseline).serial_s

    def evaluate(trace: Trace) -> Finding:
        found_s = summarize(trace).serial_s
        is_met = abs(found_s - expected_s) <= TOLERANCE * expected_s
        before = "as before" if is_met else f"before it was {duration(expected_s)}"
        return Finding(is_met, f"one after the other, it would take {duration(found_s)}: {before}")

    return Goal("as much work as before", evaluate)
