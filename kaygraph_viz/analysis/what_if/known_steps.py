"""What branches are known to have done, in its order: the parts of their spans as steps that can be replayed.

Belongs here: reading steps from parts. Does not belong here: what is estimated where parts are unknown (``gil_waits``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.what_if.model import Script
from kaygraph_viz.analysis.what_if.steps import FREE, WAIT, WORK, Step
from kaygraph_viz.parts import PART_CODE, PartKind
from kaygraph_viz.trace.part_table import stretches

__all__ = ["KnownSteps"]

NO_STEP = -1
STEP_OF: Mapping[PartKind, int] = {"cpu": WORK, "wait": WAIT, "blocked": WAIT, "pause": WAIT}


@dataclass(frozen=True, eq=False)
class KnownSteps:
    """The steps of n branches.

    Parameters
    ----------
    is_known
        Whether every part of a branch is known, shape (n,).
    wait, work
        How long each is known to have waited, and computed [ns], shape (n,).
    first
        Where the steps of each begin, and where those of the last one end, shape (n + 1,).
    kind, lasted
        What each step is, -1 for what a replay finds out: waits for a turn, and for room in front of the next call; and
        how long it lasted [ns].
    """

    is_known: Bools
    wait: Ints
    work: Ints
    first: Ints
    kind: npt.NDArray[np.int8]
    lasted: Ints

    @classmethod
    def of(cls, script: Script) -> KnownSteps:
        """Read the parts of all branches; those in which calls are made are never known."""
        found, count = stretches(script.nesting.columns, script.branches), len(script.branches)
        step_of = np.full(len(PART_CODE), NO_STEP, np.int8)
        step_of[[PART_CODE[name] for name in STEP_OF]] = list(STEP_OF.values())
        kind, until = step_of[found.kind], np.minimum(found.ended_ns, script.ended[found.owner])
        lasted = (until - found.started_ns).clip(0)
        first = np.searchsorted(found.owner, np.arange(count + 1))
        last = (first[1:] - 1)[script.handing_on > 0]
        kind[last[found.kind[last] == PART_CODE["blocked"]]] = NO_STEP  # no room yet in front of the next call
        is_known = ~script.makes_calls
        is_known[found.owner[found.kind == PART_CODE["unknown"]]] = False
        wait, work = (
            np.bincount(found.owner, np.where(kind == what, lasted, 0), count).astype(np.int64) for what in (WAIT, WORK)
        )
        return cls(is_known, wait, work, first, kind, lasted)

    def of_branch(self, branch: int, faster: float = 1.0, free: float = 0.0) -> Sequence[Step]:
        """Return the steps of a branch that is known.

        Parameters
        ----------
        branch
            Its number.
        faster
            By which its times are divided.
        free
            Which share of its computing needs no interpreter, 0 to 1.
        """
        mine = slice(self.first[branch], self.first[branch + 1])
        joined: list[tuple[int, int]] = []
        for kind, lasted in zip(self.kind[mine].tolist(), self.lasted[mine].tolist(), strict=True):
            if kind == NO_STEP or not lasted:
                continue
            if joined and joined[-1][0] == kind:
                joined[-1] = (kind, joined[-1][1] + lasted)
            else:
                joined.append((kind, lasted))
        steps: list[Step] = []
        for kind, lasted in joined:
            lasts = round(lasted / faster)
            alone = round(lasts * free) if kind == WORK else 0
            steps += [(what, how_long) for what, how_long in ((kind, lasts - alone), (FREE, alone)) if how_long]
        return steps
