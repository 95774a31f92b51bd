"""The trace of a replay: the recorded spans, moved to where they would have been.

Belongs here: new times and lanes of all spans. Does not belong here: the replay (``replay``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import Any

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.analysis.what_if.branch_steps import Parts
from kaygraph_viz.analysis.what_if.engine import Replay
from kaygraph_viz.analysis.what_if.model import OWN_INTERPRETER, Call, Script
from kaygraph_viz.analysis.what_if.replay import Terms
from kaygraph_viz.analysis.what_if.speed import Stretch
from kaygraph_viz.analysis.workers import hired
from kaygraph_viz.machine import Machine
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.trace import Trace

__all__ = ["replayed_trace"]


def replayed_trace(
    script: Script, parts: Parts, stretch: Stretch, terms: Terms, which: frozenset[int], replay: Replay, dropped: int,
    machine: Machine | None,
) -> Trace:  # fmt: skip
    """Return the trace that a run would have left.

    Parameters
    ----------
    script, parts, stretch
        The run, what it was taken to consist of, and what was faster.
    terms, which, replay
        The conditions, the calls to which they applied, and what happened then.
    dropped
        How many spans of the run were not kept.
    machine
        The computer on which it would have run, if that is known.
    """
    columns = script.nesting.columns
    rows = columns.rows.copy()
    moved = _Moved(script, stretch, replay)
    for name in ("submitted_ns", "started_ns", "ended_ns"):
        rows[name] = moved.times(name)
    of_branches = script.branches
    rows["submitted_ns"][of_branches] = replay.submitted
    rows["started_ns"][of_branches] = replay.started
    rows["ended_ns"][of_branches] = replay.ended
    _enclose(script, rows)
    lasts = rows["ended_ns"] - rows["started_ns"]
    rows["cpu_ns"] = np.where(columns.column("cpu_ns") >= 0, np.minimum(_cpu_ns(script, parts, stretch), lasts), -1)
    blocked = columns.column("blocked_ns").copy()
    blocked[of_branches] += np.array(replay.blocked, np.int64) - script.handing_on
    rows["blocked_ns"] = blocked.clip(0, lasts)
    lanes = _Lanes(script, terms, which, replay)
    rows["lane"] = lanes.codes()
    attributes = {**columns.attributes, **lanes.attributes()}
    found = SpanColumns(rows, columns.names, lanes.texts, columns.errors, attributes, columns.links)
    return Trace(found.in_order(), dropped, machine=machine)


def _cpu_ns(script: Script, parts: Parts, stretch: Stretch) -> Ints:
    """Return how long spans compute [ns], they themselves and what lies in them, each as much faster as it is."""
    nesting = script.nesting
    cpu, parent, lane = nesting.columns.column("cpu_ns").clip(0), nesting.parent, nesting.columns.column("lane")
    is_inner = (parent >= 0) & (lane[parent] == lane)
    own = cpu.copy()
    np.subtract.at(own, parent[is_inner], cpu[is_inner])
    found: Ints = np.rint(own.clip(0) * np.exp(-stretch.around)).astype(np.int64)
    for its in _innermost_first(nesting.depth()):
        inner = its[is_inner[its]]
        np.add.at(found, parent[inner], found[inner])
    leaves = ~script.makes_calls
    found[script.branches[leaves]] = parts.work[leaves]
    return found


def _innermost_first(depth: Ints) -> Iterator[Places]:
    order = np.argsort(-depth, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)


def _enclose(script: Script, rows: npt.NDArray[Any]) -> None:
    """Let each span last as long as what lies in it, the innermost first."""
    parent = script.nesting.parent
    for its in _innermost_first(script.nesting.depth()):
        inner = its[parent[its] >= 0]
        np.minimum.at(rows["started_ns"], parent[inner], rows["started_ns"][inner])
        np.maximum.at(rows["ended_ns"], parent[inner], rows["ended_ns"][inner])
    rows["submitted_ns"] = np.minimum(rows["submitted_ns"], rows["started_ns"])


@dataclass(frozen=True, eq=False)
class _Moved:
    """Where moments of the run have gone: within frames, from edge to edge evenly.

    A frame is a branch, the main program, or a call that others overlapped. They are numbered: branches from 0, the
    main program is -1, and calls come below that.
    """

    script: Script
    stretch: Stretch
    replay: Replay

    def times(self, name: str) -> Ints:
        """Return the new times of all spans; those of branches are not meant."""
        nesting = self.script.nesting
        is_branch = np.zeros(len(nesting.columns), np.bool_)
        is_branch[self.script.branches] = True
        owner = np.append(np.cumsum(is_branch) - 1, -1)[nesting.nearest(is_branch)]
        return self._mapped(owner, self._frames(owner, is_branch), nesting.columns.column(name))

    def _frames(self, owner: Ints, is_branch: Bools) -> Ints:
        """Return the frame of each span."""
        makes_call = np.zeros(len(owner), np.bool_)
        number = np.zeros(len(owner), np.int64)
        for call in self._side_by_side:
            makes_call[call.parent], number[call.parent] = True, call.number
        nearest = self.script.nesting.nearest(makes_call | is_branch)
        is_within = (nearest >= 0) & makes_call[nearest]
        return np.where(is_within, -2 - number[nearest], owner)

    @cached_property
    def _side_by_side(self) -> list[Call]:
        clusters = (cluster for clusters in self.script.clusters.values() for cluster in clusters if len(cluster) > 1)
        calls = [self.script.calls[number] for cluster in clusters for number in cluster]
        parents = Counter(call.parent for call in calls)
        return [call for call in calls if call.parent >= 0 and parents[call.parent] == 1]

    def _mapped(self, owner: Ints, frame: Ints, times: Ints) -> Ints:
        owners, frames, old, new = self._edges
        count = len(owners)
        all_times = self.stretch.at(np.concatenate([owners, owner]), np.concatenate([old, times]))
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
        """Owners and frames, and when they began and ended, and so did what they called, in run and replay."""
        script, replay = self.script, self.replay
        rows: list[tuple[int, int, int, int]] = []
        for owner in {-1: None, **script.clusters}:
            rows += [(owner, owner, *edge) for edge in zip(script.edges(owner), self._new_edges(owner), strict=True)]
        for call in self._side_by_side:
            rows += [(call.owner, -2 - call.number, *edge) for edge in
                     zip((call.begins_ns, call.ends_ns), replay.calls[call.number], strict=True)]  # fmt: skip
        leaves = np.flatnonzero(~script.makes_calls)
        ends = [np.stack([leaves, leaves, recorded[leaves], np.array(replayed, np.int64)[leaves]], 1) for
                recorded, replayed in ((script.started, replay.started), (script.ended, replay.ended))]  # fmt: skip
        found = np.concatenate([np.array(rows, np.int64), *ends])
        owners, frames, old, new = found[np.lexsort((found[:, 2], found[:, 1]))].T
        return owners, frames, old, new

    def _new_edges(self, owner: int) -> Iterator[int]:
        replay = self.replay
        yield 0 if owner < 0 else replay.started[owner]
        for cluster in self.script.clusters.get(owner, ()):
            times = [replay.calls[number] for number in cluster]
            yield min(begin for begin, _ in times)
            yield max(end for _, end in times)
        yield replay.makespan_ns if owner < 0 else replay.ended[owner]


class _Lanes:
    """New lanes for the workers of all calls: the lowest numbers of their kind that are free."""

    def __init__(self, script: Script, terms: Terms, which: frozenset[int], replay: Replay) -> None:
        self._script = script
        self._replay = replay
        self._terms = terms
        self._which = which
        self._texts = list(script.nesting.columns.lanes)
        self._code = {lane: code for code, lane in enumerate(self._texts)}
        self._of_branch = np.zeros(len(script.branches), np.int64)
        self._worker = np.array(replay.worker, np.intp)
        self._ended = np.array(replay.ended, np.int64)
        self._made: Counter[str] = Counter()
        self._free: dict[str, list[int]] = {}
        self._busy: list[tuple[int, int, str]] = []  # until when a number of a kind is taken
        crowds = [cluster for clusters in script.clusters.values() for cluster in clusters if len(cluster) > 1]
        self._side_by_side = {number for cluster in crowds for number in cluster}
        depth = script.nesting.depth()[script.branches]
        order = sorted(script.calls, key=lambda call: (replay.calls[call.number][0], int(depth[call.members[0]])))
        for call in order:
            self._take(call)

    @property
    def texts(self) -> tuple[str, ...]:
        """The names of all lanes."""
        return tuple(self._texts)

    def codes(self) -> Ints:
        """Return the lane of each span: what lies in a branch moves with it."""
        columns = self._script.nesting.columns
        lane = columns.column("lane").copy()
        is_branch = np.zeros(len(lane), np.bool_)
        is_branch[self._script.branches] = True
        ordinal = np.append(np.cumsum(is_branch) - 1, -1)
        branch = ordinal[self._script.nesting.nearest(is_branch)]
        inner = np.flatnonzero(branch >= 0)
        old = lane[self._script.branches][branch[inner]]
        stays = lane[inner] != old
        lane[inner] = np.where(stays, lane[inner], self._of_branch[branch[inner]])
        return lane

    def attributes(self) -> dict[int, dict[str, Any]]:
        """Return what spans note about the workers that they hired."""
        nesting = self._script.nesting
        columns = nesting.columns
        ids, found = columns.column("span_id"), {}
        sums: dict[int, int] = {}
        for call in self._script.calls:
            if call.parent < 0:
                continue
            number = int(ids[call.parent])
            kind, size = self._crew(call)
            if hired(columns.attributes.get(number, {})) is not None:
                found[number] = {**columns.attributes[number], "executor": kind, "workers": size}
            outer = int(nesting.parent[call.parent])
            if outer >= 0 and hired(columns.attributes.get(int(ids[outer]), {})) is not None:
                sums[int(ids[outer])] = sums.get(int(ids[outer]), 0) + size
        around = {number: {**columns.attributes[number], "workers": size} for number, size in sums.items()}
        return around | found

    def _crew(self, call: Call) -> tuple[str, int]:
        kind, workers = self._terms.crew_of(call, is_varied=call.number in self._which)
        return kind, min(workers, len(call.members))

    def _take(self, call: Call) -> None:
        """Give the workers of a call lanes, and note them for its branches."""
        begin, end = self._replay.calls[call.number]
        while self._busy and self._busy[0][0] <= begin:
            _, number, name = heappop(self._busy)
            heappush(self._free[name], number)
        kind, size = self._crew(call)
        outer = self._texts[self._of_branch[call.owner]] if call.owner >= 0 else ""
        if kind == "serial" and call.number not in self._side_by_side:
            here = call.parent if call.parent >= 0 else int(self._script.branches[call.members[0]])
            text = outer or self._script.nesting.columns.lanes[self._script.nesting.columns.rows["lane"][here]]
            codes = [self._named(text)] * size
        else:
            within = outer.partition("/")[0]
            name = f"{within}/{kind}" if within.rpartition("-")[0] in OWN_INTERPRETER else kind
            leaves = np.full(size, begin if call.feeder < 0 else end)  # who gets nothing leaves at once
            np.maximum.at(leaves, self._worker[call.members], self._ended[call.members])
            codes = [self._named(f"{name}-{self._lowest(name, until)}") for until in leaves.tolist()]
        self._of_branch[call.members] = np.array(codes, np.int64)[self._worker[call.members]]

    def _lowest(self, name: str, until: int) -> int:
        free = self._free.setdefault(name, [])
        if not free:
            self._made[name] += 1
            free.append(self._made[name])
        number = heappop(free)
        heappush(self._busy, (until, number, name))
        return number

    def _named(self, lane: str) -> int:
        if lane not in self._code:
            self._code[lane] = len(self._texts)
            self._texts.append(lane)
        return self._code[lane]
