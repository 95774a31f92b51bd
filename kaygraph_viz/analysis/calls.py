"""Parallel calls: which branches were dispatched together, and to how many workers.

Belongs here: grouping the branches of a trace. Does not belong here: what the workers of a call waited for
(``explain``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaygraph_viz.analysis.workers import kind_of_lane, noted_workers
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.intervals import Bools, Ints, first_of_runs, group_cluster_starts
from kaygraph_viz.trace.nesting import Nesting, Places


@dataclass(frozen=True)
class Calls:
    """The branches of a trace, n of them, by the call that they belong to, c of them."""

    call: Places
    submitted: Ints
    started: Ints
    ended: Ints
    begins: Ints
    ends: Ints
    workers: Ints
    lanes: Sequence[str]

    @classmethod
    def of(cls, nesting: Nesting) -> Calls:
        """Group the branches of a trace by their calls."""
        branches = np.flatnonzero(nesting.columns.is_kind("branch"))
        parent, lane = nesting.parent[branches], nesting.columns.column("lane")[branches]
        facts = nesting.columns.attributes
        started_workers = {of: count for of, its in facts.items() if (count := noted_workers(its)) is not None}
        ids = nesting.columns.column("span_id")
        noted = np.full(len(ids) + 1, -1)  # by span; the last one, -1, is for spans without a parent
        at = np.flatnonzero(np.isin(ids, list(started_workers)))
        noted[at] = [started_workers[number] for number in ids[at].tolist()]
        noted = noted[parent]
        times = _within_phases(nesting, branches, noted >= 0)
        kinds = [kind_of_lane(lane) for lane in nesting.columns.lanes]
        number = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
        kind = np.where(noted >= 0, -1, np.array([number[kind] for kind in kinds], np.int64)[lane])
        call, first = _grouped(parent, kind, noted >= 0, *times)
        count = len(first)
        latest = np.full(count, np.iinfo(np.int64).min)
        np.maximum.at(latest, call, times[2])
        lanes = max(1, len(nesting.columns.lanes))
        used = tally(np.unique(call * np.int64(lanes) + lane) // lanes, count)
        phase_begins = np.append(nesting.columns.column("started_ns"), 0)[parent[first]]
        return cls(
            call,
            *times,
            begins=np.where(noted[first] >= 0, phase_begins, times[0][first]),
            ends=latest,
            workers=np.where(noted[first] >= 0, noted[first], used),
            lanes=[nesting.columns.lanes[code] for code in lane[first].tolist()],
        )


def _within_phases(nesting: Nesting, branches: Places, is_noted: Bools) -> tuple[Ints, Ints, Ints]:
    """Return the times of branches [ns], cut to those of the phase that started their workers."""
    columns, parent = nesting.columns, nesting.parent[branches]
    submitted, started, ended = (columns.column(f"{name}_ns")[branches] for name in ("submitted", "started", "ended"))
    begins, ends = (np.append(columns.column(name), 0)[parent] for name in ("started_ns", "ended_ns"))
    ended = np.where(is_noted, np.minimum(ended, ends), ended)
    started = np.minimum(started, ended)
    return np.where(is_noted, np.clip(submitted, begins, started), submitted), started, ended


def _grouped(
    parent: Places, kind: Ints, is_noted: Bools, submitted: Ints, started: Ints, ended: Ints
) -> tuple[Places, Places]:
    """Return the number of the call of each branch, and the first branch of each call."""
    order = np.lexsort((started, submitted, kind, parent))
    is_first = first_of_runs(parent[order], kind[order])
    overlaps_none = group_cluster_starts(submitted[order], ended[order], is_first)
    begins = np.where(is_noted[order], is_first, overlaps_none)
    call = np.empty(len(order), np.intp)
    call[order] = np.cumsum(begins) - 1
    return call, order[begins]
