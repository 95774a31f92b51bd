"""A recorded run, replayed under other conditions, and the trace that it would have left.

Belongs here: what is changed and what stays, turned into something to simulate; parts that are faster; recorded spans
moved to where they would have been. Does not belong here: the model of a run (``model``), the simulation (``engine``),
and what the result means (``predictions``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush
from typing import Any

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.what_if.engine import MAX_TURNS, SWITCH_NS, simulate
from kaygraph_viz.analysis.what_if.model import Call, Model
from kaygraph_viz.analysis.what_if.sampling import EVERYTHING, Sample
from kaygraph_viz.analysis.what_if.tasks import (
    CALL,
    COMPUTE,
    WAIT,
    BranchOperations,
    CallSpec,
    Operation,
    Simulation,
    in_order,
)
from kaygraph_viz.analysis.workers import OWN_INTERPRETER, kind_of_lane, noted_workers
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.trace.columns import SpanColumns, repeated
from kaygraph_viz.trace.intervals import Ints
from kaygraph_viz.trace.nesting import Places, is_own_time
from kaygraph_viz.trace.trace import Trace

Floats = npt.NDArray[np.float64]
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
    possible = []
    for call in model.calls:
        reads_input = call.number in feeders and call.feeder < 0 and call.workers == 1  # of a pipeline
        is_program = len(call.members) == 1 and int(call.members[0]) in model.clusters  # a main coroutine or thread
        if call.kind != "serial" and not reads_input and not is_program:
            possible.append(call)
    if not possible and also_serial:
        possible = list(model.calls)
    numbers = {call.number for call in possible}
    call_of = {int(branch): call for call in model.calls for branch in call.members} if model.clusters else {}
    nesting = model.nesting
    is_named = np.array([name == only for name in nesting.columns.names], np.bool_)[nesting.columns.rows["name"]]
    is_meant = nesting.within(is_named)[model.branches]

    found = set[int]()
    for call in possible:
        outer = call
        while outer.owner >= 0:
            outer = call_of[outer.owner]
            if outer.number in numbers:
                break
        else:
            if only is None or is_meant[call.members].any():
                found.add(call.number)
    return frozenset(found)


def replay(
    model: Model,
    operations: BranchOperations,
    terms: Terms = AS_RECORDED,
    *,
    which: frozenset[int] = frozenset(),
    sample: Sample = EVERYTHING,
    only: Sequence[int] | None = None,
) -> Simulation:
    """Simulate a run on other terms for the calls of `which`, or of it only some calls, which overlapped."""

    def of_branch(branch: int) -> Sequence[Operation]:
        return list(of_owner(branch)) if branch in model.clusters else operations.of_branch(branch)

    def of_owner(owner: int) -> Iterator[Operation]:
        clusters = model.clusters.get(owner, ())
        for cluster, (wait, compute) in zip([*clusters, None], operations.gaps[owner], strict=True):
            yield from in_order((WAIT, wait), (COMPUTE, compute))
            if cluster is not None and not sample.leaves_out(cluster):
                yield CALL, specs(cluster)

    def specs(numbers: Sequence[int]) -> list[CallSpec]:
        calls = [model.calls[number] for number in numbers]
        begin = min(call.begins_ns for call in calls)
        place = {number: at for at, number in enumerate(numbers)}
        return [spec(call, call.begins_ns - begin, place.get(call.feeder)) for call in calls]

    def spec(call: Call, after_ns: int, feeder: int | None) -> CallSpec:
        is_varied, members = call.number in which, sample.its.get(call.number, call.members)
        kind, workers = terms.workers_of(call, is_varied=is_varied)
        started = min(workers, len(call.members))
        start_up_ns, dispatch_ns, close_ns = costs_ns(call, kind, started, terms.cores, is_exact=model.is_exact)
        schedule = (terms.schedule if is_varied else None) or ("static" if call.is_static else "dynamic")
        if schedule == "longest-first":
            members = members[np.argsort(-operations.each_lasts(model, members), kind="stable")]
        return CallSpec(
            branches=members.tolist(),
            workers=workers,
            kind=kind,
            number=call.number,
            after_ns=after_ns,
            start_up_ns=(start_up_ns,),
            dispatch_ns=dispatch_ns,
            close_ns=close_ns,
            is_lazy=call.is_lazy,
            supply_ns=call.supply_ns,
            is_static=schedule == "static",
            feeder=feeder,
            follows=call.follows,
            is_ordered=call.is_ordered,
            room=call.room,
            kept=call.kept,
            scale=sample.times.get(call.number, 1.0),
        )

    program = list(of_owner(-1)) if only is None else [(CALL, specs(only))]
    switch_ns = max(SWITCH_NS, int(operations.compute.sum()) // MAX_TURNS)
    cores, has_gil = terms.cores, terms.has_gil
    return simulate(program, len(model.branches), of_branch, cores=cores, switch_ns=switch_ns, has_gil=has_gil)


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


# -- faster and slower parts ------------------------------------------------------------------------------------------


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

        # At the begin and end of each span: how the logarithm of the rate changes in the time of its branch.
        nesting = self.model.nesting
        is_branch = nesting.columns.is_kind("branch")
        outside = np.append(self.around, 0.0)[nesting.parent]
        by = np.where(is_branch, self.around, self.around - outside)  # each branch has a time of its own
        at = np.flatnonzero(by)
        of_events = np.tile(self.model.owner[at], 2)
        moments = np.concatenate([nesting.columns.column(name)[at] for name in ("started_ns", "ended_ns")])
        changes = np.concatenate([by[at], -by[at]])

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

    def applied(self, operations: BranchOperations) -> BranchOperations:
        """Return what branches consist of at these rates."""
        if self.is_even:
            return operations
        model, numbers = self.model, np.arange(len(self.model.branches))
        lasts = self.at(np.tile(numbers, 2), np.concatenate([model.started, model.ended]))
        ratio = (lasts[len(numbers) :] - lasts[: len(numbers)]) / model.service.clip(1)
        wait, compute = (np.rint(each * ratio).astype(np.int64) for each in (operations.wait, operations.compute))
        free = None if operations.free is None else np.rint(operations.free * ratio).astype(np.int64)

        edges = {owner: self.model.edges(owner) for owner in operations.gaps}
        owners = repeated(list(edges), [len(times) for times in edges.values()])
        times = np.array([time for its in edges.values() for time in its], np.int64)
        scaled, first, gaps = self.at(owners, times), 0, {}
        for owner, its in edges.items():
            mine = slice(first, first + len(its))
            ratios = np.diff(scaled[mine])[::2] / np.diff(times[mine])[::2].clip(1)
            gaps[owner] = [
                (round(lasts * times_as_long), round(computes * times_as_long))
                for (lasts, computes), times_as_long in zip(operations.gaps[owner], ratios.tolist(), strict=True)
            ]
            first += len(its)
        return replace(operations, wait=wait, compute=compute, free=free, faster=1 / ratio.clip(TINY), gaps=gaps)


# -- the trace of a replay --------------------------------------------------------------------------------------------


def replayed_trace(
    model: Model,
    operations: BranchOperations,
    speed: Speed,
    terms: Terms,
    which: frozenset[int],
    replay: Simulation,
    dropped: int,
    machine: Machine | None,
) -> Trace:
    """Return the trace that a run would have left, with the recorded spans at new times and on new lanes."""
    columns = model.nesting.columns
    rows = columns.rows.copy()
    moved = _Moved(model, speed, replay)
    for name in ("submitted_ns", "started_ns", "ended_ns"):
        rows[name] = moved.times(name)
    of_branches = model.branches
    rows["submitted_ns"][of_branches] = replay.submitted
    rows["started_ns"][of_branches] = replay.started
    rows["ended_ns"][of_branches] = replay.ended

    # A span encloses those within it: the innermost first extend what is around them.
    parent = model.nesting.parent
    for its in _innermost_first(model.nesting.depth()):
        inner = its[parent[its] >= 0]
        np.minimum.at(rows["started_ns"], parent[inner], rows["started_ns"][inner])
        np.maximum.at(rows["ended_ns"], parent[inner], rows["ended_ns"][inner])
    rows["submitted_ns"] = np.minimum(rows["submitted_ns"], rows["started_ns"])

    lasts = rows["ended_ns"] - rows["started_ns"]
    rows["cpu_ns"] = np.where(columns.column("cpu_ns") >= 0, np.minimum(_cpu_ns(model, operations, speed), lasts), -1)
    blocked = columns.column("blocked_ns").copy()
    blocked[of_branches] += np.array(replay.blocked, np.int64) - model.backpressure
    rows["blocked_ns"] = blocked.clip(0, lasts)
    lanes = _Lanes(model, terms, which, replay)
    rows["lane"] = lanes.codes()
    attributes = {**columns.attributes, **lanes.attributes()}
    rows = rows[~is_own_time(columns)]
    found = SpanColumns(rows, columns.names, tuple(lanes.texts), columns.errors, attributes, columns.links)
    return Trace(found.in_order(), dropped, machine=machine)


def _cpu_ns(model: Model, operations: BranchOperations, speed: Speed) -> Ints:
    """Return the new CPU time of spans [ns], with that of the spans within them on the same lane, each at its speed."""
    nesting = model.nesting
    cpu, parent, lane = nesting.columns.column("cpu_ns").clip(0), nesting.parent, nesting.columns.column("lane")
    is_inner = (parent >= 0) & (lane[parent] == lane)
    own = cpu.copy()
    np.subtract.at(own, parent[is_inner], cpu[is_inner])
    found: Ints = np.rint(own.clip(0) * np.exp(-speed.around)).astype(np.int64)
    for its in _innermost_first(nesting.depth()):
        inner = its[is_inner[its]]
        np.add.at(found, parent[inner], found[inner])
    leaves = ~model.makes_calls
    found[model.branches[leaves]] = operations.compute[leaves]
    return found


def _innermost_first(depth: Ints) -> Iterator[Places]:
    order = np.argsort(-depth, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)


@dataclass(frozen=True, eq=False)
class _Moved:
    """The map from recorded to new times: linear between the edges of a frame, whose new times are known."""

    model: Model
    speed: Speed
    replay: Simulation

    def times(self, name: str) -> Ints:
        """Return the new times of all spans but branches, whose times the replay says."""
        nesting, owner = self.model.nesting, self.model.owner

        # The frame of a span is the branch around it, or a call of several at once, which its own times enclose.
        makes_call = np.zeros(len(owner), np.bool_)
        number = np.zeros(len(owner), np.int64)
        for call in self._side_by_side:
            makes_call[call.parent], number[call.parent] = True, call.number
        nearest = nesting.nearest(makes_call | nesting.columns.is_kind("branch"))
        is_within = (nearest >= 0) & makes_call[nearest]
        return self._mapped(owner, np.where(is_within, -2 - number[nearest], owner), nesting.columns.column(name))

    @cached_property
    def _side_by_side(self) -> list[Call]:
        clusters = (cluster for clusters in self.model.clusters.values() for cluster in clusters if len(cluster) > 1)
        calls = [self.model.calls[number] for cluster in clusters for number in cluster]
        parents = Counter(call.parent for call in calls)
        return [call for call in calls if call.parent >= 0 and parents[call.parent] == 1]

    def _mapped(self, owner: Ints, frame: Ints, times: Ints) -> Ints:
        owners, frames, old, new = self._edges
        count = len(owners)
        all_times = self.speed.at(np.concatenate([owners, owner]), np.concatenate([old, times]))
        at_edges, at_times = all_times[:count], all_times[count:]
        order = np.lexsort((np.arange(len(all_times)) >= count, all_times, np.concatenate([frames, frame])))
        last = np.maximum.accumulate(np.where(order < count, order, -1))  # edges are numbered in this very order
        first = np.empty(len(order), np.intp)
        first[order] = last
        first = first[count:].clip(0)
        following = np.minimum(first + 1, count - 1)
        following = np.where(frames[following] == frames[first], following, first)
        long = at_edges[following] - at_edges[first]
        share = np.where(long > 0, (at_times - at_edges[first]) / np.where(long > 0, long, 1.0), 0.0).clip(0, 1)
        moved: Ints = np.rint(new[first] + share * (new[following] - new[first])).astype(np.int64)
        return moved

    @cached_property
    def _edges(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Owner and frame of each edge, and its time in the run and in the replay [ns]."""
        model, replay = self.model, self.replay
        rows: list[tuple[int, int, int, int]] = []
        for owner in {-1: None, **model.clusters}:
            new = [0 if owner < 0 else replay.started[owner]]
            for cluster in model.clusters.get(owner, ()):
                begins, ends = zip(*(replay.calls[number] for number in cluster), strict=True)
                new += [min(begins), max(ends)]
            new.append(replay.makespan_ns if owner < 0 else replay.ended[owner])
            rows += [(owner, owner, *edge) for edge in zip(model.edges(owner), new, strict=True)]
        for call in self._side_by_side:
            both = zip((call.begins_ns, call.ends_ns), replay.calls[call.number], strict=True)
            rows += [(call.owner, -2 - call.number, *edge) for edge in both]
        leaves = np.flatnonzero(~model.makes_calls)
        of_leaves = [
            np.stack([leaves, leaves, recorded[leaves], np.array(replayed, np.int64)[leaves]], 1)
            for recorded, replayed in ((model.started, replay.started), (model.ended, replay.ended))
        ]
        found = np.concatenate([np.array(rows, np.int64), *of_leaves])
        owners, frames, before, after = found[np.lexsort((found[:, 2], found[:, 1]))].T
        return owners, frames, before, after


