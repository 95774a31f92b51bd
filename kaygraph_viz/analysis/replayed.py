"""The trace of a replay: the recorded spans, moved to where they would have been.

Belongs here: new times and lanes of all spans. Does not belong here: the replay (``replay``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.parts import Parts
from kaygraph_viz.analysis.replay import Terms
from kaygraph_viz.analysis.script import OWN_INTERPRETER, Call, Script
from kaygraph_viz.analysis.simulate import Replay
from kaygraph_viz.analysis.stretch import Stretch
from kaygraph_viz.analysis.workers import hired
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.trace import Trace

__all__ = ["replayed_trace"]


def replayed_trace(
    script: Script, parts: Parts, stretch: Stretch, terms: Terms, which: frozenset[int], replay: Replay, dropped: int
) -> Trace:
    """Return the trace that a run would have left.

    Parameters
    ----------
    script, parts, stretch
        The run, what it was taken to consist of, and what was faster.
    terms, which, replay
        The conditions, the calls to which they applied, and what happened then.
    dropped
        How many spans of the run were not kept.
    """
    columns = script.nesting.columns
    rows = columns.rows.copy()
    moved = _Moved(script, stretch, replay)
    before = columns.column("ended_ns") - columns.column("started_ns")
    for name in ("submitted_ns", "started_ns", "ended_ns"):
        rows[name] = moved.times(name)
    of_branches = script.branches
    rows["submitted_ns"][of_branches] = replay.submitted
    rows["started_ns"][of_branches] = replay.started
    rows["ended_ns"][of_branches] = replay.ended
    _enclose(script, rows)
    lasts = rows["ended_ns"] - rows["started_ns"]
    share = np.where(before > 0, lasts / before.clip(1), 1.0)
    cpu = np.rint(columns.column("cpu_ns") * np.minimum(1.0, share)).astype(np.int64)
    cpu[of_branches] = np.where(columns.column("cpu_ns")[of_branches] >= 0, parts.work, -1)
    rows["cpu_ns"] = np.where(columns.column("cpu_ns") >= 0, np.minimum(cpu, lasts), -1)
    blocked = columns.column("blocked_ns").copy()
    blocked[of_branches] += np.array(replay.blocked, np.int64) - script.handing_on
    rows["blocked_ns"] = blocked.clip(0, lasts)
    lanes = _Lanes(script, terms, which, replay)
    rows["lane"] = lanes.codes()
    attributes = {**columns.attributes, **lanes.attributes()}
    found = SpanColumns(rows, columns.names, lanes.texts, columns.errors, attributes, columns.links)
    return Trace(found.in_order(), dropped)


def _enclose(script: Script, rows: npt.NDArray[Any]) -> None:
    """Let each span last as long as what lies in it, the innermost first."""
    parent, depth = script.nesting.parent, script.nesting.depth()
    order = np.argsort(-depth, kind="stable")
    for its in np.split(order, np.flatnonzero(np.diff(depth[order])) + 1):
        inner = its[parent[its] >= 0]
        np.minimum.at(rows["started_ns"], parent[inner], rows["started_ns"][inner])
        np.maximum.at(rows["ended_ns"], parent[inner], rows["ended_ns"][inner])
    rows["submitted_ns"] = np.minimum(rows["submitted_ns"], rows["started_ns"])


@dataclass(frozen=True, eq=False)
class _Moved:
    """Where moments of the run have gone: in each owner of calls, and in each branch, from edge to edge evenly."""

    script: Script
    stretch: Stretch
    replay: Replay

    def times(self, name: str) -> Ints:
        """Return the new times of all spans; those of branches are not meant."""
        nesting = self.script.nesting
        is_branch = np.zeros(len(nesting.columns), np.bool_)
        is_branch[self.script.branches] = True
        owner = np.append(np.cumsum(is_branch) - 1, -1)[nesting.nearest(is_branch)]
        return self._mapped(owner, nesting.columns.column(name))

    def _mapped(self, owner: Ints, times: Ints) -> Ints:
        owners, old, new = self._edges()
        count, all_owners = len(owners), np.concatenate([owners, owner])
        all_times = self.stretch.at(all_owners, np.concatenate([old, times]))
        at_edges, at_times = all_times[:count], all_times[count:]
        order = np.lexsort((np.arange(len(all_times)) >= count, all_times, all_owners))
        last = np.maximum.accumulate(np.where(order < count, order, -1))
        before = np.empty(len(order), np.intp)
        before[order] = last
        first = before[count:].clip(0, count - 1)
        following = np.minimum(first + 1, count - 1)
        following = np.where(owners[following] == owners[first], following, first)
        long = at_edges[following] - at_edges[first]
        share = np.where(long > 0, (at_times - at_edges[first]) / np.where(long > 0, long, 1.0), 0.0).clip(0, 1)
        moved: Ints = np.rint(new[first] + share * (new[following] - new[first])).astype(np.int64)
        return moved

    def _edges(self) -> tuple[Ints, Ints, Ints]:
        """Return owners, and when they began and ended, and so did what they called, in the run and in the replay."""
        script, replay = self.script, self.replay
        callers = {-1: None, **script.clusters}
        owners, old, new = [], [], []
        for owner in sorted(callers):
            its = script.edges(owner)
            owners += [owner] * len(its)
            old += its
            new += [*self._new_edges(owner)]
        leaves = np.flatnonzero(~script.makes_calls)
        all_owners = np.concatenate([owners, np.repeat(leaves, 2)])
        all_old = np.concatenate([old, np.stack([script.started, script.ended], 1)[leaves].ravel()])
        replayed = np.stack([np.array(replay.started), np.array(replay.ended)], 1) if len(leaves) else np.zeros((0, 2))
        all_new = np.concatenate([new, replayed[leaves].ravel() if len(leaves) else []]).astype(np.int64)
        order = np.argsort(all_owners, kind="stable")
        return all_owners[order].astype(np.int64), all_old[order].astype(np.int64), all_new[order]

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
            codes = [self._named(f"{name}-{self._lowest(name, end)}") for _ in range(size)]
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
