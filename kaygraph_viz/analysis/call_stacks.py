"""Profiles: traces of function calls within function calls, which are no branches of parallel work.

Belongs here: telling them from other traces, and the sentence that says so. Does not belong here: reading their files
(``export``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting

__all__ = ["PROFILE", "is_profile"]

DEEP = 4  # so many branches around one on its own lane are calls, not a chunk, its items and helpers of them
PROFILE = (
    "This trace is a profile, not a set of branches: most of its spans are function calls within others on the same "
    "lane; record(...) around the run shows what it did at the same time."
)


def is_profile(nesting: Nesting) -> bool:
    """Return whether more than half of the innermost branches of a trace lie within 4 or more of their own lane."""
    columns = nesting.columns
    is_branch, lane = columns.is_kind("branch"), columns.rows["lane"]
    if not is_branch.any():
        return False
    around = np.append(nesting.nearest(is_branch), -1)[nesting.parent]
    is_call = is_branch & (around >= 0) & (lane == lane[around])
    depth = Nesting(columns, np.where(is_call, around, -1)).depth()
    innermost = depth[is_branch & ~nesting.enclosing(is_branch)]
    return 2 * int((innermost >= DEEP).sum()) > len(innermost)