class _Lanes:
    """The new lanes of the workers of all calls: each worker gets the lowest number of its kind that is free."""

    def __init__(self, model: Model, terms: Terms, which: frozenset[int], replay: Simulation) -> None:
        self._model = model
        self._replay = replay
        self._terms = terms
        self._which = which
        self.texts = list(model.nesting.columns.lanes)
        self._code = {lane: code for code, lane in enumerate(self.texts)}
        self._of_branch = np.zeros(len(model.branches), np.int64)
        self._worker = np.array(replay.worker, np.intp)
        self._ended = np.array(replay.ended, np.int64)
        self._made: Counter[str] = Counter()
        self._free: dict[str, list[int]] = {}
        self._busy: list[tuple[int, int, str]] = []  # a heap: until when a number of a kind is taken
        overlapping = [cluster for clusters in model.clusters.values() for cluster in clusters if len(cluster) > 1]
        self._side_by_side = {number for cluster in overlapping for number in cluster}
        depth = model.nesting.depth()[model.branches]
        for call in sorted(model.calls, key=lambda call: (replay.calls[call.number][0], int(depth[call.members[0]]))):
            self._take(call)

    def codes(self) -> Ints:
        """Return the lane of each span; spans within a branch move to its new lane if they were on its old one."""
        lane, branch = self._model.nesting.columns.column("lane").copy(), self._model.owner
        inner = np.flatnonzero(branch >= 0)
        old = lane[self._model.branches][branch[inner]]
        lane[inner] = np.where(lane[inner] != old, lane[inner], self._of_branch[branch[inner]])
        return lane

    def attributes(self) -> dict[int, dict[str, Any]]:
        """Return the attributes of the spans that note how many workers they started, with the new numbers."""
        nesting = self._model.nesting
        columns = nesting.columns
        ids, found = columns.column("span_id"), {}
        sums: dict[int, int] = {}
        for call in self._model.calls:
            if call.parent < 0:
                continue
            number = int(ids[call.parent])
            kind, size = self._workers_of(call)
            if noted_workers(columns.attributes.get(number, {})) is not None:
                found[number] = {**columns.attributes[number], "executor": kind, "workers": size}
            outer = int(nesting.parent[call.parent])
            if outer >= 0 and noted_workers(columns.attributes.get(int(ids[outer]), {})) is not None:
                sums[int(ids[outer])] = sums.get(int(ids[outer]), 0) + size
        around = {number: {**columns.attributes[number], "workers": size} for number, size in sums.items()}
        return around | found

    def _workers_of(self, call: Call) -> tuple[str, int]:
        kind, workers = self._terms.workers_of(call, is_varied=call.number in self._which)
        return kind, min(workers, len(call.members))

    def _take(self, call: Call) -> None:
        """Assign lanes to the workers of a call, and to its branches."""
        begin, end = self._replay.calls[call.number]
        while self._busy and self._busy[0][0] <= begin:
            _, number, base = heappop(self._busy)
            heappush(self._free[base], number)
        kind, size = self._workers_of(call)
        outer = self.texts[self._of_branch[call.owner]] if call.owner >= 0 else ""
        if kind == "serial" and call.number not in self._side_by_side:
            here = call.parent if call.parent >= 0 else int(self._model.branches[call.members[0]])
            text = outer or self._model.nesting.columns.lanes[self._model.nesting.columns.rows["lane"][here]]
            codes = [self._named(text)] * size
        else:
            within = outer.partition("/")[0]  # the lane that made the call; named as when it was recorded
            base = f"{within}/{kind}-" if within.rpartition("-")[0] in OWN_INTERPRETER else f"{kind}-"
            if kind == "thread" and kind_of_lane(outer.rpartition("/")[2]) == kind:
                base = f"{outer}."
            until_ns = np.full(size, begin if call.feeder < 0 else end)  # a worker without a branch ends at once
            np.maximum.at(until_ns, self._worker[call.members], self._ended[call.members])
            codes, free = [], self._free.setdefault(base, [])
            for until in until_ns.tolist():
                if not free:
                    self._made[base] += 1
                    free.append(self._made[base])
                number = heappop(free)
                heappush(self._busy, (until, number, base))
                codes.append(self._named(f"{base}{number}"))
        self._of_branch[call.members] = np.array(codes, np.int64)[self._worker[call.members]]

    def _named(self, lane: str) -> int:
        if lane not in self._code:
            self._code[lane] = len(self.texts)
            self.texts.append(lane)
        return self._code[lane]
