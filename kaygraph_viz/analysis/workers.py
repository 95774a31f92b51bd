"""Which workers there were, also those that got nothing to do.

Belongs here: reading what a parallel node noted about its workers. Does not belong here: rows of a chart
(``plot.rows``).
"""

from __future__ import annotations

from kaygraph_viz.trace.columns import SpanColumns

__all__ = ["idle_lanes"]

MAX_WORKERS = 4096  # a file may claim anything


def idle_lanes(columns: SpanColumns) -> list[str]:
    """Return the lanes of workers that were hired and ran nothing.

    A worker leaves spans only where it got work. The phase that hired it notes its kind and their number as the
    attributes ``executor`` and ``workers``; the lowest numbers that no span uses are those of the idle ones.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> hired = bar("exec", "main", 0, 2, kind="phase", executor="thread", workers=3)
    >>> idle_lanes(make_trace((hired, [bar("a", "thread-1", 0, 1)])).columns)
    ['thread-2', 'thread-3']
    """
    hired: dict[str, int] = {}
    for noted in columns.attributes.values():
        kind, count = noted.get("executor"), noted.get("workers")
        if isinstance(kind, str) and isinstance(count, int):
            hired[kind] = min(MAX_WORKERS, max(count, hired.get(kind, 0)))
    return [lane for kind, count in hired.items() for lane in _unused(kind, count, set(columns.lanes))]


def _unused(kind: str, count: int, used: set[str]) -> list[str]:
    numbered = [lane for lane in used if lane.rpartition("-")[0] == kind]
    free = (f"{kind}-{number}" for number in range(1, count + len(numbered) + 1) if f"{kind}-{number}" not in used)
    return [next(free) for _ in range(count - len(numbered))] if numbered else []
