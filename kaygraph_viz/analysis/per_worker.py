"""The load of each worker of a run: branches, busy time, end of the last one.

Belongs here: sums by lane. Does not belong here: finding idle workers (``workers``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting, extent_ns, is_own_time
from kaygraph_viz.analysis.own_time import with_own_time
from kaygraph_viz.analysis.workers import idle_lanes, lane_order
from kaygraph_viz.trace.counting import tally
from kaygraph_viz.trace.trace import Trace

__all__ = ["WorkerLoad", "per_worker"]


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
