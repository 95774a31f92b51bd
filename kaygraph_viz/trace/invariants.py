"""The invariants of every trace, checked on its columns.

Belongs here: the rules and their words. Does not belong here: repairing a trace (nothing does that).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kaygraph_viz.trace.columns import PartTable, SpanColumns, repeated
from kaygraph_viz.trace.nesting import Nesting

Ints = npt.NDArray[np.int64]
LARGEST_SUM_NS = float(1 << 62)  # 146 years


def violations(columns: SpanColumns, *, is_complete: bool = True) -> list[str]:
    """Return what is wrong with a table of spans, in words; an empty list for a valid one."""
    if not len(columns):
        return []
    found = impossibilities(columns)
    if found:
        return found
    return _nesting(columns, is_complete=is_complete) + _links(columns, is_complete=is_complete) + _lanes(columns)


def impossibilities(columns: SpanColumns) -> list[str]:
    """Return in words what no run can have recorded: such a table is damaged, and other checks would fail on it."""
    if not len(columns):
        return []
    found = _times(columns) + _numbers(columns) + _parts(columns)
    if not found:
        # After log2(n) doubled jumps every chain of parents that is no cycle has reached its end.
        jump = np.append(columns.parents(), -1)  # the extra place is where a chain ends: -1 refers to it
        for _ in range(len(columns).bit_length() + 1):
            jump = np.where(jump >= 0, jump[jump], -1)
        if (jump >= 0).any():
            found.append("some spans are their own ancestors")
    return found


def _times(columns: SpanColumns) -> list[str]:
    submitted, started, ended = (columns.column(name) for name in ("submitted_ns", "started_ns", "ended_ns"))
    rules = {
        "started before it was submitted": started < submitted,
        "ended before it started": ended < started,
        "used more CPU time than it lasted": columns.column("cpu_ns") > ended - started,
        "was blocked longer than it lasted": columns.column("blocked_ns") > ended - started,
    }
    found = [_say(columns, broken, text) for text, broken in rules.items() if broken.any()]
    return found or _sums(columns, submitted, ended)


def _sums(columns: SpanColumns, submitted: Ints, ended: Ints) -> list[str]:
    """Check that times can be added up within 64 bits: those of all spans, and the whole run for each lane."""
    makespan = float(ended.max()) - float(submitted.min())
    total = float((ended - submitted).astype(np.float64).sum())
    if max(total, makespan * len(columns.lanes)) < LARGEST_SUM_NS:
        return []
    return [f"its spans last {total / 1e9:.3g} s in all, longer than can be added up"]


def _numbers(columns: SpanColumns) -> list[str]:
    ids = columns.column("span_id")
    if (ids < 1).any():
        return [_say(columns, ids < 1, "has a number below 1")]
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        return [f"span {unique[counts > 1][0]} ended {counts.max()} times"]
    return []


def _parts(columns: SpanColumns) -> list[str]:
    """Check that parts follow each other without a gap, from the start of their span to its end."""
    table, ids = columns.parts, columns.column("span_id")
    if not len(table.span_id):
        return []
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids, table.span_id, sorter=order), len(ids) - 1)
    at = order[place]
    is_here = ids[at] == table.span_id
    broken = np.zeros(len(columns), np.bool_)
    broken[at[is_here & ~_tile(table, columns.column("started_ns")[at], columns.column("ended_ns")[at])]] = True
    return [_say(columns, broken, "has parts that do not cover it from start to end")] if broken.any() else []


def _tile(table: PartTable, started: Ints, ended: Ints) -> npt.NDArray[np.bool_]:
    until, counts = table.parts["until_ns"], np.diff(table.first)
    owner = repeated(np.arange(len(counts)), counts)
    before = np.append(0, until[:-1])[: len(until)]
    before[table.first[:-1][counts > 0]] = started[counts > 0]
    is_bad = np.zeros(len(counts), np.bool_)
    is_bad[owner[until <= before]] = True
    last = np.where(counts > 0, np.append(until, 0)[table.first[1:] - 1], started)
    tiles: npt.NDArray[np.bool_] = ~is_bad & (last == ended)
    return tiles


def _nesting(columns: SpanColumns, *, is_complete: bool) -> list[str]:
    at = columns.parents()
    exists = at >= 0
    found = []
    missing = (columns.column("parent_id") != 0) & ~exists
    if is_complete and missing.any():
        found.append(_say(columns, missing, "has a parent that does not exist"))
    child, parent = columns.rows[exists], columns.rows[at[exists]]
    before = child["started_ns"] < parent["started_ns"]
    outlives = (child["ended_ns"] > parent["ended_ns"]) & ~columns.is_status("abandoned")[exists]
    for broken, text in ((before, "started before its parent"), (outlives, "ended after its parent")):
        if broken.any():
            found.append(_say(columns, exists.nonzero()[0][broken], text))
    return found


def _links(columns: SpanColumns, *, is_complete: bool) -> list[str]:
    known = set(columns.rows["span_id"].tolist()) if columns.links and is_complete else set()
    lost = [number for number, links in columns.links.items() if is_complete and not known.issuperset(links)]
    return [f"span {lost[0]} links to a span that does not exist"] if lost else []


def _lanes(columns: SpanColumns) -> list[str]:
    """Check that two branches of one lane that contain no other branch never overlap."""
    branches = columns.is_kind("branch") & ~columns.is_status("abandoned", "lost")
    rows = columns.rows[branches & ~Nesting.of(columns).enclosing(branches)]
    order = np.lexsort((rows["started_ns"], rows["lane"]))
    first, second = rows[order[:-1]], rows[order[1:]]
    broken = (first["lane"] == second["lane"]) & (second["started_ns"] < first["ended_ns"])
    if not broken.any():
        return []
    return [f"two branches overlap on lane {columns.lanes[second['lane'][broken][0]]!r}"]


def _say(columns: SpanColumns, broken: npt.NDArray[np.bool_] | npt.NDArray[np.intp], text: str) -> str:
    rows = columns.rows[broken]
    others = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    return f"span {rows['span_id'][0]} {columns.names[rows['name'][0]]!r} {text}{others}"
