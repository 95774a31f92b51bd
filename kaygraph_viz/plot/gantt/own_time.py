"""Branches around others in a chart: which of them are drawn.

Belongs here: the rule for it. Does not belong here: when they worked by themselves (``analysis.own_time``), and when
they waited for others (``awaiting``).

A branch that only hands its work to others is not drawn: the others say it all, and a row of waiting beside theirs
would look like one more worker. What it did by itself is drawn where it can be seen: where a stretch of it takes a
hundredth of the chart, or all of it a fiftieth of the time of the branches. Less is the cost of handing over. Branches
of one name are treated alike: either all of them are drawn, or none. What held up a loop is always drawn.
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.blocked_loop import loop_blocks
from kaygraph_viz.analysis.intervals import Bools
from kaygraph_viz.analysis.nesting import Nesting, extent_ns, is_own_time
from kaygraph_viz.analysis.own_time import contain_work, with_own_time
from kaygraph_viz.trace.counting import sums

__all__ = ["with_drawn_own_time"]

LEAST_SHARE = 0.02  # of the time of the branches
LEAST_WIDTH = 0.01  # of the chart


def with_drawn_own_time(nesting: Nesting) -> Nesting:
    """Return the spans with phases for the own time of the branches around others that are drawn.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> fast, slow = ((bar("task", "t-1", at, at + 9), [bar("job", "t-2", at + 1, at + 9)]) for at in (0, 9))
    >>> len(with_drawn_own_time(Nesting.of(make_trace(fast, slow).columns)).columns)
    6
    >>> hands_over = (bar("task", "t-1", 0, 9), [bar("job", "t-2", 0.001, 9)])
    >>> len(with_drawn_own_time(Nesting.of(make_trace(hands_over).columns)).columns)
    2
    """
    is_around = contain_work(nesting)
    if not is_around.any():
        return nesting
    is_drawn = is_around & _worked(nesting, is_around)[nesting.columns.rows["name"]]
    return with_own_time(nesting, has_generators=False, of=is_drawn)  # generators do nothing while nobody asks


def _worked(nesting: Nesting, around: Bools) -> Bools:
    """Return whether what the branches of each name around others did by themselves can be seen."""
    columns, found = nesting.columns, with_own_time(nesting, has_generators=False)
    own = np.flatnonzero(is_own_time(found.columns))
    name, size = columns.column("name"), len(columns.names)
    own_name = found.columns.column("name")[found.parent[own]]
    own_ns = (found.columns.column("ended_ns") - found.columns.column("started_ns"))[own]
    lasted_ns = (columns.column("ended_ns") - columns.column("started_ns"))[around]
    first_ns, last_ns = extent_ns(columns)
    worked = sums(own_name, own_ns, size)
    is_seen: Bools = (worked > 0) & (worked >= LEAST_SHARE * sums(name[around], lasted_ns, size))
    is_seen[own_name[own_ns >= LEAST_WIDTH * (last_ns - first_ns)]] = True
    held_up = nesting.parent[loop_blocks(columns)]
    is_seen[name[held_up[held_up >= 0]]] = True
    return is_seen
