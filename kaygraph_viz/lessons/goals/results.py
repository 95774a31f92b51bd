"""Goals about what comes out of a run: every branch succeeds, and the result is right under every schedule.

Belongs here: failures, results, conflicts. Does not belong here: times.
"""

from __future__ import annotations

from typing import Any

from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.errors import short
from kaygraph_viz.execute.explore import Exploration
from kaygraph_viz.lessons.goals.difference import difference
from kaygraph_viz.lessons.goals.goal import Finding, Goal, innermost, named, seconds, zero_of
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.trace import Trace

__all__ = ["all_ok", "holds_always", "no_conflicts", "same_result"]


def all_ok(count: int | None = None) -> Goal:
    """Require that no branch failed, and that there were `count` of them; one around others does not count."""

    def evaluate(trace: Trace) -> Finding:
        every, branches = named(trace), innermost(trace)
        bad = [span for span in every if not span.ok]
        if bad:
            zero = zero_of(trace)
            failed = f"{len(bad)} of {counted(len(every), 'branch', 'branches')} failed"
            when = duration(seconds(bad[0].ended_ns, zero))
            reason = f"{failed}, the first is {bad[0].name} at {when} with {bad[0].error or bad[0].status}"
            return Finding(False, reason, seconds(bad[0].started_ns, zero), seconds(bad[0].ended_ns, zero))
        if count is not None and len(branches) != count:
            few = count - len(branches)
            what = f"{few} missing" if few > 0 else f"{-few} too many"
            verb = "was" if len(branches) == 1 else "were"
            found = counted(len(branches), "branch", "branches")
            return Finding(False, f"there {verb} {found}, expected {count}: {what}")
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
        more = f"; {len(found) - 1} more" if len(found) > 1 else ""
        return Finding(False, f"{first}{more}", seconds(first.second.started_ns, zero), seconds(ended, zero))

    return Goal("no two branches on one key at once", evaluate)


def same_result(value: Any, expected: Any) -> Goal:
    """Require that a result is the expected one, since a faster run must not change it.

    Numbers may differ by rounding, and a tuple may stand for a list. The reason names the first difference.
    """
    differs = difference(value, expected)
    return Goal("the same result as before", lambda trace: Finding(not differs, differs or "it is the same"))


def holds_always(exploration: Exploration) -> Goal:
    """Require that an exploration found no error under any schedule."""
    reason = f"it held in all {len(exploration.seeds)} schedules" if exploration.ok else _failure(exploration)
    return Goal("right under every schedule", lambda trace: Finding(exploration.ok, reason))


def _failure(exploration: Exploration) -> str:
    """Return what the first run of an exploration that failed did, and how to see it again."""
    first = exploration.first
    assert first is not None
    name = first.failed[0]
    often = f"{len(exploration.failed[name])} of {counted(len(exploration.seeds), 'schedule')}"
    got = f"got {short(first.result)}" if first.error is None else f"it ended with {describe_error(first.error)}"
    return f"{name!r} failed in {often}; with seed {first.seed}, {got}; .replay() repeats that run"
