"""What a goal of a run is, and what goals read from a trace.

Belongs here: the goal, its finding, and which branches are meant. Does not belong here: the goals themselves (the
modules beside this one).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

__all__ = ["Finding", "Goal", "innermost", "named", "seconds", "zero_of"]


@dataclass(frozen=True)
class Finding:
    """The result of one goal for one run.

    Parameters
    ----------
    is_met
        Whether it is met.
    reason
        The reason, in one sentence.
    from_s, to_s
        The part of the chart that shows it [s since the first submission], or None.
    """

    is_met: bool
    reason: str
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True)
class Goal:
    """A goal of a run, and how to tell from the trace whether the run meets it.

    Parameters
    ----------
    text
        The goal, in a few words.
    evaluate
        Returns what it found in a trace.
    """

    text: str
    evaluate: Callable[[Trace], Finding]


def named(trace: Trace, *names: str) -> list[Span]:
    """Return the branches of some names, or all."""
    return [span for span in trace if span.kind == "branch" and (not names or span.name.split(" ")[0] in names)]


def innermost(trace: Trace) -> list[Span]:
    """Return the branches that have no others inside: a branch around others has no bar in the chart."""
    is_around = Nesting.of(trace.columns).enclosing(trace.columns.is_kind("branch"))
    around = set(trace.columns.rows["span_id"][is_around].tolist())
    return [span for span in named(trace) if span.span_id not in around]


def zero_of(trace: Trace) -> int:
    """Return the time of the first submission [ns]."""
    return min((span.submitted_ns for span in trace), default=0)


def seconds(time_ns: float, zero_ns: int) -> float:
    """Return a time as the chart shows it [s since `zero_ns`]."""
    return (time_ns - zero_ns) / 1e9
