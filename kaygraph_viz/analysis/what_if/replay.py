"""A recorded run, replayed under other conditions.

Belongs here: what is changed and what stays, turned into something to simulate. Does not belong here: reading a trace
(``model``), the simulation itself (``engine``), and what the result means (``what_if``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaygraph_viz.analysis.what_if.branch_steps import Parts, in_order
from kaygraph_viz.analysis.what_if.engine import SWITCH_NS, Replay, simulate
from kaygraph_viz.analysis.what_if.model import OWN_INTERPRETER, Call, Script
from kaygraph_viz.analysis.what_if.sampling import EVERYTHING, Sample
from kaygraph_viz.analysis.what_if.steps import CALLS, WAIT, WORK, Crew, Step

__all__ = ["AS_RECORDED", "Terms", "costs_ns", "rehearsal", "replay", "varied"]

USUAL_COSTS_NS: Mapping[str, tuple[int, int, int]] = {  # to start a worker, to hand it a branch, to end it
    "thread": (200_000, 10_000, 0),
    "async": (50_000, 20_000, 0),
    "process": (100_000_000, 200_000, 15_000_000),
    "dask": (5_000_000, 2_000_000, 0),
}
MAX_TURNS = 20_000  # of the interpreter: longer runs take longer turns


@dataclass(frozen=True)
class Terms:
    """The conditions of a replay.

    Parameters
    ----------
    workers
        How many each call gets that is `varied`; None for as many as it had.
    kind
        Of these workers; None for the recorded one.
    schedule
        ``dynamic``, ``static``, ``longest-first``, or None for the recorded one.
    cores
        How many can compute at once, None for all.
    has_gil
        Whether one thread of a process computes with the interpreter at a time.
    """

    workers: int | None = None
    kind: str | None = None
    schedule: str | None = None
    cores: int | None = None
    has_gil: bool = True

    def crew_of(self, call: Call, *, is_varied: bool) -> tuple[str, int]:
        """Return the kind and the number of workers that a call gets."""
        kind = (self.kind if is_varied else None) or call.kind
        workers = (self.workers if is_varied else None) or call.workers
        return kind, 1 if kind == "serial" else workers


AS_RECORDED = Terms()


def varied(script: Script, *, also_serial: bool, only: str | None = None) -> frozenset[int]:
    """Return the numbers of the calls whose workers can be varied: the outermost ones that are parallel.

    Parameters
    ----------
    script
        The run.
    also_serial
        Whether those that ran one branch after the other are meant if there are no others.
    only
        The name of what made them, or of their branches; None for all.
    """
    feeders = {call.feeder for call in script.calls}
    possible = [call for call in script.calls if call.kind != "serial" and not _is_source(call, feeders)]
    if not possible and also_serial:
        possible = list(script.calls)
    numbers = {call.number for call in possible}
    call_of = {int(branch): call.number for call in script.calls for branch in call.members} if script.clusters else {}
    outermost = [call for call in possible if not _is_within(script, call, numbers, call_of)]
    return frozenset(call.number for call in outermost if only is None or _is_called(script, call, only))


def _is_called(script: Script, call: Call, name: str) -> bool:
    """Return whether a call, a span around it, or one of its branches has a name."""
    nesting = script.nesting
    within = nesting.within(
        np.array([each == name for each in nesting.columns.names], np.bool_)[nesting.columns.rows["name"]]
    )
    return bool(within[script.branches[call.members]].any())


def _is_source(call: Call, feeders: Collection[int]) -> bool:
    """Return whether a call only reads the items of a pipeline, which is done one by one."""
    return call.number in feeders and call.feeder < 0 and call.workers == 1


def _is_within(script: Script, call: Call, numbers: set[int], call_of: Mapping[int, int]) -> bool:
    while call.owner >= 0:
        call = script.calls[call_of[call.owner]]
        if call.number in numbers:
            return True
    return False


def replay(
    script: Script, parts: Parts, terms: Terms = AS_RECORDED, *, which: frozenset[int] = frozenset(),
    sample: Sample = EVERYTHING,
) -> Replay:  # fmt: skip
    """Return what happens if a run is repeated on other terms.

    Parameters
    ----------
    script
        The run.
    parts
        What its branches consist of.
    terms
        What is different.
    which
        The numbers of the calls to which the terms apply.
    sample
        What is replayed.
    """
    return _Staging(script, parts, terms, which, sample).played()


def rehearsal(
    script: Script, parts: Parts, terms: Terms, numbers: Sequence[int], sample: Sample
) -> Replay:  # fmt: skip
    """Return what happens if only some calls of a run, which overlapped, are repeated as they were recorded."""
    return _Staging(script, parts, terms, frozenset(), sample).played(numbers)


def costs_ns(call: Call, kind: str, workers: int, cores: int | None, *, is_exact: bool) -> tuple[int, int, int]:
    """Return how long a worker takes to start, to be handed a branch, and how long it takes to end them all [ns].

    Processes that start at the same time share the cores: they take longer, the more there are, but not in exact times.

    Parameters
    ----------
    call
        Whose workers they are.
    kind, workers
        What and how many they would be.
    cores
        How many processes can compute at once, None for all.
    is_exact
        Whether nothing takes longer than it has to.
    """
    hired = min(call.workers, len(call.members))
    if kind == call.kind:
        start_up_ns, dispatch_ns, close_ns = call.start_up_ns, call.dispatch_ns, call.close_ns / hired
    elif is_exact:
        return 0, 0, 0
    else:
        start_up_ns, dispatch_ns, close_ns = USUAL_COSTS_NS.get(kind, (0, 0, 0))
        hired, close_ns = 1, close_ns if call.parent >= 0 else 0
    if kind in OWN_INTERPRETER and cores is not None and not is_exact:
        start_up_ns = round(start_up_ns * max(1.0, workers / cores) / max(1.0, hired / cores))
    return start_up_ns, dispatch_ns, round(close_ns * workers)


@dataclass(frozen=True, eq=False)
class _Staging:
    """A run made ready for being simulated; the parameters are those of `replay`."""

    script: Script
    parts: Parts
    terms: Terms
    which: frozenset[int]
    sample: Sample

    def played(self, only: Sequence[int] | None = None) -> Replay:
        """Simulate it all, or only some calls of the main program, which overlapped."""
        turns_ns = int(self.parts.work.sum()) // MAX_TURNS
        program = list(self._steps_of(-1)) if only is None else [(CALLS, self._crews(only))]
        count, switch_ns = len(self.script.branches), max(SWITCH_NS, turns_ns)
        return simulate(
            program, count, self._steps_of_branch, cores=self.terms.cores, switch_ns=switch_ns,
            has_gil=self.terms.has_gil,
        )  # fmt: skip

    def _steps_of_branch(self, branch: int) -> Sequence[Step]:
        if branch in self.script.clusters:
            return list(self._steps_of(branch))
        return self.parts.steps_of(branch)

    def _steps_of(self, owner: int) -> Iterator[Step]:
        clusters = self.script.clusters.get(owner, ())
        gaps = self.parts.gaps[owner]
        for cluster, (wait, work) in zip([*clusters, None], gaps, strict=True):
            yield from in_order((WAIT, wait), (WORK, work))
            if cluster is not None and not self.sample.leaves_out(cluster):
                yield CALLS, self._crews(cluster)

    def _crews(self, numbers: Sequence[int]) -> list[Crew]:
        calls = [self.script.calls[number] for number in numbers]
        begin = min(call.begins_ns for call in calls)
        place = {number: at for at, number in enumerate(numbers)}
        return [self._crew(call, call.begins_ns - begin, place.get(call.feeder)) for call in calls]

    def _crew(self, call: Call, after_ns: int, feeder: int | None) -> Crew:
        is_varied, terms = call.number in self.which, self.terms
        kind, workers = terms.crew_of(call, is_varied=is_varied)
        schedule = (terms.schedule if is_varied else None) or ("static" if call.is_static else "dynamic")
        members = self.sample.its.get(call.number, call.members)
        start_up_ns, dispatch_ns, close_ns = costs_ns(
            call, kind, min(workers, len(call.members)), terms.cores, is_exact=self.script.is_exact
        )
        if schedule == "longest-first":
            members = members[np.argsort(-self.parts.each_lasts(self.script, members), kind="stable")]
        return Crew(
            members.tolist(), workers, kind, call.number, after_ns, (start_up_ns,), dispatch_ns, close_ns,
            call.is_lazy, call.supply_ns, schedule == "static", feeder, call.follows, call.is_ordered, call.room,
            call.kept, self.sample.times.get(call.number, 1.0),
        )  # fmt: skip
