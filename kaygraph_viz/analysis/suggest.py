"""How many workers a run should have had, judged by a simple replay of its branches.

Belongs here: taking the durations out of a trace, and the replay. Does not belong here: scheduling a list of durations
(``list_schedule``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.explain.contention import turn_waits
from kaygraph_viz.analysis.explain.losses import blocked_ns, repeated_ns
from kaygraph_viz.analysis.intervals import Ints, group_cluster_starts
from kaygraph_viz.analysis.list_schedule import fewest_workers, list_schedule
from kaygraph_viz.analysis.nesting import Nesting, Places, extent_ns, unit_mask
from kaygraph_viz.analysis.workers import count_workers, process_of_lane
from kaygraph_viz.machine import Machine
from kaygraph_viz.trace.trace import Trace

__all__ = ["Suggestion", "suggest_workers"]

MAX_WORKERS = 64


@dataclass(frozen=True)
class Suggestion:
    """How many workers are enough.

    Parameters
    ----------
    workers
        The smallest number that is within 5% of the best makespan; 0 where no branch was recorded.
    makespan_s
        The makespan of the replay by number of workers [s]: for 1, 2, 4, ..., for the number that the run had, and for
        the one that is suggested.
    """

    workers: int = 0
    makespan_s: Mapping[int, float] = field(default_factory=dict)


def suggest_workers(trace: Trace) -> Suggestion:
    """Return how many workers of the same kind would have been enough for a run.

    Parameters
    ----------
    trace
        A trace, also a live one: then of what has ended so far.

    Returns
    -------
    Suggestion
        At most 64 workers.

    Notes
    -----
    The branches of each parallel call, in the order in which they were started, are scheduled anew by `list_schedule`,
    as long as each took less its wait for a turn to compute (an estimate, see `turn_waits`). Calls that overlapped
    share their workers. A call takes at least as long as its threads or coroutines held the interpreter, since it runs
    one of them at a time, and as the cores take to compute all of it. All that went on while no branch ran stays as
    long as it was. What it costs to start workers and to hand them items is left out, so the replay is a little faster
    than a real run; and so is what a busy service, disk or processor would do to branches if more of them ran at once.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> long, short = bar("long", "t-1", 0, 5), [bar("short", "t-2", second, second + 1) for second in range(5)]
    >>> suggest_workers(make_trace(long, *short))
    Suggestion(workers=2, makespan_s={1: 10.0, 2: 5.0, 4: 5.0})
    """
    nesting = Nesting.of(trace.columns)
    is_unit = unit_mask(nesting)
    units = np.flatnonzero(is_unit & nesting.within(trace.columns.is_kind("branch")))
    if not len(units):
        return Suggestion()
    calls = _calls(nesting, units, trace.machine)
    first, last = extent_ns(trace.columns)
    outside_ns = last - first - sum(call.lasted_ns for call in calls)

    def makespan_ns(workers: int) -> int:
        return outside_ns + sum(call.replayed_ns(workers) for call in calls)

    most = min(MAX_WORKERS, max(len(call.durations_ns) for call in calls))
    enough = fewest_workers(makespan_ns, most)
    powers = {1 << place for place in range(most.bit_length())}
    tried = sorted(powers | {enough, count_workers(nesting, is_unit)})
    return Suggestion(enough, {workers: makespan_ns(workers) / 1e9 for workers in tried})


class _Call(NamedTuple):
    """The branches of a parallel call, or of several that overlapped."""

    durations_ns: Ints
    least_ns: int  # what those have computed that have one interpreter, or the cores, in common
    lasted_ns: int

    def replayed_ns(self, workers: int) -> int:
        """Return how long it takes so many workers [ns]."""
        return max(self.least_ns, list_schedule(self.durations_ns, workers).makespan_ns)


def _calls(nesting: Nesting, units: Places, machine: Machine | None) -> list[_Call]:
    columns = nesting.columns
    units = units[np.argsort(columns.column("started_ns")[units], kind="stable")]
    started, ended, cpu = (columns.column(name)[units] for name in ("started_ns", "ended_ns", "cpu_ns"))
    turns = turn_waits(nesting, units, blocked_ns(nesting, units) + repeated_ns(nesting, units), machine)
    cores = machine.cores if machine is not None else None
    is_here = np.array([process_of_lane(lane) == "" for lane in columns.lanes])[columns.rows["lane"][units]]
    cluster = _clusters(_phases(nesting, units), started, ended)
    members = (np.flatnonzero(cluster == number) for number in range(int(cluster.max()) + 1))
    return [
        _Call(
            (ended - started - turns.together)[its],
            max(int(turns.held_ns[its][is_here[its]].sum()), int(cpu[its].clip(0).sum()) // cores if cores else 0),
            int(ended[its].max() - started[its].min()),
        )
        for its in members
    ]


def _phases(nesting: Nesting, units: Places) -> Places:
    """Return for each unit the innermost phase that ran branches around it, or -1."""
    columns = nesting.columns
    ran_branches = columns.is_kind("phase") & nesting.enclosing(columns.is_kind("branch"))
    return nesting.nearest(ran_branches)[units]


def _clusters(group: Places, started: Ints, ended: Ints) -> Places:
    """Return for each unit the number of its cluster: the groups that are connected by overlaps in time."""
    known, place = np.unique(group, return_inverse=True)
    begins, ends = np.full(len(known), np.iinfo(np.int64).max), np.full(len(known), np.iinfo(np.int64).min)
    np.minimum.at(begins, place, started)
    np.maximum.at(ends, place, ended)
    order = np.argsort(begins, kind="stable")
    number = np.empty(len(known), np.intp)
    number[order] = np.cumsum(group_cluster_starts(begins[order], ends[order], np.arange(len(known)) == 0)) - 1
    return number[place]
