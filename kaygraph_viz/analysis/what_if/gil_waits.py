"""The real waits of branches, told from their waits for the GIL or a core, which also make bars longer.

Belongs here: telling the two apart. Does not belong here: an upper bound for each branch's wait for the GIL
(``waits``), and what other conditions would do (``replay``).

No clock measures the wait for the GIL. What is known of a branch is when it started and ended and how long it computed.
So the real waits are chosen such that a replay with the recorded workers gives bars like those that were recorded:

1. Where fewer branches ran at once than can compute at once, none waited for a turn: one by the GIL, or as many as
   there are cores, of processes, and of threads whose code computes without the GIL.
2. As long as another branch computes, a branch may wait for either. So the CPU time of all branches is put as close to
   the end of their bars as one interpreter can manage; what is left before it is the longest possible real wait. Where
   the interpreter was idle for a good part of the time, that is nearly the answer: only a branch that began to
   compute right after another one had to wait for that one, on average for half of its time.
3. Where it was busy nearly all the time, shorter waits give the same bars on average. There the shortest ones are taken
   with which the replay is as long as the recorded run, and leaves as much room for waits at its begin and in its
   shorter bars, and which leave the interpreter idle for no longer than it was: branches that all begin by waiting do.
   If bars are longer just in proportion to their CPU time, there was no other wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from kaygraph_viz.analysis.waits import processes
from kaygraph_viz.analysis.what_if.engine import MAX_TURNS, SWITCH_NS, simulate
from kaygraph_viz.analysis.what_if.model import Model
from kaygraph_viz.analysis.what_if.replay import Terms, replay
from kaygraph_viz.analysis.what_if.sampling import EVERYTHING, Sample, sampled
from kaygraph_viz.analysis.what_if.tasks import (
    CALL,
    COMPUTE,
    COMPUTE_FREE,
    BranchOperations,
    CallSpec,
    KnownOperations,
    in_order,
)
from kaygraph_viz.analysis.workers import OWN_INTERPRETER
from kaygraph_viz.trace.intervals import Ints, concurrency, first_of_runs, union_length_ns

MAX_BRANCHES = 1_000  # that are replayed of a group; the others are taken to be like them
MAX_GROUPS = 100  # of branches, in as many clusters of calls
SHORTER = (0.1, 0.2, 0.3, 0.4, 0.5)  # which of the bars, in the order of their room for waits, are compared
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)  # of that room, to be tried
QUANTILES = (0.0, 0.1, 0.25, 0.5)  # of that room, to be tried as the longest wait of all
IN_PROPORTION = 0.15  # the share of the waits, at most, that does not grow with CPU time
VARIES, PAIRED = 0.1, 200  # from which spread of CPU times on, and with how many of them, that is looked at
TOUCHING_NS = 200_000  # the interpreter passes from one thread to the next in no more than this
COROUTINES_NS = 1 << 60  # coroutines are never interrupted while they compute


class Tolerances(NamedTuple):
    """The tolerances for what the replay does not model."""

    busy: float
    as_good: float
    at_all: float


OF_THE_GIL = Tolerances(busy=0.8, as_good=0.01, at_all=0.2)
# Other programs use the cores as well, and systems divide them in their own way.
OF_CORES = Tolerances(busy=0.7, as_good=0.05, at_all=0.5)


def real_waits(
    model: Model, *, cores: int | None, computes_first: bool | None = None, free: Ints | None = None
) -> BranchOperations:
    """Return what branches consist of, without their waits for a turn to compute."""
    known = KnownOperations.of(model)
    if computes_first is None and model.is_exact and not (known.is_known | model.makes_calls).all():
        found, is_reproduced = _found(model, cores, free, known, computes_first=True, has_to_be_exact=True)
        if is_reproduced:
            return found
    return _found(model, cores, free, known, computes_first=bool(computes_first))[0]


def _found(
    model: Model,
    cores: int | None,
    free: Ints | None,
    known: KnownOperations,
    *,
    computes_first: bool,
    has_to_be_exact: bool = False,
) -> tuple[BranchOperations, bool]:
    """Return the operations, and whether a replay gives exactly the recorded bars."""
    done_ns = model.ended - model.backpressure
    wait = (done_ns - model.started - model.cpu).clip(0)
    wait = np.where(known.is_known, known.wait, wait)
    compute = np.where(known.is_known, known.compute, model.cpu)

    gaps: dict[int, list[tuple[int, int]]] = {}  # how long owners of calls wait and compute around them
    for owner in {-1: None, **model.clusters}:
        edges = np.array(model.edges(owner)).reshape(-1, 2)
        moments, until = model.computed_ns(owner)
        lasts = np.diff(edges, axis=1)[:, 0].clip(0)
        computed = np.minimum(lasts, np.diff(until[np.searchsorted(moments, edges)], axis=1)[:, 0])
        gaps[owner] = list(zip((lasts - computed).tolist(), computed.tolist(), strict=True))

    operations = BranchOperations(wait, compute, gaps, computes_first, free, known)
    groups = list(_groups(model, operations, cores))
    every = max(1, -(-len(groups) // MAX_GROUPS))
    is_reproduced, real, longest = True, 0, 0
    for number, its, turns in groups[::every]:
        fit = _Fit.of(model, operations, model.clusters[-1][number], its, turns, done_ns)
        found, is_exact = fit.waits(has_to_be_exact=has_to_be_exact)
        if has_to_be_exact and not is_exact:
            return operations, False
        real, longest = real + int(found.sum()), longest + int(wait[fit.its].sum())
        rest = its[~np.isin(its, fit.its)]
        wait[rest] = _rounded(wait[rest] * (found.sum() / max(1, wait[fit.its].sum())))
        wait[fit.its] = found
        is_reproduced &= is_exact
    for _, its, _ in (group for place, group in enumerate(groups) if place % every):
        wait[its] = _rounded(wait[its] * (real / max(1, longest)))
    return operations, is_reproduced


def _groups(model: Model, operations: BranchOperations, cores: int | None) -> Iterator[tuple[int, Ints, int | None]]:
    """Yield branches that took turns: the number of their cluster, and how many cores they had, None for one GIL."""
    is_leaf = (model.cpu > 0) & ~model.makes_calls
    if operations.known is not None:
        is_leaf &= ~operations.known.is_known
    process = abs(processes(model.nesting.columns, model.branches))
    is_own = 2 * operations.held < operations.compute
    cluster_of = np.full(len(model.branches), -1)
    for call in model.calls:
        is_own[call.members] |= call.kind in OWN_INTERPRETER
    for place, cluster in enumerate(model.clusters.get(-1, ())):
        for call in (model.calls[each] for each in cluster):
            cluster_of[call.members] = place
    group = np.where(is_own, -1, process)
    leaves = np.flatnonzero(is_leaf & ((group >= 0) | (cores is not None)))
    number, name = cluster_of[model.top[leaves]], group[leaves]
    order = np.lexsort((name, number))
    firsts = np.flatnonzero(first_of_runs(number[order], name[order])) if len(order) else order
    for its in np.split(order, firsts[1:]) if len(order) else []:
        yield int(number[its[0]]), leaves[its], cores if name[its[0]] < 0 else None


@dataclass(frozen=True, eq=False)
class _Fit:
    """A group of branches that took turns to compute, and replays of their calls to compare them with."""

    model: Model
    operations: BranchOperations
    cluster: Sequence[int]
    sample: Sample
    its: Ints
    cores: int | None
    ended: Ints

    @classmethod
    def of(
        cls,
        model: Model,
        operations: BranchOperations,
        cluster: Sequence[int],
        its: Ints,
        cores: int | None,
        ended: Ints,
    ) -> _Fit:
        """Take the first branches of a large group: neighbours, since only those that overlapped took turns."""
        parted = -(-len(its) // MAX_BRANCHES)
        sample = EVERYTHING
        if parted > 1:
            sample = Sample(sampled(model, cluster, lambda members: members[: -(-len(members) // parted)]))
            its = its[np.isin(model.top[its], np.concatenate(list(sample.its.values())))]
        return cls(model, operations, cluster, sample, its, cores, ended)

    @property
    def cpu(self) -> Ints:
        """Time for which branches compute with what they take turns at [ns]."""
        return (self.operations.held if self.cores is None else self.operations.compute)[self.its]

    @property
    def known_wait(self) -> Ints:
        """Time for which branches are known to have waited, at least [ns]."""
        known = self.operations.known
        waited = np.zeros(len(self.model.branches), np.int64) if known is None else known.wait
        return np.minimum(waited, self.model.service)[self.its]

    def waits(self, *, has_to_be_exact: bool = False) -> tuple[Ints, bool]:
        """Return the waits [ns], and whether the replay gives exactly the recorded bars; of no use if it has to."""
        started, ended, cpu = self.model.started[self.its], self.ended[self.its], self.cpu
        if concurrency(started, ended)[1].max(initial=0) <= (self.cores or 1):
            return self.operations.wait[self.its], True
        known = self.known_wait
        room = np.maximum(self.room(started, ended), known)
        probable = np.maximum(known, room - self._queued(started + room, cpu).clip(0, room))
        allowed = OF_THE_GIL if self.cores is None else OF_CORES
        busy = cpu.sum() / ((self.cores or 1) * union_length_ns(started, ended))
        if busy < allowed.busy and not self.model.is_exact:
            return probable, False
        tries = [_rounded(share * room) for share in SHARES]
        tries += [np.minimum(room, _rounded(np.quantile(room, limit))) for limit in QUANTILES]
        tries = [np.maximum(known, waits) for waits in tries]
        idle_ns = union_length_ns(started, ended) - int(cpu.sum()) // (self.cores or 1)
        tries = [waits for waits in tries if self._idle_at_first(started, ended, waits) <= idle_ns] or tries
        tries.sort(key=lambda waits: int(waits.sum()))
        replays = []
        for waits in tries:
            replays.append(self._replayed(waits))
            if all((was == now).all() for was, now in zip(self._recorded(), replays[-1], strict=True)):
                return waits, True
        if has_to_be_exact or busy < allowed.busy:
            return probable, False
        misses = [self.miss(*replay, room) for replay in replays]
        misses[0] = min(misses[0], self.miss(*self._replayed(tries[0], slower=max(1.0, 1 / busy)), room))
        may_be_none = not self.model.is_exact and misses[0] <= allowed.at_all  # in exact times it would be reproduced
        is_whole = self.cores is None and not self._is_loop  # threads get the interpreter for whole turns
        turns = -(-cpu // SWITCH_NS) * SWITCH_NS if is_whole else cpu
        if may_be_none and _in_proportion(turns, ended - started - self.operations.compute[self.its]):
            return tries[0], False
        good = min(misses) + allowed.as_good
        return next(waits for waits, miss in zip(tries, misses, strict=True) if miss <= good), False

    @property
    def _is_loop(self) -> bool:
        return any(self.model.calls[number].kind == "async" for number in self.cluster)

    def room(self, started: Ints, ended: Ints) -> Ints:
        """Return the longest waits for which bars leave room, with their CPU time as far to one side as possible."""
        if self.operations.computes_first:
            return (ended - self._computed_ns(started)).clip(0)
        last = int(ended.max())
        return (last - started - self._computed_ns(last - ended)).clip(0)

    def _queued(self, begun: Ints, cpu: Ints) -> Ints:
        """Return for how long branches queued that began to compute right when another one had done so [ns]."""
        if self.operations.computes_first:
            return np.zeros(len(begun), np.int64)
        capacity = self.cores or 1
        at_work = np.searchsorted(np.sort(begun), begun) - np.searchsorted(np.sort(begun + cpu), begun - TOUCHING_NS)
        return np.where(at_work >= capacity, round(float(cpu.mean())) // (capacity + 1), 0)

    def _computed_ns(self, ready: Ints) -> Ints:
        """Return when each branch has computed if it could begin at a time, and took turns with the others [ns]."""
        order = np.argsort(ready, kind="stable")
        kind = "thread" if self.cores is None else "process"
        spec = CallSpec(order.tolist(), len(order), kind, start_up_ns=ready[order].tolist(), is_static=True)
        free = self.operations.compute[self.its] - self.cpu
        both = zip(self.cpu.tolist(), free.tolist(), strict=True)
        operations = [in_order((COMPUTE, held), (COMPUTE_FREE, alone)) for held, alone in both]
        switch_ns = COROUTINES_NS if self._is_loop else max(SWITCH_NS, int(self.cpu.sum()) // MAX_TURNS)
        found = simulate(
            [(CALL, [spec])], len(operations), operations.__getitem__, cores=self.cores, switch_ns=switch_ns
        )
        return np.array(found.ended, np.int64)

    def _recorded(self) -> tuple[Ints, Ints]:
        """Return when branches started and ended, since the calls began [ns]."""
        begin = min(self.model.calls[number].begins_ns for number in self.cluster)
        return self.model.started[self.its] - begin, self.ended[self.its] - begin

    def miss(self, new_started: Ints, new_ended: Ints, room: Ints) -> float:
        """Return the distance between a replay and what was recorded, in shares of a bar."""
        started, ended = self._recorded()
        new_room = self.room(new_started, new_ended)
        less = (np.quantile(room, SHORTER) - np.quantile(new_room, SHORTER)).clip(0).mean()
        less += max(
            0, self._idle_at_first(started, ended, room) - self._idle_at_first(new_started, new_ended, new_room)
        )
        return float(less / (ended - started).mean() + abs(new_ended.max() / ended.max() - 1))

    def _idle_at_first(self, started: Ints, ended: Ints, room: Ints) -> int:
        """Return for how long branches ran before the first computed; or after the last, if they compute first [ns]."""
        if self.operations.computes_first:
            return int(ended.max() - (ended - room).max())
        return int((started + room).min() - started.min())

    def _replayed(self, waits: Ints, slower: float = 1.0) -> tuple[Ints, Ints]:
        """Return when branches start and end in a replay with some waits, since the calls began [ns]."""
        wait, compute = self.operations.wait.copy(), self.operations.compute.copy()
        wait[self.its], compute[self.its] = waits, _rounded(compute[self.its] * slower)
        operations, terms = replace(self.operations, wait=wait, compute=compute), Terms(cores=self.cores)
        found = replay(self.model, operations, terms, sample=self.sample, only=self.cluster)
        started, ended, blocked = (np.array(times)[self.its] for times in (found.started, found.ended, found.blocked))
        return started, ended - blocked


def _rounded(waits: Any) -> Any:
    return np.rint(waits).astype(np.int64)


def _in_proportion(cpu: Ints, waits: Ints) -> bool:
    """Return whether waits grow in proportion to CPU time, as waits for a turn do, if that can be seen at all."""
    some = np.linspace(0, len(cpu) - 1, min(len(cpu), PAIRED)).astype(np.intp)
    cpu, waits = cpu[some], waits[some]
    if cpu.std() < VARIES * cpu.mean():
        return False
    first, second = np.triu_indices(len(cpu), 1)
    apart = cpu[second] - cpu[first]
    is_far = abs(apart) > cpu.std() / 2
    slope = np.median((waits[second] - waits[first])[is_far] / apart[is_far])
    return bool(np.median(waits - slope * cpu) <= IN_PROPORTION * waits.mean())
