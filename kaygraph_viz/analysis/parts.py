"""What the branches of a run consist of: waiting, computing, and calls in between.

Belongs here: durations without any queue. Does not belong here: finding them out (``waits``), and changing them
(``stretch``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.script import Script
from kaygraph_viz.analysis.steps import WAIT, WORK, Step

__all__ = ["Parts", "in_order"]


@dataclass(frozen=True, eq=False)
class Parts:
    """What branches consist of.

    Parameters
    ----------
    wait, work
        How long each branch waits and computes [ns]; of branches in which calls are made, `gaps` says it.
    gaps
        By owner of calls: how long it waits and computes before, between and after its clusters of calls [ns].
    computes_first
        Whether branches compute first and wait then; else the other way round.
    """

    wait: Ints
    work: Ints
    gaps: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)
    computes_first: bool = False

    @cached_property
    def durations_ns(self) -> tuple[list[int], list[int]]:
        """The waits, and the works, of all branches [ns]."""
        return self.wait.tolist(), self.work.tolist()

    def steps_of(self, branch: int) -> Sequence[Step]:
        """Return the steps of a branch that makes no call."""
        waits, works = self.durations_ns
        steps = (WAIT, waits[branch]), (WORK, works[branch])
        return in_order(*(steps[::-1] if self.computes_first else steps))

    def each_lasts(self, script: Script, branches: Ints) -> Ints:
        """Return how long branches last alone [ns]; those that make calls as long as they did."""
        own = self.wait[branches] + self.work[branches]
        return np.where(script.makes_calls[branches], script.service[branches], own)


def in_order(*steps: Step) -> Sequence[Step]:
    """Return two steps, but for those that take no time."""
    return steps if steps[0][1] and steps[1][1] else tuple(step for step in steps if step[1])
