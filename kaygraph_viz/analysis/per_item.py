"""Sums over the branches of a run: by name, and by worker.

Belongs here: how many there were, how long they took, and how many failed. Does not belong here: finding idle workers
(``workers``), and the numbers of the whole run (``summary``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.own_time import with_own_time
from kaygraph_viz.analysis.workers import idle_lanes, lane_order
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.intervals import first_of_runs, running_max_by_group
from kaygraph_viz.trace.nesting import Nesting, extent_ns, is_own_time
from kaygraph_viz.trace.trace import Trace


class NameLoad(NamedTuple):
    """The time of the branches of one name.

    Parameters
    ----------
    name
        Their name.
    branches
        How many there are, without those that contain others.
    failed
        The number of them that did not end well.
    work_s
        The sum of their service times [s].
    busy_s
        The time in which at least one of them ran [s]: less than their sum where they ran at once.
    """

    name: str
    branches: int
    failed: int
    work_s: float
    busy_s: float


def per_name(trace: Trace) -> list[NameLoad]:
    """Return the time of the branches of each name, the longest first.

    The sum says what they cost, such as the calls of a model in a run of agents; the time in which any ran says what
    the run can gain at most if they are made faster.

    Parameters
    ----------
    trace
        A trace, also a live or empty one.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace(bar("ask", "t-1", 0, 3), bar("ask", "t-2", 1, 4), bar("ask", "t-1", 5, 6))
    >>> per_name(trace)
    [NameLoad(name='ask', branches=3, failed=0, work_s=7.0, busy_s=5.0)]
    """
    columns = trace.columns
    is_branch = columns.is_kind("branch")
    own = is_branch & ~Nesting.of(columns).enclosing(is_branch)
    name, started, ended = (columns.column(field)[own] for field in ("name", "started_ns", "ended_ns"))
    order = np.lexsort((started, name))
    name, started, ended = name[order], started[order], ended[order]
    is_first = first_of_runs(name)
    reached = np.append(0, running_max_by_group(ended, is_first)[:-1])[: len(name)]
    news = ended - np.where(is_first, started, np.maximum(started, reached))
    size = len(columns.names)
    work_ns, busy_ns = np.zeros(size, np.int64), np.zeros(size, np.int64)
    np.add.at(work_ns, name, ended - started)
    np.add.at(busy_ns, name, news.clip(0))
    count = tally(name, size)
    failed = tally(columns.column("name")[own & ~columns.is_status("ok")], size)
    loads = [
        NameLoad(columns.names[at], int(count[at]), int(failed[at]), int(work_ns[at]) / 1e9, int(busy_ns[at]) / 1e9)
        for at in np.flatnonzero(count).tolist()
    ]
    return sorted(loads, key=lambda load: (-load.work_s, load.name))


class WorkerLoad(NamedTuple):
    """The load of one worker."""

    worker: str
    branches: int = 0
    failed: int = 0
    busy_s: float = 0.0
    cpu_s: float | None = None
    ended_s: float = 0.0


def per_worker(trace: Trace) -> list[WorkerLoad]:
    """Return the load of each worker, also of idle ones, in the order of their numbers."""
    nesting = with_own_time(Nesting.of(trace.columns))
    columns = nesting.columns
    branches = columns.is_kind("branch")
    own = branches & ~nesting.enclosing(branches)
    size, begin_ns, added = len(columns.lanes), extent_ns(columns)[0], is_own_time(columns)
    works = added | own & ~np.isin(columns.rows["span_id"], columns.rows["parent_id"][added])
    lane, started, ended, cpu = (columns.column(name)[works] for name in ("lane", "started_ns", "ended_ns", "cpu_ns"))
    busy_ns, cpu_ns, ended_ns = (np.zeros(size, np.int64) for _ in range(3))
    np.add.at(busy_ns, lane, ended - started)
    np.add.at(cpu_ns, lane, cpu.clip(0))
    np.maximum.at(ended_ns, lane, ended - begin_ns)
    count = tally(columns.rows["lane"][own], size)
    failed = tally(columns.rows["lane"][own & ~columns.is_status("ok")], size)
    has_cpu = tally(lane[cpu >= 0], size) > 0
    loads = [WorkerLoad(lane) for lane in idle_lanes(columns)]
    for code in np.flatnonzero(count).tolist():
        cpu_s = int(cpu_ns[code]) / 1e9 if has_cpu[code] else None
        times = int(busy_ns[code]) / 1e9, cpu_s, int(ended_ns[code]) / 1e9
        loads.append(WorkerLoad(columns.lanes[code], int(count[code]), int(failed[code]), *times))
    return sorted(loads, key=lambda load: lane_order(load.worker))
