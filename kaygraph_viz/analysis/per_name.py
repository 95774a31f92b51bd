"""The time of all branches of each name: added up, and as the time in which any of them ran.

Belongs here: sums by name. Does not belong here: sums by lane (``per_worker``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import first_of_runs, running_max_by_group
from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.trace.counting import tally
from kaygraph_viz.trace.trace import Trace

__all__ = ["NameLoad", "per_name"]


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
