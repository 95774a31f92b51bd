"""Grading a run by what its trace shows.

Belongs here: applying goals and showing the result. Does not belong here: the goals (``goals``).
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

from kaygraph_viz.base.errors import OptionError, short
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.course.lessons.goals import Finding, Goal
from kaygraph_viz.trace.row import describe_error
from kaygraph_viz.trace.trace import Trace

__all__ = ["Grade", "grade"]

SHADE = "#D55E00"


@dataclass(frozen=True)
class Grade:
    """The findings of all goals for one run, in the order of the goals."""

    goals: Sequence[Goal]
    findings: Sequence[Finding]
    trace: Trace | None  # the run; None where none was graded
    refusal: str = ""  # why none was graded

    @property
    def passed(self) -> bool:
        """Whether all goals are met."""
        return all(finding.is_met for finding in self.findings)

    @property
    def sentence(self) -> str:
        """The number of goals that are met.

        Examples
        --------
        >>> Grade([], [Finding(True, "it is fast"), Finding(False, "one branch failed")], None).sentence
        '1 of 2 goals met'
        """
        return f"{sum(each.is_met for each in self.findings)} of {len(self.findings)} goals met"

    def draw(self) -> object:
        """Draw the run, shade the times that do not meet a goal, and return the Axes."""
        from matplotlib.figure import Figure

        from kaygraph_viz.plot.gantt.gantt import gantt

        if self.trace is None:
            raise OptionError("trace", None, "a recorded run")
        rows = max(2, len(self.trace.lanes))
        axes = gantt(self.trace, ax=Figure(figsize=(9, 1.2 + 0.35 * rows), layout="constrained").add_subplot())
        for from_s, to_s in _joined(self.findings):
            axes.axvspan(from_s, to_s, color=SHADE, alpha=0.25, zorder=4)
        return axes

    def _rows(self) -> list[tuple[bool, str, str]]:
        """Return for each goal whether it is met, the goal, and why."""
        pairs = zip(self.goals, self.findings, strict=True)
        return [(found.is_met, one_line(goal.text), one_line(found.reason, 500)) for goal, found in pairs]

    def __str__(self) -> str:
        lines = [f"  [{'x' if is_met else ' '}] {goal}: {reason}" for is_met, goal, reason in self._rows()]
        return "\n".join([self._heading(), *lines])

    def _heading(self) -> str:
        end = one_line(self.refusal, 500) or ("well done" if self.findings and self.passed else "")
        return f"{self.sentence}: {end}" if end else self.sentence

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'&#10003;' if is_met else '&#10007;'}</td><td style='text-align:left'>"
            f"{html.escape(goal)}</td><td style='text-align:left'>{html.escape(reason)}</td></tr>"
            for is_met, goal, reason in self._rows()
        )
        return f"<p><strong>{html.escape(self._heading())}</strong></p><table>{rows}</table>{self._picture()}"

    def _picture(self) -> str:
        """Return an HTML image of the shaded chart; the empty text where there is nothing to shade."""
        if (
            self.trace is None
            or self.passed
            or all(found.from_s is None for found in self.findings if not found.is_met)
        ):
            return ""
        from matplotlib.axes import Axes
        from matplotlib.figure import Figure

        from kaygraph_viz.plot.description import describe

        axes = self.draw()
        assert isinstance(axes, Axes)
        figure = axes.figure
        assert isinstance(figure, Figure)
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=100)
        source = base64.b64encode(target.getvalue()).decode()
        words = html.escape(f"Your run; the shaded parts do not meet a goal. {describe(axes).sentence}")
        return f'<img alt="{words}" src="data:image/png;base64,{source}">'


def grade(trace: Trace, goals: Sequence[Goal], refusal: str = "") -> Grade:
    """Grade a run; never raises for what a reader's code did. Anything but a trace counts as nothing recorded.

    Parameters
    ----------
    trace
        The run.
    goals
        What is expected of it.
    refusal
        Why the run is not graded, or "".

    Examples
    --------
    >>> from kaygraph_viz.course.lessons.goals import at_least_at_once
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> grade(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2)), [at_least_at_once(2)])
    0 of 1 goals met
      [ ] at least 2 branches at once: at most 1 branch ran at once, expected 2
    """
    if not refusal and not isinstance(trace, Trace):
        got = short(trace)
        refusal = f"nothing was recorded: expected a trace, got {got}; record it: with kv.record() as mine: ..."
    elif not refusal and not len(trace):
        refusal = "nothing was recorded: no node, executor or span ran (kv.record(capture='all') records plain threads)"
    if refusal:
        return Grade(goals, [Finding(False, "not checked")] * len(goals), None, refusal)
    findings = []
    for goal in goals:
        try:
            findings.append(goal.evaluate(trace))
        except Exception as error:  # not raised: a reader's run may have any shape, and the other goals still count
            findings.append(Finding(False, f"it could not be checked: {describe_error(error)}"))
    return Grade(goals, findings, trace)


def _joined(findings: Sequence[Finding]) -> list[tuple[float, float]]:
    """Return the times that do not meet a goal [s], overlapping ones as one: shading twice would hide bars."""
    stretches = sorted(
        (each.from_s, each.to_s)
        for each in findings
        if not each.is_met and each.from_s is not None and each.to_s is not None
    )
    joined: list[tuple[float, float]] = []
    for from_s, to_s in stretches:
        if joined and from_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_s))
        else:
            joined.append((from_s, to_s))
    return joined
