"""Goals about what a run does: nothing is left out, and nothing is added to look busy.

Belongs here: how much work there was. Does not belong here: how fast it was done (``speed``), what came out of it
(``results``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.lessons.goals.goal import Finding, Goal, innermost, named
from kaygraph_viz.trace.trace import Trace

__all__ = ["as_much_work_as", "does_the_work"]

TOLERANCE = 0.02


def as_much_work_as(baseline: Trace) -> Goal:
    """Require that one after the other, the run would compute and wait for as long as another one, within 2%.

    A faster run overlaps its work; one that skips a part of it, or sleeps to look busy, is something else.
    """
    before = _Work.of(baseline)

    def evaluate(trace: Trace) -> Finding:
        found = _Work.of(trace)
        if found.is_near(before):
            return Finding(True, f"one after the other, it would take {found}, as before")
        return Finding(False, f"one after the other, it would take {found}; before it was {before}")

    return Goal("as much work as before", evaluate)


def does_the_work(count: int, least_s: float = 0.0, *names: str) -> Goal:
    """Require at least `count` branches (of these names together) that each work for more than `least_s` [s].

    Computing and waiting for a service are work; waiting for a lock, a semaphore or a limit is not. It is for exercises
    whose result could be written down, or computed before the run: then there are no branches, or they do nothing. With
    `least_s` somewhat below what an item takes in simulated time, each item has to be worked on in the run itself.
    """

    def evaluate(trace: Trace) -> Finding:
        branches = named(trace, *names) if names else innermost(trace)
        work_s = [(span.ended_ns - span.started_ns - span.blocked_ns) / 1e9 for span in branches]
        working = sum(each > least_s for each in work_s)
        long = f" for more than {duration(least_s)}" if least_s else ""
        reason = f"{working} of {counted(len(branches), 'branch', 'branches')} worked{long}"
        return Finding(working >= count, reason if working >= count else f"{reason}, expected {count}")

    return Goal(f"the work of {counted(count, 'branch', 'branches')} is done in the run", evaluate)


@dataclass(frozen=True)
class _Work:
    """How long a run would take one after the other, and for how long it computes [s]."""

    serial_s: float
    computing_s: float

    @classmethod
    def of(cls, trace: Trace) -> _Work:
        found = summarize(trace)
        return cls(found.serial_s, found.cpu_s or 0.0)

    def is_near(self, other: _Work) -> bool:
        limit_s = TOLERANCE * other.serial_s
        return abs(self.serial_s - other.serial_s) <= limit_s and abs(self.computing_s - other.computing_s) <= limit_s

    def __str__(self) -> str:
        return f"{duration(self.serial_s)} ({duration(self.computing_s)} computing)"
