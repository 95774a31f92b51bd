"""The operations of the branches of a run: as they were noted, or one wait and one computation each.

Belongs here: durations without any queue, and reading them from parts of spans. Does not belong here: estimating them
where parts are unknown (``gil_waits``), and changing them (``speed``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.what_if.model import Model
from kaygraph_viz.analysis.what_if.tasks import COMPUTE, COMPUTE_FREE, WAIT, Operation
from kaygraph_viz.parts import PART_CODE, PartKind
from kaygraph_viz.trace.counting import sums
from kaygraph_viz.trace.part_table import stretches

__all__ = ["BranchOperations", "KnownOperations", "in_order"]

Floats = npt.NDArray[np.float64]

NO_OPERATION = -1
OPERATION_OF: Mapping[PartKind, int] = {"cpu": COMPUTE, "wait": WAIT, "blocked": WAIT, "pause": WAIT}


@dataclass(frozen=True, eq=False)
class KnownOperations:
    """The operations of n branches, as far as the parts of their spans are known."""

    is_known: Bools
    wait: Ints
    compute: Ints
    first: Ints
    kind: npt.NDArray[np.int8]
    lasted: Ints

    @classmethod
    def of(cls, model: Model) -> KnownOperations:
        """Read the parts of all branches; those in which calls are made are never known."""
        found, count = stretches(model.nesting.columns, model.branches), len(model.branches)
        operation_of = np.full(len(PART_CODE), NO_OPERATION, np.int8)
        operation_of[[PART_CODE[name] for name in OPERATION_OF]] = list(OPERATION_OF.values())
        kind, until = operation_of[found.kind], np.minimum(found.ended_ns, model.ended[found.owner])
        lasted = (until - found.started_ns).clip(0)
        first = np.searchsorted(found.owner, np.arange(count + 1))
        last = (first[1:] - 1)[model.backpressure > 0]
        kind[last[found.kind[last] == PART_CODE["blocked"]]] = NO_OPERATION  # no room yet in front of the next call
        is_known = ~model.makes_calls
        is_known[found.owner[found.kind == PART_CODE["unknown"]]] = False
        wait, compute = (
            sums(found.owner, np.where(kind == what, lasted, 0), count).astype(np.int64) for what in (WAIT, COMPUTE)
        )
        return cls(is_known, wait, compute, first, kind, lasted)

    def of_branch(self, branch: int, faster: float = 1.0, free: float = 0.0) -> Sequence[Operation]:
        """Return the operations of a branch that is known."""
        mine = slice(self.first[branch], self.first[branch + 1])
        joined: list[tuple[int, int]] = []
        for kind, lasted in zip(self.kind[mine].tolist(), self.lasted[mine].tolist(), strict=True):
            if kind == NO_OPERATION or not lasted:
                continue
            if joined and joined[-1][0] == kind:
                joined[-1] = (kind, joined[-1][1] + lasted)
            else:
                joined.append((kind, lasted))
        found: list[Operation] = []
        for kind, lasted in joined:
            lasts = round(lasted / faster)
            alone = round(lasts * free) if kind == COMPUTE else 0
            found += in_order((kind, lasts - alone), (COMPUTE_FREE, alone))
        return found


@dataclass(frozen=True, eq=False)
class BranchOperations:
    """The operations of all branches of a run."""

    wait: Ints
    compute: Ints
    gaps: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)
    computes_first: bool = False
    free: Ints | None = None
    known: KnownOperations | None = None
    faster: Floats | None = None

    @cached_property
    def held(self) -> Ints:
        """Time for which each branch computes with the interpreter [ns]."""
        return self.compute if self.free is None else (self.compute - self.free).clip(0)

    @cached_property
    def durations_ns(self) -> tuple[list[int], list[int], list[int]]:
        """Times for which all branches wait, and compute with and without the interpreter [ns], as lists."""
        return self.wait.tolist(), self.held.tolist(), (self.compute - self.held).tolist()

    @cached_property
    def _made(self) -> dict[int, Sequence[Operation]]:
        return {}  # a branch is replayed many times

    def of_branch(self, branch: int) -> Sequence[Operation]:
        """Return the operations of a branch that makes no call."""
        found = self._made.get(branch)
        if found is None:
            found = self._made[branch] = self._of_branch(branch)
        return found

    def _of_branch(self, branch: int) -> Sequence[Operation]:
        if self.known is not None and self.known.is_known[branch]:
            return self.known.of_branch(branch, *self._rates(branch))
        waits, held, free = self.durations_ns
        wait, compute = (WAIT, waits[branch]), ((COMPUTE, held[branch]), (COMPUTE_FREE, free[branch]))
        return in_order(*((*compute, wait) if self.computes_first else (wait, *compute)))

    def _rates(self, branch: int) -> tuple[float, float]:
        """Return how many times as fast a branch is, and which share of its computing is free of the interpreter."""
        faster = 1.0 if self.faster is None else float(self.faster[branch])
        return faster, 0.0 if self.free is None else float(self.free[branch] / max(1, self.compute[branch]))

    def each_lasts(self, model: Model, branches: Ints) -> Ints:
        """Return the durations of branches that never wait for a turn [ns]; those that make calls keep theirs."""
        own = self.wait[branches] + self.compute[branches]
        return np.where(model.makes_calls[branches], model.service[branches], own)


def in_order(*operations: Operation) -> Sequence[Operation]:
    """Return operations without those that take no time."""
    return tuple(operation for operation in operations if operation[1])
