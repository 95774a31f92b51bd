"""The critical path: the spans that, one after the other, made a run as long as it was.

Belongs here: two chains, and the slack of each span. Does not belong here: what had to wait for what (``network``),
and how long the run took (``summary``).

The two chains answer two questions. The chain that was recorded runs through workers that were busy: it is as long as
the run, and says why. The longest dependency chain knows no shortage of workers: it says how long the run would still
be with a worker for each branch.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kaygraph_viz.analysis.call_stacks import PROFILE, is_profile
from kaygraph_viz.analysis.critical_path.network import dependency_network, pull_back, recorded_network, walk
from kaygraph_viz.analysis.critical_path.recorded_chain import PathStep, recorded_steps
from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Nesting, Places, extent_ns, is_own_time, unit_mask
from kaygraph_viz.analysis.own_time import recorded_owner, with_own_time
from kaygraph_viz.analysis.wording import aligned, counted, duration, html_table
from kaygraph_viz.analysis.worker_loops import longest_item_ns
from kaygraph_viz.texts import one_line
from kaygraph_viz.trace.trace import Trace

__all__ = ["CriticalPath", "critical_path", "critical_path_ns"]

MAX_ROWS = 12


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
        return f"The run took {duration(self.makespan_s)}: {self._largest()}; {self._limit()}."

    def _largest(self) -> str:
        """Return the largest share of the makespan in words."""
        name, count, spent_ns = max(self._shares(), key=lambda row: row[2])
        share = f"{spent_ns / max(1, self.makespan_ns):.0%} of the time"
        steps = f"{counted(len(self.steps), 'step')} in sequence" if len(self.steps) > 1 else "one step"
        if not count:
            return f"{steps}, but for {share} {_STANDSTILL[name]}"
        often = f" ({counted(count, 'step')})" if 1 < count < len(self.steps) else ""
        return f"{steps}, of which {one_line(name)}{often} took {share}"

    def _limit(self) -> str:
        if self.dependency_ns > 0.95 * self.makespan_ns:
            return "more workers would not make it faster"
        return f"with one worker for each branch it would still take {duration(self.dependency_s)}"

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


_STANDSTILL = {
    "waiting for a worker": "the next step waited for a worker",
    "between the steps": "nothing was recorded between the steps",
}
_HEADINGS = ("critical path", "steps", "time", "share")


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
