"""The critical path: the spans that, one after the other, made a run as long as it was.

Belongs here: what had to wait for what, two chains through that network, and the slack of each span. Does not belong
here: how long the run took (``summary``).

The two chains answer two questions. The chain that was recorded runs through workers that were busy: it is as long as
the run, and says why. The longest dependency chain knows no shortage of workers: it says how long the run would still
be with a worker for each branch.

The network is one of activities: edges say what had to end before what could begin. A span without others inside is one
node. A span around others is two, its begin and its end, so that all of its children hang on two nodes instead of on
each other. Between things that followed each other in time stands a gate, for the same reason. Attempts, and all that
lies within a unit of work, are details and no nodes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kaygraph_viz.analysis.own_time import recorded_owner, with_own_time
from kaygraph_viz.analysis.wording import aligned, counted, duration, html_table, named
from kaygraph_viz.analysis.worker_loops import longest_item_ns
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.intervals import Bools, Ints, first_of_runs, group_cluster_starts
from kaygraph_viz.trace.nesting import PROFILE, Nesting, Places, extent_ns, is_own_time, is_profile, unit_mask
from kaygraph_viz.trace.trace import Trace

MAX_ROWS = 12
_HEADINGS = ("critical path", "steps", "time", "share")
_STANDSTILL = {
    "waiting for a worker": "the next step waited for a worker",
    "between the steps": "nothing was recorded between the steps",
}


@dataclass(frozen=True)
class CriticalPath:
    """The critical path of a run, and the slack of each span.

    Parameters
    ----------
    steps
        The recorded chain: each step began when the one before had ended, because it needed its result or its worker.
    makespan_ns
        Last end minus first submission [ns]: the durations and gaps of all steps and `ending_ns`, added up.
    ending_ns
        Time after the last step until the end of the run [ns].
    slack_ns
        For each span of the trace, in the order of ``trace.spans``: how much later it could have ended without the run
        getting longer, if everything else took as long as it did on the worker that it had [ns].
    span_ids
        The numbers of those spans, in the same order.
    dependency_ns
        The longest dependency chain [ns], the one of `Summary`: with a worker for each branch the run would still take
        at least this long.
    dependency_ids
        The units of work on that chain, by number.
    is_profile
        Whether the trace is a profile, whose spans are function calls and no branches: then it has no steps.
    """

    steps: tuple[PathStep, ...] = ()
    makespan_ns: int = 0
    ending_ns: int = 0
    slack_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    span_ids: Ints = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    dependency_ns: int = 0
    dependency_ids: tuple[int, ...] = ()
    is_profile: bool = False

    @property
    def makespan_s(self) -> float:
        """Length of the recorded chain, which is that of the run [s]."""
        return self.makespan_ns / 1e9

    @property
    def dependency_s(self) -> float:
        """Length of the longest dependency chain [s]."""
        return self.dependency_ns / 1e9

    @property
    def waits(self) -> Mapping[str, int]:
        """Number of steps that waited for a worker, for input, and for nothing."""
        found = [step.waited_for for step in self.steps]
        return {
            "for a worker": found.count("a worker"),
            "for input": found.count("input"),
            "for nothing": found.count(None),
        }

    def slack(self) -> dict[int, float]:
        """Return the slack of each span [s], by its number."""
        return dict(zip(self.span_ids.tolist(), (self.slack_ns / 1e9).tolist(), strict=True))

    @property
    def sentence(self) -> str:
        """The makespan, the name that took most of it, and what more workers would change, as one sentence.

        Examples
        --------
        >>> CriticalPath().sentence
        'Nothing was recorded.'
        """
        if self.is_profile:
            return PROFILE
        if not self.steps:
            return "Nothing was recorded."
        name, count, spent_ns = max(self._shares(), key=lambda row: row[2])
        share = f"{spent_ns / max(1, self.makespan_ns):.0%} of the time"
        often = f" ({counted(count, 'step')})" if 1 < count < len(self.steps) else ""
        largest = f"of which {one_line(name)}{often} took {share}" if count else f"but for {share} {_STANDSTILL[name]}"
        steps = f"{counted(len(self.steps), 'step')} in sequence" if len(self.steps) > 1 else "one step"
        limit = f"with one worker for each branch it would still take {duration(self.dependency_s)}"
        if self.dependency_ns > 0.95 * self.makespan_ns:
            limit = "more workers would not make it faster"
        return f"The run took {duration(self.makespan_s)}: {steps}, {largest}; {limit}."

    def _waiting(self) -> str:
        """Return how many steps waited for a worker, as a sentence for below the table, or an empty text."""
        queued = self.waits["for a worker"]
        return f"{counted(queued, 'step')} waited for a worker." if queued else ""

    def _shares(self) -> list[tuple[str, int, int]]:
        """Return the parts of the makespan: name, steps and time [ns]; steps by their sums, then the gaps."""
        found: dict[str, list[int]] = {}
        for step in self.steps:
            found.setdefault(step.name, []).append(step.duration_ns)
        names = sorted(((name, len(times), sum(times)) for name, times in found.items()), key=lambda row: -row[2])
        if len(names) > MAX_ROWS:
            rest = names[MAX_ROWS - 1 :]
            names[MAX_ROWS - 1 :] = [(f"{len(rest)} others", sum(row[1] for row in rest), sum(row[2] for row in rest))]
        undelivered = sum(step.undelivered_ns for step in self.steps)
        between = sum(step.gap_ns for step in self.steps) + self.ending_ns - undelivered
        return [*names, ("waiting for a worker", 0, undelivered), ("between the steps", 0, between)]

    def _rows(self) -> list[tuple[str, str, str, str]]:
        whole = max(1, self.makespan_ns)
        return [
            (name, f"{count:,}" if count else "", duration(spent / 1e9), f"{spent / whole:.0%}")
            for name, count, spent in [*self._shares(), ("makespan", 0, self.makespan_ns)]
        ]

    def __str__(self) -> str:
        if not self.steps:
            return self.sentence
        table = aligned([_HEADINGS, *self._rows()], right={1, 2, 3})
        return "\n\n".join(filter(None, [self.sentence, table, self._waiting()]))

    def _repr_html_(self) -> str:
        table = html_table(self._rows(), right={1, 2, 3}, headings=_HEADINGS) if self.steps else ""
        below = f"<p>{self._waiting()}</p>" if self._waiting() else ""
        return f"<p>{html.escape(self.sentence)}</p>{table}{below}"


def critical_path(trace: Trace) -> CriticalPath:
    """Find the spans that made a run as long as it was, and the slack of every span.

    Making a step of the chain shorter makes the run shorter, until another chain is the longest. A span with slack can
    take that much longer without any effect.

    Parameters
    ----------
    trace
        A trace, also a live or empty one.

    Returns
    -------
    CriticalPath
        ``print`` it, or let the notebook show it.

    Notes
    -----
    The chain is found from the last end backwards: of all that had to end before a span could begin, what ended last.
    That is the span whose result it needed (a link), the branch that its worker ran before in the same call, what had
    ended within the same parent before it was submitted, or the begin of its parent. The slack of a span is the least,
    over everything that waited for it, of that one's slack and the time between both (Kelley, Walker 1959).

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> branches = [bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 3), bar("c", "t-1", 2, 6, queued_s=2)]
    >>> found = critical_path(make_trace((bar("exec", "main", 0, 6, kind="phase"), branches)))
    >>> [(step.name, step.waited_for, step.waited_ns / 1e9) for step in found.steps]
    [('a', None, 0.0), ('c', 'a worker', 2.0)]
    >>> found.slack()[3], found.makespan_s, found.dependency_s
    (3.0, 6.0, 4.0)
    """
    columns = trace.columns
    if not len(columns):
        return CriticalPath()
    first_ns, last_ns = extent_ns(columns)
    recorded = Nesting.of(columns)
    if is_profile(recorded):
        return CriticalPath(makespan_ns=last_ns - first_ns, is_profile=True)
    nesting = with_own_time(recorded)
    units, ids = unit_mask(nesting), recorded_owner(nesting.columns)
    network = recorded_network(nesting, units)
    spare = network.released_ns()[network.after] - network.ends[network.before]
    slack, _ = pull_back(network, spare, last_ns - network.ends)
    steps = recorded_steps(nesting, network)
    length, chain = _longest_dependency(nesting, units)
    return CriticalPath(
        steps=steps,
        makespan_ns=last_ns - first_ns,
        ending_ns=last_ns - (steps[-1].ended_ns if steps else first_ns),
        slack_ns=slack[network.end_of][~is_own_time(nesting.columns)],
        span_ids=columns.column("span_id"),
        dependency_ns=length,
        dependency_ids=tuple(dict.fromkeys(ids[chain].tolist())),
    )


def critical_path_ns(nesting: Nesting, units: Bools | None = None) -> int:
    """Return the length of the longest dependency chain [ns]."""
    if not len(nesting.columns):
        return 0
    return _longest_dependency(nesting, unit_mask(nesting) if units is None else units)[0]


def _longest_dependency(nesting: Nesting, units: Bools) -> tuple[int, Places]:
    """Return the length [ns] and the units of the longest dependency chain."""
    lasts = longest_item_ns(nesting)
    network = dependency_network(nesting, units, lasts)
    counts = (network.span >= 0) & units[network.span]
    lengths = np.where(counts, np.minimum(network.ends - network.begins, lasts[network.span]), 0)
    values, following = pull_back(network, -lengths[network.after], np.zeros_like(lengths))
    chain = [node for node in walk(following, network.first) if lengths[node]]
    return -int(values[network.first]), network.span[chain]


# -- the recorded chain -----------------------------------------------------------------------------------------------


WaitedFor = Literal["a worker", "input"]
_WAITED_FOR: tuple[WaitedFor | None, ...] = (None, "a worker", "input")


@dataclass(frozen=True, slots=True)
class PathStep:
    """One span of the chain that made a run as long as it was.

    Parameters
    ----------
    span_id, index, lane
        As in the span.
    name
        The branch, or the phase with its node.
    submitted_ns, started_ns, ended_ns
        The times at which it was ready to run, began, and ended or was given up [ns].
    gap_ns
        Time since the step before had ended, in which the chain stood still [ns].
    waited_for
        ``"a worker"``: it was submitted and had to queue. ``"input"``: what it needed was not there, or it had not been
        submitted. None: it began as soon as the step before had ended.
    waited_ns
        Its wait for that [ns]. For a worker this is its queue wait, most of which lies beside the earlier
        steps; `gap_ns` is the part in which the chain stood still.
    """

    span_id: int
    name: str
    index: int | None
    lane: str
    submitted_ns: int
    started_ns: int
    ended_ns: int
    gap_ns: int
    waited_for: WaitedFor | None
    waited_ns: int

    @property
    def duration_ns(self) -> int:
        """Time on the chain [ns]."""
        return self.ended_ns - self.started_ns

    @property
    def undelivered_ns(self) -> int:
        """Part of the gap in which it was submitted and no worker had begun it [ns]."""
        return min(self.gap_ns, self.started_ns - self.submitted_ns)


def recorded_steps(nesting: Nesting, network: Network) -> tuple[PathStep, ...]:
    """Return the recorded chain: backwards from the last end to what each step waited for last."""
    released = network.released_ns()
    decides = network.ends[network.before] == released[network.after]
    binding, why = np.full(len(released), -1), np.full(len(released), -1)
    binding[network.after[decides]] = network.before[decides]  # of several the last is kept: the most specific one
    why[network.after[decides]] = network.kind[decides]
    is_step = (network.span >= 0) & (network.ends > network.begins)
    nodes = np.array([node for node in reversed(walk(binding, network.last)) if is_step[node]], np.intp)

    at, why = network.span[nodes], why[nodes]
    started, ended = network.begins[nodes], network.ends[nodes]
    rows, columns = nesting.columns.rows[at], nesting.columns
    before = np.append(network.begins[network.first], ended[:-1])
    submitted = columns.column("submitted_ns")[at]

    # What was submitted before the step before had ended waited all the time for what decided its start.
    queued, was_early = started - submitted, submitted < before
    for_worker = np.where(was_early & (why == BY_WORKER), queued, started - np.maximum(submitted, before))
    for_input = np.where(was_early & (why == BY_LINK), queued, np.maximum(submitted - before, 0))
    reason = np.where(for_worker > for_input, 1, np.where(for_input > 0, 2, 0))

    number, texts = named(nesting, at)
    numbers = recorded_owner(columns)[at], number, rows["index"], rows["lane"]
    times = submitted, started, ended, started - before, reason, np.maximum(for_worker, for_input)
    return tuple(
        PathStep(
            span_id=span_id,
            name=texts[name],
            index=None if index < 0 else index,
            lane=columns.lanes[lane],
            submitted_ns=ready,
            started_ns=start,
            ended_ns=end,
            gap_ns=gap,
            waited_for=_WAITED_FOR[why],
            waited_ns=waited,
        )
        for span_id, name, index, lane, ready, start, end, gap, why, waited in zip(
            *(each.tolist() for each in (*numbers, *times)), strict=True
        )
    )


# -- the network ------------------------------------------------------------------------------------------------------


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
    in_sequence = members.gate_edges(everything)
    return members.network([members.nesting_edges(), *in_sequence, members.worker_edges(), members.link_edges()])


def dependency_network(nesting: Nesting, units: Bools, lasts: Ints) -> Network:
    """Return the network of the run with a worker for each branch."""
    works = np.zeros(len(nesting.columns) + 1, np.bool_)  # the last place is for spans without a parent
    works[nesting.parent[is_own_time(nesting.columns)]] = True
    by_parent = works[nesting.parent]  # spans whose parent worked by itself before or after them
    members = _Members.of(nesting, _member_mask(nesting, units) & ~_surely_short(nesting, units & ~by_parent, lasts))
    in_sequence = (~nesting.columns.is_kind("branch") | by_parent)[members.at]
    return members.network([members.nesting_edges(), *members.gate_edges(in_sequence), members.link_edges()])


def _member_mask(nesting: Nesting, units: Bools) -> Bools:
    structural = ~nesting.columns.is_kind("attempt")
    return (structural | nesting.enclosing(structural)) & (units | ~nesting.within(units))


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
            nesting,
            at,
            parent,
            np.append(columns.column("submitted_ns")[at], first),
            np.append(columns.column("started_ns")[at], first),
            np.append(nesting.least_around(columns.column("ended_ns"))[at], last),
            np.where(encloses, run + np.cumsum(encloses), np.arange(run + 1)),
            owner,
        )

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

        # A gate opens when the last of what it waits for has ended.
        ends[self.nodes :] = np.iinfo(np.int64).min
        into = afters >= self.nodes
        np.maximum.at(ends, afters[into], ends[befores[into]])
        begins[self.nodes :] = ends[self.nodes :]

        run = len(self.at)
        finish, kinds = self.finish, np.concatenate(kind)
        return Network(span, begins, ends, befores, afters, kinds, run, int(finish[run]), finish[self.owner])


# -- paths in it ------------------------------------------------------------------------------------------------------


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
