"""Goals about what comes out of a run: every branch succeeds, and the result is right under every schedule.

Belongs here: failures, results, conflicts. Does not belong here: times.
"""

from __future__ import annotations

from typing import Any

from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.execute.explore import Exploration
from kaygraph_viz.lessons.goals.goal import Finding, Goal, innermost, named, seconds, zero_of
from kaygraph_viz.trace.trace import Trace

__all__ = ["all_ok", "holds_always", "no_conflicts", "same_result"]


def all_ok(count: int | None = None) -> Goal:
    """Require that no branch failed, and that there were `count` of them; one around others does not count."""

    def evaluate(trace: Trace) -> Finding:
        every, branches = named(trace), innermost(trace)
        bad = [span for span in every if not span.ok]
        if bad:
            zero = zero_of(trace)
            reason = f"{len(bad)} of {len(every)} branches failed, the first with {bad[0].error or bad[0].status}"
            return Finding(False, reason, seconds(bad[0].started_ns, zero), seconds(bad[0].ended_ns, zero))
        if count is not None and len(branches) != count:
            return Finding(False, f"there were {len(branches)} branches")
        return Finding(True, f"all {len(branches)} branches succeeded")

    goal = "every branch succeeds" if count is None else f"{count} branches, and all of them succeed"
    return Goal(goal, evaluate)


def no_conflicts() -> Goal:
    """Require that no two overlapping branches access one key in conflict; needs ``record(shared_access=True)``."""

    def evaluate(trace: Trace) -> Finding:
        found = conflicts(trace)
        if not found:
            return Finding(True, "no two branches that overlapped wrote the same key")
        zero, first = zero_of(trace), found[0]
        ended = min(first.first.ended_ns, first.second.ended_ns)
        return Finding(False, str(first), seconds(first.second.started_ns, zero), seconds(ended, zero))

    return Goal("no two branches on one key at once", evaluate)


def same_result(value: Any, expected: Any) -> Goal:
    """Require that a result is the expected one, since a faster run must not change it."""
    return Goal(
        "the same result as before",
        lambda trace: Finding(bool(value == expected), "it is the same" if value == expected else "it is different"),
    )


def holds_always(exploration: Exploration) -> Goal:
    """Require that an exploration found no error under any schedule."""
    how = str(exploration).splitlines()[-1]
    reason = f"it held in all {len(exploration.seeds)} schedules" if exploration.ok else f"it failed in one; {how}"

    return Goal("right under every schedule", lambda trace: Finding(exploration.ok, reason))
