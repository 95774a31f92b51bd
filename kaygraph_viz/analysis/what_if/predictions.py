"""Predictions from replays of one run on certain terms: how long, how sure, limited by what, and as a trace.

Belongs here: the numbers, and what is assumed about a run: how many branches could compute at once, was there a GIL,
whose code holds it. Does not belong here: how a replay works (``replay``), and options and words (``what_if``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.waits import code_of, processes
from kaygraph_viz.analysis.what_if.gil_waits import real_waits
from kaygraph_viz.analysis.what_if.model import Call, Model
from kaygraph_viz.analysis.what_if.replay import Speed, Terms, costs_ns, replay, replayed_trace
from kaygraph_viz.analysis.what_if.sampling import Sample, drawable, drawn, thinned
from kaygraph_viz.analysis.what_if.tasks import BranchOperations
from kaygraph_viz.analysis.workers import OWN_INTERPRETER
from kaygraph_viz.base.machine import Machine, usable_cores
from kaygraph_viz.trace.intervals import Ints, concurrency, union_length_ns
from kaygraph_viz.trace.trace import Trace

Floats = npt.NDArray[np.float64]
DRAWS = 6
MAX_DRAWN = 400  # of each call
MAX_IN_ALL = 20_000  # of all calls, in a replay for the band
LIMITS: Mapping[str, str] = {
    "workers": "the number of workers",
    "interpreter": "the GIL: one thread at a time runs Python code",
    "loop": "the event loop: one coroutine at a time computes",
    "cores": "the cores",
    "start": "starting and ending the workers",
    "branch": "the longest branch",
    "input": "the input",
    "serial": "serial parts",
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions about a run on certain terms."""

    model: Model
    recorded: BranchOperations
    operations: BranchOperations
    speed: Speed
    terms: Terms
    which: frozenset[int]
    dropped: int
    had_gil: bool = True
    had_cores: int | None = None
    otherwise: BranchOperations | None = None
    is_in_turns: bool = False
    cores: int | None = None
    machine: Machine | None = None

    def makespan_ns(self, workers: int | None) -> int:
        """Return the makespan with a number of workers, or with as many as there were [ns]."""
        return self._lasts_ns(workers, self._sample)

    def otherwise_ns(self, workers: int, makespan_ns: int) -> int:
        """Return the makespan with `otherwise` [ns]; the given one where it is known whether code holds the GIL."""
        if self.otherwise is None:
            return makespan_ns
        terms, sample = replace(self.terms, workers=workers, cores=self.cores), thinned(self.model, self.otherwise)
        return replay(self.model, self.otherwise, terms, which=self.which, sample=sample).makespan_ns

    def _lasts_ns(self, workers: int | None, sample: Sample) -> int:
        terms = replace(self.terms, workers=workers)
        return replay(self.model, self.operations, terms, which=self.which, sample=sample).makespan_ns

    @cached_property
    def _sample(self) -> Sample:
        return thinned(self.model, self.operations)

    @cached_property
    def replayed_ns(self) -> int:
        """Makespan of the replay with the recorded workers [ns]."""
        sample = thinned(self.model, self.recorded)
        terms = Terms(cores=self.had_cores, has_gil=self.had_gil)
        return replay(self.model, self.recorded, terms, sample=sample).makespan_ns

    @property
    def recorded_ns(self) -> int:
        """Makespan of the run [ns]."""
        return self.model.ends_ns - self.model.begins_ns

    # -- how sure -----------------------------------------------------------------------------------------------

    def band_ns(self, workers: int, makespan_ns: int, otherwise_ns: int) -> tuple[float, float]:
        """Return the bounds between which the makespan is expected [ns]."""
        missed = self.recorded_ns / self.replayed_ns if self.replayed_ns else 1.0
        lasts = np.array([self._lasts_ns(workers, sample) for sample, _ in self._draws], np.float64)
        off = (lasts / lasts.mean() - 1) * self._draws[0][1] if len(lasts) and lasts.all() else np.zeros(1)
        return (
            min(makespan_ns, otherwise_ns) * min(1.0, missed) * (1 + min(0.0, float(off.min()))),
            max(makespan_ns, otherwise_ns) * max(1.0, missed) * (1 + max(0.0, float(off.max()))),
        )

    @cached_property
    def _draws(self) -> Sequence[tuple[Sample, float]]:
        """Random samples, each with the factor by which the sum of all branches varies less than that of the sample."""
        calls = drawable(self.model, self.which)
        of = sum(len(call.members) for call in calls)
        taken = sum(min(MAX_DRAWN, len(call.members)) for call in calls)
        if not taken or len(self.model.branches) - of + taken > MAX_IN_ALL:
            return ()
        chance = np.random.default_rng(0)
        return [(drawn(calls, chance, MAX_DRAWN), math.sqrt(taken / of)) for _ in range(DRAWS)]

    # -- what limits it -----------------------------------------------------------------------------------------

    def limit(self, workers: int, makespan_ns: int) -> str:
        """Return which of `LIMITS` keeps the run from being faster: the one that takes the longest by itself."""
        serial = float(sum(wait + compute for wait, compute in self.operations.gaps[-1]))
        bounds = {"serial": serial if serial >= makespan_ns / 2 else 0.0}
        sizes = [len(cluster) for cluster in self.model.clusters.get(-1, ())]
        if sizes:
            totals, starts = self._totals, np.cumsum([0, *sizes[:-1]])  # positions at which overlapping calls begin
            terms = replace(self.terms, workers=workers)
            count, bounds["start"] = [], 0.0
            for call in self._outer:
                kind, size = terms.workers_of(call, is_varied=call.number in self.which)
                count.append(size)
                size = min(size, len(call.members))
                start_up, _, close = costs_ns(call, kind, size, terms.cores, is_exact=self.model.is_exact)
                bounds["start"] += start_up + close
            in_turns = totals["lasts"] / np.minimum(count, totals["branches"])
            bounds["workers"] = float(np.maximum.reduceat(in_turns, starts).sum())
            bounds["branch"] = float(np.maximum.reduceat(totals["longest"], starts).sum())
            bounds |= {name: float(totals[name].sum()) for name in ("interpreter", "loop", "cores", "input")}
        return max(LIMITS, key=lambda name: bounds.get(name, 0.0))

    @cached_property
    def _outer(self) -> Sequence[Call]:
        """Calls of the main program; those that overlapped are neighbours."""
        return [self.model.calls[number] for cluster in self.model.clusters.get(-1, ()) for number in cluster]

    @cached_property
    def _totals(self) -> Mapping[str, Floats]:
        """Totals of each of these calls over all of its branches, by name [ns]."""
        found: dict[str, list[float]] = {name: [] for name in (*LIMITS, "lasts", "longest", "branches")}
        everything = self.operations.each_lasts(self.model, np.arange(len(self.model.branches)))
        for call in self._outer:
            kind, _ = self.terms.workers_of(call, is_varied=call.number in self.which)
            lasts, its = everything[call.members], call.members

            # For how long the branches keep busy what workers of their kind have in common.
            held, computed = (float(each[its].sum()) for each in (self.operations.held, self.operations.compute))
            on_cores = computed / (self.terms.cores or len(its))
            shared = {"interpreter": held, "cores": on_cores if held < computed else 0.0}
            if kind == "async":
                shared = {"loop": computed}
            elif kind in OWN_INTERPRETER or not self.terms.has_gil:
                shared = {"cores": on_cores}

            facts = {
                **shared,
                "input": float(sum(call.supply_ns.values())),
                "lasts": float(lasts.sum()),
                "longest": float(lasts.max()),
                "branches": len(lasts),
            }
            for name, each in found.items():
                each.append(facts.get(name, 0.0))
        return {name: np.array(each, np.float64) for name, each in found.items()}

    # -- as a trace ---------------------------------------------------------------------------------------------

    def trace(self, workers: int | None) -> Trace:
        """Return the trace that the run would have left with a number of workers, or with as many as there were."""
        terms = replace(self.terms, workers=workers)
        found = replay(self.model, self.operations, terms, which=self.which)
        return replayed_trace(
            self.model, self.operations, self.speed, terms, self.which, found, self.dropped, self.machine
        )


