"""The model of a recorded run that is replayed: its calls, their branches, and what lay in between.

Belongs here: what is known of a run. Does not belong here: reading it from a trace (``read_model``), which part of a
branch was real waiting (``gil_waits``), and other conditions than those that were recorded (``replay``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints, first_of_runs
from kaygraph_viz.analysis.nesting import Nesting, Places, unit_mask

__all__ = ["KINDS", "Call", "Model"]

KINDS = ("serial", "thread", "process", "async", "dask")


@dataclass(frozen=True, eq=False)
class Call:
    """One parallel call, or one stage of a pipeline."""

    number: int
    owner: int
    parent: int
    kind: str
    workers: int
    begins_ns: int
    ends_ns: int
    members: Ints
    start_up_ns: int
    dispatch_ns: int
    close_ns: int
    is_lazy: bool
    supply_ns: Mapping[int, int]
    is_static: bool
    feeder: int = -1
    follows: Mapping[int, int] = field(default_factory=dict)
    is_ordered: bool = False
    room: int | None = None
    kept: int | None = None


@dataclass(frozen=True, eq=False)
class Model:
    """A recorded run of n branches in c calls."""

    nesting: Nesting
    branches: Places
    submitted: Ints
    started: Ints
    ended: Ints
    cpu: Ints
    blocked: Ints
    calls: Sequence[Call]
    clusters: Mapping[int, Sequence[Sequence[int]]]
    begins_ns: int
    ends_ns: int
    is_exact: bool
    has_loops: bool = False

    @cached_property
    def service(self) -> Ints:
        """Duration of each branch [ns]."""
        return self.ended - self.started

    @cached_property
    def top(self) -> Ints:
        """The outermost branch that each branch is or lies in."""
        top = np.arange(len(self.branches))
        depth = self.nesting.depth()[self.branches]
        for call in sorted(self.calls, key=lambda call: int(depth[call.members[0]])):
            if call.owner >= 0:
                top[call.members] = top[call.owner]
        return top

    @cached_property
    def makes_calls(self) -> Bools:
        """Whether calls were made in each branch."""
        found = np.zeros(len(self.branches), np.bool_)
        found[[owner for owner in self.clusters if owner >= 0]] = True
        return found

    @cached_property
    def backpressure(self) -> Ints:
        """Time for which each branch was blocked because there was no room for it in front of the next call [ns]."""
        blocked = np.zeros(len(self.branches), np.int64)
        for feeder in {call.feeder for call in self.calls if call.feeder >= 0}:
            its = self.calls[feeder].members
            blocked[its] = self.blocked[its]
        return blocked

    @cached_property
    def _computed(self) -> dict[int, tuple[Ints, Ints]]:
        columns = self.nesting.columns
        is_branch = columns.is_kind("branch")
        units = np.flatnonzero(unit_mask(self.nesting) & ~is_branch & (columns.column("cpu_ns") > 0))
        owners = np.append(np.cumsum(is_branch) - 1, -1)[self.nesting.nearest(is_branch)[units]]
        order = np.argsort(owners, kind="stable")
        firsts = np.flatnonzero(first_of_runs(owners[order])) if len(order) else np.empty(0, np.intp)
        found = {}
        for its in np.split(units[order], firsts[1:]) if len(order) else []:
            owner = int(owners[np.searchsorted(units, its[0])])
            cpu = np.concatenate([[0], np.cumsum(columns.column("cpu_ns")[its])])
            found[owner] = columns.column("started_ns")[its], cpu
        return found

    def computed_ns(self, owner: int) -> tuple[Ints, Ints]:
        """Return when an owner of calls began to compute between them, and how long it had computed until then [ns]."""
        return self._computed.get(owner, (np.empty(0, np.int64), np.zeros(1, np.int64)))

    def edges(self, owner: int) -> list[int]:
        """Return when an owner begins, when each of its clusters of calls begins and ends, and when it ends [ns]."""
        found = [self.begins_ns if owner < 0 else int(self.started[owner])]
        for cluster in self.clusters.get(owner, ()):
            calls = [self.calls[number] for number in cluster]
            found += [min(call.begins_ns for call in calls), max(call.ends_ns + call.close_ns for call in calls)]
        return [*found, self.ends_ns if owner < 0 else int(self.ended[owner])]
