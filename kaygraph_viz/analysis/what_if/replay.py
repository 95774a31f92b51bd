"""A recorded run, replayed under other conditions.

Belongs here: what is changed and what stays, turned into something to simulate. Does not belong here: reading a trace
(``model``), the simulation itself (``engine``), and what the result means (``what_if``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaygraph_viz.analysis.what_if.branch_operations import BranchOperations, in_order
from kaygraph_viz.analysis.what_if.engine import MAX_TURNS, SWITCH_NS, Replay, simulate
from kaygraph_viz.analysis.what_if.model import Call, Model
from kaygraph_viz.analysis.what_if.sampling import EVERYTHING, Sample
from kaygraph_viz.analysis.what_if.tasks import CALL, COMPUTE, WAIT, CallSpec, Operation
from kaygraph_viz.analysis.workers import OWN_INTERPRETER

__all__ = ["AS_RECORDED", "Terms", "costs_ns", "replay", "replay_calls", "varied"]

USUAL_COSTS_NS: Mapping[str, tuple[int, int, int]] = {  # to start a worker, to dispatch a branch to it, to end it
    "thread": (200_000, 10_000, 0),
    "async": (50_000, 20_000, 0),
    "process": (100_000_000, 200_000, 15_000_000),
    "dask": (5_000_000, 2_000_000, 0),
}


@dataclass(frozen=True)
class Terms:
    """The conditions of a replay."""

    workers: int | None = None
    kind: str | None = None
    schedule: str | None = None
    cores: int | None = None
    has_gil: bool = True

    def workers_of(self, call: Call, *, is_varied: bool) -> tuple[str, int]:
        """Return the kind and the number of workers that a call gets."""
        kind = (self.kind if is_varied else None) or call.kind
        workers = (self.workers if is_varied else None) or call.workers
        return kind, 1 if kind == "serial" else workers


AS_RECORDED = Terms()


def varied(model: Model, *, also_serial: bool, only: str | None = None) -> frozenset[int]:
    """Return the numbers of the calls whose workers can be varied: the outermost ones that are parallel."""
    feeders = {call.feeder for call in model.calls}
    possible = [
        call for call in model.calls
        if call.kind != "serial" and not _is_source(call, feeders) and not _only_waits(model, call)
    ]  # fmt: skip
    if not possible and also_serial:
        possible = list(model.calls)
    numbers = {call.number for call in possible}
    call_of = {int(branch): call.number for call in model.calls for branch in call.members} if model.clusters else {}
    outermost = [call for call in possible if not _is_within(model, call, numbers, call_of)]
    return frozenset(call.number for call in outermost if only is None or _is_called(model, call, only))


def _is_called(model: Model, call: Call, name: str) -> bool:
    """Return whether a call, a span around it, or one of its branches has a name."""
    nesting = model.nesting
    within = nesting.within(
        np.array([each == name for each in nesting.columns.names], np.bool_)[nesting.columns.rows["name"]]
    )
    return bool(within[model.branches[call.members]].any())


def _is_source(call: Call, feeders: Collection[int]) -> bool:
    """Return whether a call only reads the items of a pipeline: its one worker cannot be varied."""
    return call.number in feeders and call.feeder < 0 and call.workers == 1


def _only_waits(model: Model, call: Call) -> bool:
    """Return whether a call is one branch that makes others: the coroutine or thread of a main program."""
    return len(call.members) == 1 and int(call.members[0]) in model.clusters


def _is_within(model: Model, call: Call, numbers: set[int], call_of: Mapping[int, int]) -> bool:
    while call.owner >= 0:
        call = model.calls[call_of[call.owner]]
        if call.number in numbers:
            return True
    return False


def replay(
    model: Model, operations: BranchOperations, terms: Terms = AS_RECORDED, *, which: frozenset[int] = frozenset(),
    sample: Sample = EVERYTHING,
) -> Replay:  # fmt: skip
    """Simulate a run on other terms and return its times."""
    return _Setup(model, operations, terms, which, sample).simulated()


def replay_calls(
    model: Model, operations: BranchOperations, terms: Terms, numbers: Sequence[int], sample: Sample
) -> Replay:  # fmt: skip
    """Simulate only some calls of a run, which overlapped, with their recorded workers; parameters as for `replay`."""
    return _Setup(model, operations, terms, frozenset(), sample).simulated(numbers)


def costs_ns(call: Call, kind: str, workers: int, cores: int | None, *, is_exact: bool) -> tuple[int, int, int]:
    """Return how long it takes to start a worker, to dispatch a branch to it, and to end all of them [ns]."""
    started = min(call.workers, len(call.members))
    if kind == call.kind:
        start_up_ns, dispatch_ns, close_ns = call.start_up_ns, call.dispatch_ns, call.close_ns / started
    elif is_exact:
        return 0, 0, 0
    else:
        start_up_ns, dispatch_ns, close_ns = USUAL_COSTS_NS.get(kind, (0, 0, 0))
        started, close_ns = 1, close_ns if call.parent >= 0 else 0
    if kind in OWN_INTERPRETER and cores is not None and not is_exact:
        start_up_ns = round(start_up_ns * max(1.0, workers / cores) / max(1.0, started / cores))
    return start_up_ns, dispatch_ns, round(close_ns * workers)


@dataclass(frozen=True, eq=False)
class _Setup:
    """The input of the simulation of a run; parameters as for `replay`."""

    model: Model
    operations: BranchOperations
    terms: Terms
    which: frozenset[int]
    sample: Sample

    def simulated(self, only: Sequence[int] | None = None) -> Replay:
        """Simulate it all, or only some calls of the main program, which overlapped."""
        turns_ns = int(self.operations.compute.sum()) // MAX_TURNS
        program = list(self._of_owner(-1)) if only is None else [(CALL, self._specs(only))]
        count, switch_ns = len(self.model.branches), max(SWITCH_NS, turns_ns)
        return simulate(
            program, count, self._of_branch, cores=self.terms.cores, switch_ns=switch_ns,
            has_gil=self.terms.has_gil,
        )  # fmt: skip

    def _of_branch(self, branch: int) -> Sequence[Operation]:
        if branch in self.model.clusters:
            return list(self._of_owner(branch))
        return self.operations.of_branch(branch)

    def _of_owner(self, owner: int) -> Iterator[Operation]:
        clusters = self.model.clusters.get(owner, ())
        gaps = self.operations.gaps[owner]
        for cluster, (wait, compute) in zip([*clusters, None], gaps, strict=True):
            yield from in_order((WAIT, wait), (COMPUTE, compute))
            if cluster is not None and not self.sample.leaves_out(cluster):
                yield CALL, self._specs(cluster)

    def _specs(self, numbers: Sequence[int]) -> list[CallSpec]:
        calls = [self.model.calls[number] for number in numbers]
        begin = min(call.begins_ns for call in calls)
        place = {number: at for at, number in enumerate(numbers)}
        return [self._spec(call, call.begins_ns - begin, place.get(call.feeder)) for call in calls]

    def _spec(self, call: Call, after_ns: int, feeder: int | None) -> CallSpec:
        is_varied, terms = call.number in self.which, self.terms
        kind, workers = terms.workers_of(call, is_varied=is_varied)
        schedule = (terms.schedule if is_varied else None) or ("static" if call.is_static else "dynamic")
        members = self.sample.its.get(call.number, call.members)
        start_up_ns, dispatch_ns, close_ns = costs_ns(
            call, kind, min(workers, len(call.members)), terms.cores, is_exact=self.model.is_exact
        )
        if schedule == "longest-first":
            members = members[np.argsort(-self.operations.each_lasts(self.model, members), kind="stable")]
        return CallSpec(
            members.tolist(), workers, kind, call.number, after_ns, (start_up_ns,), dispatch_ns, close_ns,
            call.is_lazy, call.supply_ns, schedule == "static", feeder, call.follows, call.is_ordered, call.room,
            call.kept, self.sample.times.get(call.number, 1.0),
        )  # fmt: skip