# -- what is assumed --------------------------------------------------------------------------------------------------


MORE_THAN_ALL = 1.1  # a run that used so many times the cores of a machine ran on another one


class Options(NamedTuple):
    """The options of `what_if` that change the run, but for the number of workers; see there."""

    kind: str | None = None
    schedule: str | None = None
    cores: int | None = None
    gil: bool | None = None
    computes_first: bool | None = None


def predictions_of(
    model: Model, machine: Machine | None, options: Options, which: frozenset[int], speed: Speed, dropped: int = 0
) -> Predictions:
    """Return the predictions for a run, with all that is assumed about it."""
    kinds = {call.kind for call in model.calls}
    had_gil = machine is None or machine.has_gil
    has_gil = had_gil if options.gil is None else options.gil
    recorded_cores = cores_of(model, machine, options.cores)
    cores = recorded_cores if options.cores is None else options.cores
    code = thread_code(model, recorded_cores, has_gil=had_gil)
    recorded = real_waits(model, cores=recorded_cores, computes_first=options.computes_first, free=code.free)
    operations, otherwise = recorded, None
    if has_gil and not had_gil:
        operations, otherwise = replace(recorded, free=None), recorded
    elif has_gil and not code.is_certain and (options.kind == "thread" or (options.kind is None and "thread" in kinds)):
        otherwise = real_waits(model, cores=recorded_cores, computes_first=options.computes_first, free=code.otherwise)
    is_free = bool((operations.held < operations.compute).any())
    shares_cores = not has_gil or is_free or not kinds.isdisjoint(OWN_INTERPRETER) or options.kind in OWN_INTERPRETER
    if machine is not None:
        machine = replace(machine, has_gil=has_gil, cores=cores)
    return Predictions(
        model,
        recorded,
        speed.applied(operations),
        speed,
        Terms(None, options.kind, options.schedule, cores if shares_cores else None, has_gil),
        which,
        dropped,
        had_gil=had_gil,
        had_cores=recorded_cores,
        otherwise=None if otherwise is None else speed.applied(otherwise),
        is_in_turns=code.is_in_turns,
        cores=cores,
        machine=machine,
    )


