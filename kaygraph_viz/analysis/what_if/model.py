"""The model of a recorded run that is replayed: its calls, their branches, and what lay in between.

Belongs here: what is known of a run, and reading it from a trace: calls, what they cost, which call fed which. Does not
belong here: which part of a branch was real waiting (``gil_waits``), and other conditions (``replay``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from kaygraph_viz.analysis.calls import Calls
from kaygraph_viz.analysis.own_time import with_own_time
from kaygraph_viz.analysis.worker_loops import loops_as_items
from kaygraph_viz.analysis.workers import OWN_INTERPRETER, kind_of_lane
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.intervals import Bools, Ints, concurrency, first_of_runs, group_cluster_starts
from kaygraph_viz.trace.nesting import Nesting, Places, extent_ns, unit_mask

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
    def owner(self) -> Ints:
        """The number of the branch that each span is or lies in, or -1."""
        is_branch = self.nesting.columns.is_kind("branch")
        return np.append(np.cumsum(is_branch) - 1, -1)[self.nesting.nearest(is_branch)]

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
        is_other = unit_mask(self.nesting) & ~columns.is_kind("branch")
        units = np.flatnonzero(is_other & (columns.column("cpu_ns") > 0))
        owners = self.owner[units]
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


# -- reading it from a trace ------------------------------------------------------------------------------------------


OF_CHUNK = re.compile(r"chunk \d+")
SLOW_INPUT = 0.01  # an input that took less of the time than this share was always there


def read_model(recorded: Nesting) -> Model:
    """Return the model of a run, read from its spans."""
    with_items = loops_as_items(recorded)
    nesting, static = _without_chunks(with_own_time(with_items))
    columns = nesting.columns
    branches = np.flatnonzero(columns.is_kind("branch"))
    found = Calls.of(nesting)
    times = _Times.of(nesting, branches, found)
    calls = _linked(nesting, branches, times, _calls(nesting, branches, found, times, static))
    begins_ns, _ = extent_ns(columns)
    others = columns.column("ended_ns")[~columns.is_kind("branch")]
    return Model(
        nesting=nesting,
        branches=branches,
        submitted=times.submitted,
        started=times.started,
        ended=times.ended,
        cpu=times.cpu,
        blocked=times.blocked,
        calls=calls,
        clusters=_clusters(calls),
        begins_ns=begins_ns,
        # A branch that was given up and goes on after the run does not count.
        ends_ns=max(int(times.ended.max(initial=begins_ns)), int(others.max(initial=begins_ns))),
        is_exact=times.are_exact,
        has_loops=with_items is not recorded,
    )


def _without_chunks(nesting: Nesting) -> tuple[Nesting, Bools]:
    """Return the spans without chunks, whose branches move up to the call, and a mask of the spans that made chunks."""
    columns, parent = nesting.columns, nesting.parent
    is_branch = columns.is_kind("branch")
    is_inner = is_branch & (parent >= 0) & is_branch[parent]
    of_chunks = np.array([bool(OF_CHUNK.fullmatch(name)) for name in columns.names], np.bool_)
    is_chunk = np.zeros(len(columns), np.bool_)
    is_chunk[parent[is_inner]] = True
    is_chunk &= of_chunks[columns.rows["name"]] if len(of_chunks) else False
    made = np.zeros(len(columns), np.bool_)
    if not is_chunk.any():
        return nesting, made
    rows = columns.rows.copy()
    moved = np.flatnonzero(is_inner & is_chunk[parent])
    rows["parent_id"][moved] = columns.rows["parent_id"][parent[moved]]
    made[parent[np.flatnonzero(is_chunk)]] = True
    rows["submitted_ns"][moved] = columns.rows["submitted_ns"][parent[moved]]
    return Nesting.of(replace(columns, rows=rows[~is_chunk])), made[~is_chunk]


@dataclass(frozen=True, eq=False)
class _Times:
    """The times of n branches, and what they say about how they were dispatched; see `Model` and `Call`."""

    submitted: Ints
    started: Ints
    ended: Ints
    cpu: Ints
    blocked: Ints
    gap: Ints  # from when both the worker was free and the branch submitted, to the start
    is_first: Bools  # of its worker
    supply: Ints

    @classmethod
    def of(cls, nesting: Nesting, branches: Places, found: Calls) -> _Times:
        columns = nesting.columns
        service = found.ended - found.started
        lane = columns.column("lane")[branches]
        order = np.lexsort((found.started, lane, found.call))
        is_first = np.ones(len(order), np.bool_)
        is_first[order] = first_of_runs(found.call[order], lane[order])
        free = found.begins[found.call]
        free[order[1:]] = np.where(is_first[order[1:]], free[order[1:]], found.ended[order[:-1]])

        # The branch before each one on its lane may be of another call.
        order = np.lexsort((found.started, lane))
        before, after = order[:-1], order[1:]
        had_ended = (lane[before] == lane[after]) & (found.ended[before] <= found.started[after])
        ready = np.maximum(free, found.submitted)
        ready[after[had_ended]] = np.maximum(ready[after[had_ended]], found.ended[before[had_ended]])

        # The input yields a branch after the one before, and after a worker has asked for it.
        order = np.lexsort((found.started, columns.column("index")[branches], found.call))
        asked = free.copy()
        begins = first_of_runs(found.call[order])
        previous = np.where(begins[1:], free[order[1:]], found.submitted[order[:-1]])
        asked[order[1:]] = np.maximum(asked[order[1:]], previous)

        return cls(
            submitted=found.submitted,
            started=found.started,
            ended=found.ended,
            cpu=columns.column("cpu_ns")[branches].clip(0, service),
            blocked=columns.column("blocked_ns")[branches].clip(0, service),
            gap=(found.started - ready).clip(0),
            is_first=is_first,
            supply=(found.submitted - asked).clip(0),
        )

    @property
    def are_exact(self) -> bool:
        """Whether branches are dispatched in no time, or always in the same: a real clock never shows that."""
        kinds = (self.gap[self.is_first], self.gap[~self.is_first])
        return 4 * int((self.gap == 0).sum()) >= len(self.gap) or all(len(np.unique(gaps)) <= 1 for gaps in kinds)


def _calls(nesting: Nesting, branches: Places, found: Calls, times: _Times, static: Bools) -> list[Call]:
    columns = nesting.columns
    is_branch, is_phase = columns.is_kind("branch"), columns.is_kind("phase")
    ordinal = np.cumsum(is_branch) - 1
    owner_of = nesting.nearest(is_branch)
    order = np.lexsort((times.started, columns.column("index")[branches], found.call))
    members = np.split(order, np.flatnonzero(first_of_runs(found.call[order]))[1:]) if len(order) else []
    calls = []
    for number, its in enumerate(members):
        parent = int(nesting.parent[branches[its[0]]])
        owner = int(owner_of[parent]) if parent >= 0 else -1
        kind = _kind(nesting, parent, found.lanes[number], int(branches[its[0]]))
        is_static = parent >= 0 and bool(static[parent])
        has_own, begins_ns, ends_ns = kind in OWN_INTERPRETER, int(found.begins[number]), int(found.ends[number])

        later, first = (np.sort(times.gap[its][of_it]) for of_it in (~times.is_first[its], times.is_first[its]))
        dispatch_ns = int(later[len(later) // 4]) if len(later) else 0
        start_up_ns = max(0, int(first[len(first) // 2 if has_own else 0]) - dispatch_ns)
        is_closed = has_own and parent >= 0 and bool(is_phase[parent])
        supply = times.supply[its]
        is_slow = not is_static and supply.sum() > SLOW_INPUT * (ends_ns - begins_ns)
        calls.append(
            Call(
                number=number,
                owner=int(ordinal[owner]) if owner >= 0 else -1,
                parent=parent,
                kind=kind,
                workers=max(1, int(found.workers[number])),
                begins_ns=begins_ns,
                ends_ns=ends_ns,
                members=its,
                start_up_ns=start_up_ns,
                dispatch_ns=dispatch_ns,
                close_ns=max(0, int(columns.rows["ended_ns"][parent]) - ends_ns) if is_closed else 0,
                is_lazy=not is_static and bool(np.ptp(times.submitted[its])),
                supply_ns=dict(zip(its.tolist(), supply.tolist(), strict=True)) if is_slow else {},
                is_static=is_static,
            )
        )
    return calls


def _kind(nesting: Nesting, parent: int, lane: str, branch: int) -> str:
    """Return the kind of a call: what the span that made it notes, else what the lane of a branch says."""
    columns = nesting.columns
    if parent >= 0:
        noted = columns.attributes.get(int(columns.rows["span_id"][parent]), {}).get("executor")
        if noted in KINDS:
            return str(noted)
        if columns.rows["lane"][parent] == columns.rows["lane"][branch]:
            return "serial"
    kind = kind_of_lane(lane.rpartition("/")[2])
    if kind in KINDS:
        return kind
    return "async" if kind == "task" else "serial" if lane == "main" else "thread"


def _linked(nesting: Nesting, branches: Places, times: _Times, calls: list[Call]) -> list[Call]:
    """Return the calls, with a feeder where each branch followed from a branch of another call of the same time."""
    columns = nesting.columns
    if not columns.links or len(calls) < 2:
        return calls
    ids = columns.column("span_id")[branches]
    at = dict(zip(ids.tolist(), range(len(ids)), strict=True))
    call_of = np.empty(len(branches), np.intp)
    for call in calls:
        call_of[call.members] = call.number
    follows: dict[int, dict[int, int]] = {}
    feeder: dict[int, int] = {}
    for number, links in columns.links.items():
        mine, made = at.get(number, -1), at.get(links[0], -1)
        if mine >= 0 and made >= 0 and len(links) == 1:
            later, earlier = calls[call_of[mine]], calls[call_of[made]]
            if earlier.owner == later.owner and earlier is not later and later.begins_ns < earlier.ends_ns:
                follows.setdefault(later.number, {})[made] = mine
                feeder[later.number] = earlier.number
    linked = [
        _fed(columns, call, calls[feeder[call.number]], follows[call.number], times) if call.number in feeder else call
        for call in calls
    ]
    # The queue of results, which is read at the end, has as much room as that of the last stage.
    passing = set(feeder.values())
    return [
        replace(call, kept=call.room) if call.is_ordered and call.number not in passing else call for call in linked
    ]


def _fed(columns: SpanColumns, call: Call, feeder: Call, follows: Mapping[int, int], times: _Times) -> Call:
    """Return a call with its feeder."""
    its = call.members
    number = int(columns.rows["span_id"][call.parent]) if call.parent >= 0 else 0
    room = columns.attributes.get(number, {}).get("buffer")
    if not isinstance(room, int) or room < 1:
        longest = int(concurrency(times.submitted[its], times.started[its])[1].max(initial=1))
        room = longest if times.blocked[feeder.members].any() else None
    came = np.array([follows[made] for made in feeder.members.tolist() if made in follows], np.intp)
    is_ordered = bool((np.diff(times.started[came]) >= 0).all())
    return replace(
        call, feeder=feeder.number, follows=follows, is_ordered=is_ordered, room=room, is_lazy=False, supply_ns={}
    )


def _clusters(calls: Sequence[Call]) -> dict[int, list[list[int]]]:
    """Return by owner the calls that overlapped, in the order of time."""
    if not calls:
        return {}
    times = [(call.owner, call.begins_ns, call.ends_ns + call.close_ns) for call in calls]
    owner, begins, ends = np.array(times, np.int64).T
    order = np.lexsort((begins, owner))
    starts = group_cluster_starts(begins[order], ends[order], first_of_runs(owner[order]))
    found: dict[int, list[list[int]]] = {}
    for number, is_new in zip(order.tolist(), starts.tolist(), strict=True):
        mine = found.setdefault(calls[number].owner, [])
        if is_new:
            mine.append([])
        mine[-1].append(number)
    return found
