"""Calls that held up a loop: a coroutine that computed or blocked for so long that all others had to wait.

Belongs here: which ones they were, and the words for them. Does not belong here: noticing them (``capture.tasks``), and
how long the others waited (``waits``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.wording import duration, join_words
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.nesting import Places
from kaygraph_viz.trace.recorder import LOOP_BLOCKED

MOST_NAMED = 3


class BlockedLoop(NamedTuple):
    """What one function did to its loop."""

    name: str
    times: int
    longest_ns: int
    total_ns: int


def loop_blocks(columns: SpanColumns) -> Places:
    """Return the positions of the spans that say that a loop was held up."""
    if LOOP_BLOCKED not in columns.names:
        return np.empty(0, np.intp)
    is_named = columns.column("name") == columns.names.index(LOOP_BLOCKED)
    return np.flatnonzero(is_named & columns.is_kind("wait"))


def blocked_loops(columns: SpanColumns) -> list[BlockedLoop]:
    """Return the coroutines that held up their loop, the worst first."""
    rows, lasting = columns.rows[loop_blocks(columns)], dict[str, list[int]]()
    its = columns.rows[np.isin(columns.rows["span_id"], rows["parent_id"])]
    name_of = {number: columns.names[code] for number, code in zip(its["span_id"].tolist(), its["name"], strict=True)}
    lasted_ns = rows["ended_ns"] - rows["started_ns"]
    for parent, lasted in zip(rows["parent_id"].tolist(), lasted_ns.tolist(), strict=True):
        if parent in name_of:
            lasting.setdefault(name_of[parent], []).append(lasted)
    found = [BlockedLoop(name, len(each), max(each), sum(each)) for name, each in lasting.items()]
    return sorted(found, key=lambda each: (-each.total_ns, each.name))


def blocked_loop_sentence(columns: SpanColumns) -> str:
    """Return which coroutines held up their loop as a sentence; empty where none did."""
    found = blocked_loops(columns)
    if not found:
        return ""
    named = [
        f"in {one_line(each.name)} for {duration(each.longest_ns / 1e9)}"
        if each.times == 1
        else f"in {one_line(each.name)} {each.times:,} times, for {duration(each.longest_ns / 1e9)} at most"
        for each in found[:MOST_NAMED]
    ]
    if len(found) > MOST_NAMED:
        named.append(f"in {len(found) - MOST_NAMED:,} more")
    return f"The loop was held up, so that no other coroutine could go on: {join_words(named)}."
