"""The spans of a trace as a network of activities: edges say what had to end before what could begin.

Belongs here: the nodes and edges of that network, and paths in it. Does not belong here: what they say about the run
(``critical_path``).

A span without others inside is one node. A span around others is two, its begin and its end, so that all of its
children hang on two nodes instead of on each other. Between things that followed each other in time stands a gate,
for the same reason. Attempts, and all that lies within a unit of work, are details and no nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints, first_of_runs, group_cluster_starts
from kaygraph_viz.analysis.nesting import Nesting, Places, extent_ns, is_own_time
from kaygraph_viz.trace.counting import tally

__all__ = ["BY_LINK", "BY_WORKER", "Network", "dependency_network", "pull_back", "recorded_network", "walk"]

# Reasons for a wait; of several the later one is the more specific.
BY_PARENT, BY_SEQUENCE, BY_WORKER, BY_LINK = range(4)

UNEXPLAINED = 0.1  # the share of a span's duration that its children leave open at its end

Edges = tuple[Places, Places, int]


@dataclass(frozen=True)
class Network:
    """A network: nodes in no particular order, and edges from what had to end to what could begin then."""

    span: Places
    begins: Ints
    ends: Ints
    before: Places
    after: Places
    kind: Places
    first: int
    last: int
    end_of: Places

    def released_ns(self) -> Ints:
        """Return the time at which the last of what each node waited for had ended [ns]."""
        found = self.begins.copy()
        found[self.after] = np.iinfo(np.int64).min
        np.maximum.at(found, self.after, self.ends[self.before])
        return found


def recorded_network(nesting: Nesting, units: Bools) -> Network:
    """Return the network of the run as it was recorded, with its workers and in its order."""
    members = _Members.of(nesting, _member_mask(nesting, units))
    everything = np.ones(len(members.at), np.bool_)
    return members.network([
        members.nesting_edges(), *members.gate_edges(everything), members.worker_edges(), members.link_edges(),
    ])  # fmt: skip


def dependency_network(nesting: Nesting, units: Bools, lasts: Ints) -> Network:
    """Return the network of the run with a worker for each branch."""
    by_parent = _waited_for(nesting)
    members = _Members.of(nesting, _member_mask(nesting, units) & ~_surely_short(nesting, units & ~by_parent, lasts))
    in_sequence = (~nesting.columns.is_kind("branch") | by_parent)[members.at]
    return members.network([members.nesting_edges(), *members.gate_edges(in_sequence), members.link_edges()])


def _member_mask(nesting: Nesting, units: Bools) -> Bools:
    structural = ~nesting.columns.is_kind("attempt")
    return (structural | nesting.enclosing(structural)) & (units | ~nesting.within(units))


def _waited_for(nesting: Nesting) -> Bools:
    """Return a mask of the spans whose parent worked by itself before or after them."""
    works = np.zeros(len(nesting.columns) + 1, np.bool_)  # the last place is for spans without a parent
    works[nesting.parent[is_own_time(nesting.columns)]] = True
    return works[nesting.parent]


def _surely_short(nesting: Nesting, units: Bools, lasts: Ints) -> Bools:
    """Return a mask of the branches that are not linked and not the longest unit of their parent."""
    columns = nesting.columns
    has_left_one = np.zeros(len(columns) + 1, np.bool_)  # the last place is for spans without a parent
    has_left_one[nesting.parent[columns.is_status("abandoned")]] = True
    linked = {*columns.links, *(target for targets in columns.links.values() for target in targets)}
    is_free = units & columns.is_kind("branch") & ~has_left_one[nesting.parent]
    if linked:
        is_free &= ~np.isin(columns.column("span_id"), np.fromiter(linked, np.int64, len(linked)))
    free = np.flatnonzero(is_free)
    order = free[np.lexsort((-lasts[free], nesting.parent[free]))]
    is_short = np.zeros(len(columns), np.bool_)
    is_short[order[~first_of_runs(nesting.parent[order])]] = True
    return is_short


@dataclass(frozen=True)
class _Members:
    """The spans that are nodes, numbered from 0; the run itself comes last and encloses all."""

    nesting: Nesting
    at: Places
    parent: Places
    submitted: Ints
    started: Ints
    ended: Ints
    finish: Places
    owner: Places

    @classmethod
    def of(cls, nesting: Nesting, mask: Bools) -> _Members:
        columns = nesting.columns
        at = np.flatnonzero(mask)
        run = len(at)
        number = np.full(len(columns) + 1, run)  # the last place: where -1, no parent, refers to
        number[at] = np.arange(run)
        owner = number[nesting.nearest(mask)]
        parent = np.append(owner, run)[nesting.parent[at]]
        encloses = tally(parent, run + 1) > 0
        first, last = extent_ns(columns)
        return cls(
            nesting, at, parent,
            np.append(columns.column("submitted_ns")[at], first),
            np.append(columns.column("started_ns")[at], first),
            np.append(nesting.least_around(columns.column("ended_ns"))[at], last),
            np.where(encloses, run + np.cumsum(encloses), np.arange(run + 1)),
            owner,
        )  # fmt: skip

    @property
    def nodes(self) -> int:
        """Number of nodes without the gates."""
        return int(self.finish[-1]) + 1

    def nesting_edges(self) -> Edges:
        """Return edges from the begin of each parent to its children, and from their ends to its end."""
        numbers, run = np.arange(len(self.at)), len(self.at)
        outlived = (self.parent < run) & (self.nesting.columns.column("ended_ns")[self.at] > self.ended[self.parent])
        explained = self.started.copy()
        np.maximum.at(explained, self.parent[~outlived], self.ended[numbers[~outlived]])
        is_unclear = self.ended - explained > UNEXPLAINED * (self.ended - self.started)
        given_up = self.nesting.columns.is_status("abandoned")[self.at]
        awaited = numbers[np.argsort(~given_up, kind="stable")]  # of two that end at once, the other one is the reason
        awaited = awaited[~outlived[awaited] | is_unclear[self.parent[awaited]]]
        before = np.concatenate([self.parent, self.finish[awaited]])
        return before, np.concatenate([numbers, self.finish[self.parent[awaited]]]), BY_PARENT

    def gate_edges(self, mask: Bools) -> Iterator[Edges]:
        """Yield edges from siblings of `mask` to those that were submitted when the earlier ones had ended."""
        chosen = np.flatnonzero(mask)
        order = chosen[np.lexsort((self.started[chosen], self.submitted[chosen], self.parent[chosen]))]
        is_first = first_of_runs(self.parent[order])
        begins = group_cluster_starts(self.submitted[order], self.ended[order], is_first)
        cluster = np.cumsum(begins) - 1
        opens = np.flatnonzero(begins & ~is_first)  # the first of each cluster that has another one before it
        gate_of = np.full(len(order) + 1, -1)  # by cluster
        gate_of[cluster[opens]] = self.nodes + np.arange(len(opens))
        own, following = gate_of[cluster], gate_of[cluster + 1]
        yield self.finish[order[following >= 0]], following[following >= 0], BY_SEQUENCE
        yield own[own >= 0], order[own >= 0], BY_SEQUENCE

    def worker_edges(self) -> Edges:
        """Return edges from each branch to the one that its worker ran next, in the same call."""
        branches = np.flatnonzero(self.nesting.columns.is_kind("branch")[self.at])
        lane = self.nesting.columns.rows["lane"][self.at[branches]]
        order = np.lexsort((self.ended[branches], self.started[branches], lane, self.parent[branches]))
        branches, lane = branches[order], lane[order]
        earlier, later = branches[:-1], branches[1:]
        follows = ~first_of_runs(self.parent[branches], lane)[1:] & (self.ended[earlier] <= self.started[later])
        return self.finish[earlier[follows]], later[follows], BY_WORKER

    def link_edges(self) -> Edges:
        """Return edges from spans to those that needed their results, as far as they had ended by then."""
        links = self.nesting.columns.links
        pairs = [(target, number) for number, targets in links.items() for target in targets]
        if not pairs:
            return np.empty(0, np.intp), np.empty(0, np.intp), BY_LINK
        ids = self.nesting.columns.column("span_id")
        order = np.argsort(ids, kind="stable")
        numbers = np.array(pairs, np.int64)
        place = np.minimum(np.searchsorted(ids, numbers, sorter=order), len(ids) - 1)
        at = order[place]
        at = at[(ids[at] == numbers).all(axis=1)]
        needed, needing = self.owner[at[:, 0]], self.owner[at[:, 1]]
        holds = (needed != needing) & (self.ended[needed] <= self.started[needing])
        return self.finish[needed[holds]], needing[holds], BY_LINK

    def network(self, edges: Iterable[Edges]) -> Network:
        """Return the network of these members with these edges; the nodes beyond the members are gates."""
        before, after, kind = zip(*((b, a, np.full(len(a), why)) for b, a, why in edges), strict=True)
        befores, afters = np.concatenate(before), np.concatenate(after)
        size = 1 + max(self.nodes - 1, int(befores.max(initial=0)), int(afters.max(initial=0)))
        span, begins, ends = np.full(size, -1), np.zeros(size, np.int64), np.zeros(size, np.int64)
        span[: len(self.at)] = self.at
        begins[self.finish] = ends[self.finish] = self.ended
        begins[: len(self.at) + 1] = self.started
        ends[: len(self.at) + 1] = np.where(self.finish == np.arange(len(self.finish)), self.ended, self.started)
        self._set_gates(begins, ends, befores, afters)
        run = len(self.at)
        return Network(
            span, begins, ends, befores, afters, np.concatenate(kind), run, int(self.finish[run]),
            self.finish[self.owner],
        )  # fmt: skip

    def _set_gates(self, begins: Ints, ends: Ints, before: Places, after: Places) -> None:
        """Set the times of each gate: it opens when the last of what it waits for has ended."""
        ends[self.nodes :] = np.iinfo(np.int64).min
        into = after >= self.nodes
        np.maximum.at(ends, after[into], ends[before[into]])
        begins[self.nodes :] = ends[self.nodes :]


def pull_back(network: Network, costs: Ints, limits: Ints) -> tuple[Ints, Places]:
    """Return the highest value of each node that the nodes after it allow, and which of them limits it."""
    order = np.argsort(network.after, kind="stable")
    size = len(network.span)
    before, cost = network.before[order].tolist(), costs[order].tolist()
    starts = np.searchsorted(network.after[order], np.arange(size + 1)).tolist()
    left = tally(network.before, size).tolist()
    values, following = limits.tolist(), [-1] * size
    ready = [node for node in range(size) if not left[node]]
    while ready:
        node = ready.pop()
        value = values[node]
        for edge in range(starts[node], starts[node + 1]):
            earlier = before[edge]
            if value + cost[edge] < values[earlier]:
                values[earlier], following[earlier] = value + cost[edge], node
            left[earlier] -= 1
            if not left[earlier]:
                ready.append(earlier)
    return np.array(values, np.int64), np.array(following, np.intp)


def walk(following: Places, node: int) -> list[int]:
    """Return the nodes on the way from one to the next; in a damaged trace that may be a circle, and is cut."""
    steps: list[int] = following.tolist()
    found: list[int] = []
    while node >= 0 and len(found) < len(steps):
        found.append(node)
        node = steps[node]
    return found
