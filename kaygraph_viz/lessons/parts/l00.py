"""Lesson 0: the goal that all of breakfast is made.

Belongs here: how much hands and waiting a dish got. Does not belong here: the dishes, which are in the notebook.
"""

from __future__ import annotations

from collections import Counter
from math import isclose

from kaygraph_viz.lessons.goals import Finding, Goal
from kaygraph_viz.trace.trace import Trace

__all__ = ["every_dish_is_made"]

NAMES = {"cpu": "hands", "wait": "waiting"}


def every_dish_is_made(before: Trace) -> Goal:
    """Require that each dish of an earlier breakfast gets as much hands and as much waiting as it got then."""
    wanted = _minutes(before)

    def evaluate(trace: Trace) -> Finding:
        got = _minutes(trace)
        for (dish, kind), minutes in wanted.items():
            if not isclose(got[dish, kind], minutes, rel_tol=0.01):
                reason = f"{dish} got {got[dish, kind]:g} minutes of {NAMES[kind]}, but needs {minutes:g}"
                return Finding(False, reason)
        return Finding(True, "each dish got what it needs")

    return Goal("every dish is made, with all its hands and waiting", evaluate)


def _minutes(trace: Trace) -> Counter[tuple[str, str]]:
    """Return the minutes of each kind for each dish, one minute for one second of the trace."""
    minutes: Counter[tuple[str, str]] = Counter()
    for branch in trace.where(kind="branch"):
        for part in branch.parts:
            if part.kind in NAMES:
                minutes[branch.name, part.kind] += (part.ended_ns - part.started_ns) / 1e9
    return minutes