def cores_of(model: Model, machine: Machine | None = None, wanted: int | None = None) -> int | None:
    """Return how many branches could compute at once in a run."""
    if machine is not None:
        cores = machine.cores
    elif wanted is not None or model.is_exact:
        cores = wanted
    else:
        cores = usable_cores()
    if cores is None:
        return None
    for its in (call.members for call in model.calls):
        used = model.cpu[its].sum() / max(1, union_length_ns(model.started[its], model.ended[its]))
        if used > MORE_THAN_ALL * cores:
            return None
    return cores


@dataclass(frozen=True, eq=False)
class ThreadCode:
    """The time for which each of n branches computes without the GIL [ns]."""

    free: Ints
    otherwise: Ints
    is_in_turns: bool = False

    @property
    def is_certain(self) -> bool:
        """Whether the run leaves no doubt."""
        return bool((self.free == self.otherwise).all())


def thread_code(model: Model, cores: int | None, *, has_gil: bool = True) -> ThreadCode:
    """Return what is known of the code of the branches of a run."""
    if not has_gil:
        return ThreadCode(model.cpu, model.cpu)
    is_threads = np.zeros(len(model.branches), np.bool_)
    for call in model.calls:
        is_threads[call.members] = call.kind == "thread"
    its = np.flatnonzero(is_threads & (model.cpu > 0) & ~model.makes_calls)
    low, high = np.zeros(len(is_threads)), (model.cpu > 0).astype(np.float64)
    columns, positions = model.nesting.columns, model.branches[its]
    code = code_of(columns, positions, processes(columns, positions), cores)
    low[its], high[its] = code.low, code.high
    is_free = low > 0
    free = np.where(is_free, high, 0.0)
    otherwise = np.where(is_free, low, 0.0 if model.is_exact else high)
    in_turns = concurrency(model.started[its], model.ended[its])[1].max(initial=0) <= 1
    free_ns, otherwise_ns = (np.rint(share * model.cpu).astype(np.int64) for share in (free, otherwise))
    return ThreadCode(free_ns, otherwise_ns, bool(in_turns))
