"""Faster and slower parts of a run: time within spans of certain names passes at another rate.

Belongs here: scaled time. Does not belong here: what a faster part does to the rest of the run (``replay``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.what_if.branch_operations import BranchOperations
from kaygraph_viz.analysis.what_if.model import Model
from kaygraph_viz.trace.counting import repeated

__all__ = ["Speed"]

Floats = npt.NDArray[np.float64]
TINY = 1e-12  # of a rate: what lasts no time at all has none


@dataclass(frozen=True, eq=False)
class Speed:
    """The rate at which time passes within the spans of a run."""

    model: Model
    around: Floats

    @classmethod
    def of(cls, model: Model, speed: Mapping[str, float]) -> Speed:
        """Return the rates for spans that are faster, by name: ``{"Enrich": 2}`` halves all times within them."""
        columns = model.nesting.columns
        around = np.zeros(len(columns))
        for name, times in speed.items():
            is_named = np.array([each == name for each in columns.names], np.bool_)[columns.rows["name"]]
            around += np.log(times) * model.nesting.within(is_named)
        return cls(model, around)

    @property
    def is_even(self) -> bool:
        """Whether time passes at the recorded rate everywhere."""
        return not self.around.any()

    def at(self, owner: Ints, times: Ints) -> Floats:
        """Return scaled times [ns]; only differences between times of one owner mean something."""
        if self.is_even:
            return (times - self.model.begins_ns).astype(np.float64)
        of_events, moments, changes = self._changes()
        owners = np.concatenate([of_events, owner])
        when = np.concatenate([moments, times])
        change = np.concatenate([changes, np.zeros(len(times))])
        order = np.lexsort((when, owners))
        rate = np.exp(np.cumsum(change[order])[:-1])
        is_same = owners[order[1:]] == owners[order[:-1]]
        passed = np.cumsum(np.where(is_same, np.diff(when[order]) / rate, 0.0))
        scaled = np.empty(len(order))
        scaled[order] = np.concatenate([[0.0], passed])
        return scaled[len(moments) :]

    def _changes(self) -> tuple[Ints, Ints, Floats]:
        """Return owners, times, and how the logarithm of the rate changes there."""
        nesting = self.model.nesting
        columns, parent = nesting.columns, nesting.parent
        is_branch = np.zeros(len(columns), np.bool_)
        is_branch[self.model.branches] = True
        owner = np.append(np.cumsum(is_branch) - 1, -1)[nesting.nearest(is_branch)]
        outside = np.append(self.around, 0.0)[parent]
        by = np.where(is_branch, self.around, self.around - outside)  # each branch has a time of its own
        at = np.flatnonzero(by)
        times = [columns.column(name)[at] for name in ("started_ns", "ended_ns")]
        return np.tile(owner[at], 2), np.concatenate(times), np.concatenate([by[at], -by[at]])

    def applied(self, operations: BranchOperations) -> BranchOperations:
        """Return what branches consist of at these rates."""
        if self.is_even:
            return operations
        model, numbers = self.model, np.arange(len(self.model.branches))
        lasts = self.at(np.tile(numbers, 2), np.concatenate([model.started, model.ended]))
        ratio = (lasts[len(numbers) :] - lasts[: len(numbers)]) / model.service.clip(1)
        wait, compute = (np.rint(each * ratio).astype(np.int64) for each in (operations.wait, operations.compute))
        free = None if operations.free is None else np.rint(operations.free * ratio).astype(np.int64)
        return replace(
            operations, wait=wait, compute=compute, free=free, faster=1 / ratio.clip(TINY), gaps=self._gaps(operations)
        )

    def _gaps(self, operations: BranchOperations) -> dict[int, list[tuple[int, int]]]:
        """Return how long owners of calls wait and compute before, between and after them [ns]."""
        edges = {owner: self.model.edges(owner) for owner in operations.gaps}
        owners = repeated(list(edges), [len(times) for times in edges.values()])
        times = np.array([time for its in edges.values() for time in its], np.int64)
        scaled, first, found = self.at(owners, times), 0, {}
        for owner, its in edges.items():
            mine = slice(first, first + len(its))
            ratios = np.diff(scaled[mine])[::2] / np.diff(times[mine])[::2].clip(1)
            found[owner] = [
                (round(wait * ratio), round(compute * ratio))
                for (wait, compute), ratio in zip(operations.gaps[owner], ratios.tolist(), strict=True)
            ]
            first += len(its)
        return found
