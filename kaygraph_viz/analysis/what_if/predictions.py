"""One recorded run and all its replays on certain terms: how long, how sure, limited by what, and as a trace.

Belongs here: numbers about replays. Does not belong here: how a replay works (``replay``), and words (``what_if``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.analysis.what_if.branch_steps import Parts
from kaygraph_viz.analysis.what_if.model import OWN_INTERPRETER, Call, Script
from kaygraph_viz.analysis.what_if.replay import Terms, costs_ns, replay
from kaygraph_viz.analysis.what_if.replayed_trace import replayed_trace
from kaygraph_viz.analysis.what_if.sampling import Sample, drawable, drawn, thinned
from kaygraph_viz.analysis.what_if.speed import Stretch
from kaygraph_viz.machine import Machine
from kaygraph_viz.trace.trace import Trace

__all__ = ["LIMITS", "Study"]

Floats = npt.NDArray[np.float64]

DRAWS = 6
MAX_DRAWN = 400  # of each call
MAX_IN_ALL = 20_000  # of all calls, in a replay for the band
LIMITS: Mapping[str, str] = {
    "workers": "the number of workers",
    "interpreter": "the interpreter: one thread computes Python code at a time",
    "loop": "the loop: one coroutine computes at a time",
    "cores": "the cores",
    "start": "starting and ending the workers",
    "branch": "the longest branch",
    "input": "the input",
    "serial": "serial parts",
}


@dataclass(frozen=True, eq=False)
class Study:
    """A run and the terms of its replays.

    Parameters
    ----------
    script, recorded
        The run, and what it consisted of.
    parts, stretch
        The same with what is made faster, and what that is.
    terms
        What else is different, but for the number of workers.
    which
        The numbers of the calls to which that applies.
    dropped
        How many spans of the run were not kept.
    had_gil, had_cores
        Whether the run was recorded with a GIL, and how many could compute at once, None for all.
    otherwise
        What it may have consisted of as well, with what is made faster; None where there is no doubt.
    is_in_turns
        Whether no two threads' branches ever ran at the same time.
    cores
        How many can compute at once then.
    machine
        The computer of the replay, if that is known.
    """

    script: Script
    recorded: Parts
    parts: Parts
    stretch: Stretch
    terms: Terms
    which: frozenset[int]
    dropped: int
    had_gil: bool = True
    had_cores: int | None = None
    otherwise: Parts | None = None
    is_in_turns: bool = False
    cores: int | None = None
    machine: Machine | None = None

    def makespan_ns(self, workers: int | None) -> int:
        """Return how long it takes so many workers, or as many as there were [ns]."""
        return self._lasts_ns(workers, self._sample)

    def otherwise_ns(self, workers: int, makespan_ns: int) -> int:
        """Return how long it may take as well, where it is not known whether code holds the GIL [ns]."""
        if self.otherwise is None:
            return makespan_ns
        terms, sample = replace(self.terms, workers=workers, cores=self.cores), thinned(self.script, self.otherwise)
        return replay(self.script, self.otherwise, terms, which=self.which, sample=sample).makespan_ns

    def _lasts_ns(self, workers: int | None, sample: Sample) -> int:
        terms = replace(self.terms, workers=workers)
        return replay(self.script, self.parts, terms, which=self.which, sample=sample).makespan_ns

    @cached_property
    def _sample(self) -> Sample:
        return thinned(self.script, self.parts)

    @cached_property
    def replayed_ns(self) -> int:
        """How long the replay takes on the terms of the run itself [ns]."""
        sample = thinned(self.script, self.recorded)
        terms = Terms(cores=self.had_cores, has_gil=self.had_gil)
        return replay(self.script, self.recorded, terms, sample=sample).makespan_ns

    @property
    def recorded_ns(self) -> int:
        """How long the run took [ns]."""
        return self.script.ends_ns - self.script.begins_ns

    # -- how sure -----------------------------------------------------------------------------------------------

    def band_ns(self, workers: int, makespan_ns: int, otherwise_ns: int) -> tuple[float, float]:
        """Return between what the makespan may be expected [ns].

        It may miss as much as the replay misses the recorded run; and branches may last as long as others of the same
        call did: they are drawn anew several times, by chance but always in the same way. Where it is not known whether
        code holds the GIL, both are possible.
        """
        missed = self.recorded_ns / self.replayed_ns if self.replayed_ns else 1.0
        lasts = np.array([self._lasts_ns(workers, sample) for sample, _ in self._draws], np.float64)
        off = (lasts / lasts.mean() - 1) * self._draws[0][1] if len(lasts) and lasts.all() else np.zeros(1)
        return (
            min(makespan_ns, otherwise_ns) * min(1.0, missed) * (1 + min(0.0, float(off.min()))),
            max(makespan_ns, otherwise_ns) * max(1.0, missed) * (1 + max(0.0, float(off.max()))),
        )

    @cached_property
    def _draws(self) -> Sequence[tuple[Sample, float]]:
        """Samples by chance, with the factor by which all branches together would vary less than each of them does."""
        calls = drawable(self.script, self.which)
        of = sum(len(call.members) for call in calls)
        taken = sum(min(MAX_DRAWN, len(call.members)) for call in calls)
        if not taken or len(self.script.branches) - of + taken > MAX_IN_ALL:
            return ()
        chance = np.random.default_rng(0)
        return [(drawn(calls, chance, MAX_DRAWN), math.sqrt(taken / of)) for _ in range(DRAWS)]

    # -- what limits it -----------------------------------------------------------------------------------------

    def limit(self, workers: int, makespan_ns: int) -> str:
        """Return which of `LIMITS` keeps the run from being faster: the one that alone would take the longest."""
        serial = float(sum(wait + work for wait, work in self.parts.gaps[-1]))
        bounds = {"serial": serial if serial >= makespan_ns / 2 else 0.0}
        totals, starts = self._totals, self._starts
        if len(starts):
            terms = replace(self.terms, workers=workers)
            crews = [terms.crew_of(call, is_varied=call.number in self.which) for call in self._outer]
            count = [workers for _, workers in crews]
            bounds["start"] = sum(self._start_ns(call, *crew) for call, crew in zip(self._outer, crews, strict=True))
            in_turns = totals["lasts"] / np.minimum(count, totals["branches"])
            bounds["workers"] = float(np.maximum.reduceat(in_turns, starts).sum())
            bounds["branch"] = float(np.maximum.reduceat(totals["longest"], starts).sum())
            bounds |= {name: float(totals[name].sum()) for name in ("interpreter", "loop", "cores", "input")}
        return max(LIMITS, key=lambda name: bounds.get(name, 0.0))

    def _start_ns(self, call: Call, kind: str, workers: int) -> float:
        workers, is_exact = min(workers, len(call.members)), self.script.is_exact
        start_up_ns, _, close_ns = costs_ns(call, kind, workers, self.terms.cores, is_exact=is_exact)
        return float(start_up_ns + close_ns)

    @cached_property
    def _outer(self) -> Sequence[Call]:
        """The calls of the main program, those that overlapped side by side."""
        return [self.script.calls[number] for cluster in self.script.clusters.get(-1, ()) for number in cluster]

    @cached_property
    def _starts(self) -> Places:
        """Where among them those that overlapped begin."""
        sizes = [len(cluster) for cluster in self.script.clusters.get(-1, ())]
        return np.cumsum([0, *sizes[:-1]]) if sizes else np.empty(0, np.intp)

    @cached_property
    def _totals(self) -> Mapping[str, Floats]:
        """What these calls come to, with all their branches; times in [ns]."""
        found: dict[str, list[float]] = {name: [] for name in (*LIMITS, "lasts", "longest", "branches")}
        everything = self.parts.each_lasts(self.script, np.arange(len(self.script.branches)))
        for call in self._outer:
            kind, _ = self.terms.crew_of(call, is_varied=call.number in self.which)
            lasts, its = everything[call.members], call.members
            facts = {**self._shared_ns(kind, its), "input": float(sum(call.supply_ns.values())),
                     "lasts": float(lasts.sum()), "longest": float(lasts.max()), "branches": len(lasts)}  # fmt: skip
            for name, each in found.items():
                each.append(facts.get(name, 0.0))
        return {name: np.array(each, np.float64) for name, each in found.items()}

    def _shared_ns(self, kind: str, its: Ints) -> Mapping[str, float]:
        """Return how long branches keep what they share, in workers of a kind, busy [ns]."""
        work, cores = float(self.parts.work[its].sum()), self.terms.cores or len(its)
        if kind == "async":
            return {"loop": work}
        if kind in OWN_INTERPRETER or not self.terms.has_gil:
            return {"cores": work / cores}
        held = float(self.parts.held[its].sum())
        return {"interpreter": held, "cores": work / cores if held < work else 0.0}

    # -- as a trace ---------------------------------------------------------------------------------------------

    def trace(self, workers: int | None) -> Trace:
        """Return the trace that the run would have left."""
        terms = replace(self.terms, workers=workers)
        found = replay(self.script, self.parts, terms, which=self.which)
        return replayed_trace(
            self.script, self.parts, self.stretch, terms, self.which, found, self.dropped, self.machine
        )  # fmt: skip
