"""What the branches of a run consist of: waiting, computing, and calls in between.

Belongs here: durations without any queue. Does not belong here: finding them out (``gil_waits``), and changing them
(``speed``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.what_if.known_steps import KnownSteps
from kaygraph_viz.analysis.what_if.model import Script
from kaygraph_viz.analysis.what_if.steps import FREE, WAIT, WORK, Step

__all__ = ["Parts", "in_order"]

Floats = npt.NDArray[np.float64]


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
    free
        How much of its work each branch computes without the interpreter, after the rest of it [ns]; None for nothing.
    known
        The steps of branches as they were recorded, which come before all this; None where none are known.
    faster
        By which the times of each branch are divided; None for 1.
    """

    wait: Ints
    work: Ints
    gaps: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)
    computes_first: bool = False
    free: Ints | None = None
    known: KnownSteps | None = None
    faster: Floats | None = None

    @cached_property
    def held(self) -> Ints:
        """How long each branch computes with the interpreter [ns]."""
        return self.work if self.free is None else (self.work - self.free).clip(0)

    @cached_property
    def durations_ns(self) -> tuple[list[int], list[int], list[int]]:
        """How long all branches wait, and compute with and without the interpreter [ns]."""
        return self.wait.tolist(), self.held.tolist(), (self.work - self.held).tolist()

    @cached_property
    def _steps(self) -> dict[int, Sequence[Step]]:
        return {}  # a branch is replayed many times

    def steps_of(self, branch: int) -> Sequence[Step]:
        """Return the steps of a branch that makes no call."""
        found = self._steps.get(branch)
        if found is None:
            found = self._steps[branch] = self._steps_made(branch)
        return found

    def _steps_made(self, branch: int) -> Sequence[Step]:
        if self.known is not None and self.known.is_known[branch]:
            return self.known.of_branch(branch, *self._rates(branch))
        waits, held, free = self.durations_ns
        wait, work = (WAIT, waits[branch]), ((WORK, held[branch]), (FREE, free[branch]))
        return in_order(*((*work, wait) if self.computes_first else (wait, *work)))

    def _rates(self, branch: int) -> tuple[float, float]:
        """Return how many times as fast a branch is, and which share of its work is free."""
        faster = 1.0 if self.faster is None else float(self.faster[branch])
        return faster, 0.0 if self.free is None else float(self.free[branch] / max(1, self.work[branch]))

    def each_lasts(self, script: Script, branches: Ints) -> Ints:
        """Return how long branches last alone [ns]; those that make calls as long as they did."""
        own = self.wait[branches] + self.work[branches]
        return np.where(script.makes_calls[branches], script.service[branches], own)


def in_order(*steps: Step) -> Sequence[Step]:
    """Return steps, but for those that take no time."""
    return tuple(step for step in steps if step[1])
