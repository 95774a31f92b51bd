"""The own time of branches around others: what a task did before, between and after the jobs that it waited for.

Belongs here: finding that time, and adding it to the spans that an analysis reads. Does not belong here: what counts as
a unit of work (``trace.nesting``), and numbers made of it (``summary``, ``explain``, ``what_if``).

A branch that contains others mostly waits for them, or they are its steps. What it does while none of them runs is
work like that of any branch. The analyses read it as phases of the branch, with numbers below 0, so that it is a unit
of work in all of them. What leaves an analysis, such as the steps of a path, has the number of the branch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.workers import LOOPS, kind_of_lane
from kaygraph_viz.base.parts import NO_SHARE, PART_CODE
from kaygraph_viz.trace.columns import PART_DTYPE, PartTable, SpanColumns, repeated, stretches, sums, tally
from kaygraph_viz.trace.intervals import Bools, Ints, Stretch, covered_ns, first_of_runs, running_max_by_group
from kaygraph_viz.trace.nesting import Nesting, Places, is_own_time, is_profile, unit_mask
from kaygraph_viz.trace.span import KINDS, STATUSES

SHORTEST_NS = 50_000  # what is shorter is the cost of starting branches and of noticing that they have ended
CPU, BLOCKED, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "blocked", "unknown"))


def recorded_owner(columns: SpanColumns) -> Ints:
    """Return the number of each span; of a phase that was added, that of its branch."""
    return np.where(is_own_time(columns), columns.column("parent_id"), columns.column("span_id"))


def with_own_time(nesting: Nesting, *, has_generators: bool = True, of: Bools | None = None) -> Nesting:
    """Return the spans with a phase for each stretch in which a branch worked while nothing within it ran."""
    owners, generators = contain_work(nesting), on_lanes(nesting.columns, ("generator",))
    generators &= nesting.columns.is_kind("branch") & has_generators
    if of is not None:
        owners &= of
    if not (owners | generators).any() or is_profile(nesting):
        return nesting
    own = _own_time(nesting, owners, np.flatnonzero(generators), has_all=of is not None)
    if not len(own.owner):
        return nesting
    columns = nesting.columns
    rows, parts = cut_rows(nesting, own, -1 - np.arange(len(own.owner)))
    rows["parent_id"], rows["kind"] = columns.rows["span_id"][own.owner], KINDS.index("phase")
    rows["index"], rows["status"] = -1, STATUSES.index("ok")
    return Nesting.of(replace(columns, rows=np.concatenate([columns.rows, rows]), parts=parts).in_order())


def contain_work(nesting: Nesting) -> Bools:
    """Return a mask of the branches that contain units of work."""
    found: Bools = nesting.columns.is_kind("branch") & nesting.enclosing(unit_mask(nesting))
    return found


def on_lanes(columns: SpanColumns, kinds: Collection[str]) -> Bools:
    """Return a mask of the spans on lanes of some kinds, also of other processes."""
    is_one = np.array([*(kind_of_lane(lane.rpartition("/")[2]) in kinds for lane in columns.lanes), False], np.bool_)
    found: Bools = is_one[columns.rows["lane"]]
    return found


def _own_time(nesting: Nesting, owners: Bools, generators: Places, *, has_all: bool) -> Stretch:
    """Return the stretches; one in which a branch submits jobs is two, since they depend only on what lies before."""
    columns = nesting.columns
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    is_shown = columns.is_kind("branch", "node", "graph", "phase")
    around = np.append(nesting.nearest(is_shown), -1)[nesting.parent]
    inner = np.flatnonzero(is_shown & (around >= 0) & owners[around])
    parts = stretches(columns, generators)
    unasked = parts.kind == BLOCKED
    owner = np.concatenate([around[inner], generators[parts.owner[unasked]]])
    submitted = columns.column("submitted_ns")[inner]
    in_loop = on_lanes(columns, LOOPS)  # a coroutine that waits for one of its own loop can go on until that starts
    ready = np.where(in_loop[inner] & in_loop[around[inner]], started[inner], submitted)
    submitted, ready = (np.concatenate([each, parts.started_ns[unasked]]) for each in (submitted, ready))
    times = submitted, ready, np.concatenate([ended[inner], parts.ended_ns[unasked]])
    submitted, ready, until = (np.clip(each, started[owner], ended[owner]) for each in times)
    order = np.lexsort((ready, owner))
    owner, submitted, ready, until = (each[order] for each in (owner, submitted, ready, until))
    is_first = first_of_runs(owner)
    is_last = np.append(is_first[1:], True)[: len(is_first)]
    reached = running_max_by_group(until, is_first)
    since = np.where(is_first, started[owner], np.append(0, reached[:-1]))
    starts = np.concatenate([since, np.maximum(since, submitted), reached[is_last]])
    ends = np.concatenate([submitted, ready, ended[owner[is_last]]])
    owner = np.concatenate([owner, owner, owner[is_last]])
    is_own = ends - starts >= np.where(np.isin(owner, generators), 1, SHORTEST_NS)
    if has_all:
        is_own[-int(is_last.sum()) :] = True
    own = np.flatnonzero(is_own)
    own = own[np.lexsort((starts[own], owner[own]))]
    return Stretch(owner[own], starts[own], ends[own])


def cut_rows(nesting: Nesting, cuts: Stretch, span_ids: Ints) -> tuple[npt.NDArray[np.void], PartTable]:
    """Return rows for stretches of branches, like those of the branches, and the parts of all spans with theirs."""
    columns = nesting.columns
    rows = columns.rows[cuts.owner]
    rows["span_id"], rows["attempt"] = span_ids, 1
    rows["submitted_ns"] = rows["started_ns"] = cuts.started
    rows["ended_ns"] = cuts.ended
    rows["cpu_ns"], rows["blocked_ns"] = _sums(nesting, cuts)
    table = columns.parts
    noted = np.flatnonzero(np.isin(columns.rows["span_id"][cuts.owner], table.span_id))
    parts, place, lasted = _sliced(columns, Stretch(*(each[noted] for each in cuts)))
    count = tally(place, len(noted))
    cpu = np.where(parts["kind"] == CPU, lasted, parts["share"].clip(0) * lasted)
    rows["cpu_ns"][noted] = np.where(rows["cpu_ns"][noted] < 0, -1, sums(place, cpu, len(noted)))
    rows["blocked_ns"][noted] = sums(place, lasted * (parts["kind"] == BLOCKED), len(noted))
    return rows, PartTable.of_spans(
        np.concatenate([rows["span_id"][noted], table.span_id]),
        np.concatenate([count, np.diff(table.first)]),
        np.concatenate([parts, table.parts]),
    )


def blocking_waits(nesting: Nesting, mask: Bools | None = None) -> Stretch:
    """Return the waits that held up branches, as far as they are spans; `mask` says which of them, None all."""
    columns = nesting.columns
    is_wait = columns.is_kind("wait") & (columns.rows["blocked_ns"] > 0)
    waits = np.flatnonzero(is_wait if mask is None else is_wait & mask)
    waits = waits[np.append(columns.is_kind("branch"), False)[nesting.parent[waits]]]
    owner, (started, ended) = nesting.parent[waits], (columns.column(f"{name}_ns") for name in ("started", "ended"))
    return Stretch(owner, np.maximum(started[waits], started[owner]), np.minimum(ended[waits], ended[owner]))


def _sums(nesting: Nesting, own: Stretch) -> tuple[Ints, Ints]:
    """Return CPU time and blocked time of each stretch [ns], of branches of which only sums are known."""
    columns, waits = nesting.columns, blocking_waits(nesting)
    lasted, size = own.ended - own.started, len(columns)
    whole = sums(own.owner, lasted, size).clip(1)[own.owner]
    cpu, blocked = (columns.column(name)[own.owner] for name in ("cpu_ns", "blocked_ns"))
    service = (columns.column("ended_ns") - columns.column("started_ns"))[own.owner]
    any_time = np.minimum(lasted, blocked * (lasted / np.maximum(1, service))).astype(np.int64)
    held_up = np.where(np.isin(own.owner, waits.owner), covered_ns(own, waits), any_time)
    used = np.minimum(lasted - held_up, cpu * (lasted / whole)).astype(np.int64)
    return np.where(cpu < 0, -1, used), held_up


def _sliced(columns: SpanColumns, own: Stretch) -> tuple[npt.NDArray[np.void], Places, Ints]:
    """Return the noted parts of stretches, the place of the stretch of each of them, and how long it lasted [ns]."""
    owners, number = np.unique(own.owner, return_inverse=True)
    found = stretches(columns, owners)
    times, rank = np.unique(
        np.concatenate([found.started_ns, found.ended_ns, own.started, own.ended]), return_inverse=True
    )
    of = np.concatenate([found.owner, found.owner, number, number])
    key = np.split(of * np.int64(len(times)) + rank, np.cumsum([len(found.owner), len(found.owner), len(number)]))
    first = np.searchsorted(key[1], key[2], side="right")  # the first part that ends after the stretch begins
    count = np.searchsorted(key[0], key[3]) - first
    place = repeated(np.arange(len(number)), count)
    at = np.arange(len(place)) + repeated(first - (np.cumsum(count) - count), count)
    begins = np.maximum(found.started_ns[at], own.started[place])
    parts = np.empty(len(at), PART_DTYPE)
    parts["until_ns"] = np.minimum(found.ended_ns[at], own.ended[place])
    parts["kind"], parts["share"] = found.kind[at], np.where(found.kind[at] == UNKNOWN, found.cpu_share[at], NO_SHARE)
    parts["share"] = np.nan_to_num(parts["share"], nan=NO_SHARE)
    return parts, place, parts["until_ns"] - begins
