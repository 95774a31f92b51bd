"""Branches that took one item after another from a queue: worker loops, as programs write them themselves.

Belongs here: their waits for items, when the last item was done, and the work between two waits as branches of its own.
Does not belong here: losses (``explain``), and replaying them (``what_if``).

Such a loop waits for an item, works, waits for the next one, and is cancelled when all is done. So its end says nothing
about its work: what it did before its last wait was finished.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kaygraph_viz.analysis.own_time import SHORTEST_NS, blocking_waits, cut_rows
from kaygraph_viz.analysis.workers import kind_of_lane
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.trace.columns import SpanColumns, repeated, stretches, sums
from kaygraph_viz.trace.intervals import Bools, Ints, Stretch
from kaygraph_viz.trace.nesting import Nesting, Places
from kaygraph_viz.trace.span import STATUSES

AT_ONCE_NS = 1_000_000  # from the end of a wait that was cancelled to the end of its branch
PIECES = 16  # of the work of a loop, if it is not known when it took an item
MANY = 3  # waits of each loop: then the work between two of them is an item as a rule


def input_waits(nesting: Nesting) -> Stretch:
    """Return the waits of loops for an item from a queue, by branch and in the order of time."""
    found = [_waits_in(nesting, "get"), _waits_of_tasks(nesting)]
    owner, started, ended = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.lexsort((started, owner))
    return Stretch(owner[order], started[order], ended[order])


def _waits_of_tasks(nesting: Nesting) -> Stretch:
    """Return the blocked parts of tasks that were stopped, if some of their siblings were blocked at that moment."""
    columns = nesting.columns
    is_task = np.array([kind_of_lane(lane.rpartition("/")[2]) == "task" for lane in columns.lanes], np.bool_)
    is_task = is_task[columns.rows["lane"]] if len(columns) else np.zeros(0, np.bool_)
    tasks = np.flatnonzero(is_task & _was_stopped(columns) & np.isin(columns.rows["span_id"], columns.parts.span_id))
    parts = stretches(columns, tasks)
    is_blocked = parts.kind == PART_CODE["blocked"]
    owner = tasks[parts.owner[is_blocked]]
    waits = Stretch(owner, parts.started_ns[is_blocked], parts.ended_ns[is_blocked])
    siblings = _siblings(nesting)
    was_waiting = waits.ended >= columns.column("ended_ns")[owner] - AT_ONCE_NS
    of_loops = np.isin(siblings[owner], siblings[owner[was_waiting]])
    return Stretch(*(each[of_loops] for each in waits))


def _was_stopped(columns: SpanColumns) -> Bools:
    return columns.is_kind("branch") & columns.is_status("cancelled", "abandoned")


def _siblings(nesting: Nesting) -> Ints:
    """Return the same number for all spans of one name and parent."""
    found: Ints = (nesting.parent + 1) * np.int64(len(nesting.columns.names)) + nesting.columns.column("name")
    return found


def _waits_in(nesting: Nesting, method: str) -> Stretch:
    """Return the waits of branches in a method of that name, of a queue of any kind."""
    columns = nesting.columns
    is_it = np.array([*(name.endswith(f".{method}") for name in columns.names), False], np.bool_)
    return blocking_waits(nesting, is_it[columns.rows["name"]])


def finished_ns(nesting: Nesting) -> Ints:
    """Return until when the work of each span counts [ns]."""
    columns, waits, joins = nesting.columns, input_waits(nesting), _waits_in(nesting, "join")
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    found = np.where(columns.is_status("ok"), ended, _last_ends_within(nesting))
    if not len(waits.owner) and not len(joins.owner):
        return found
    joined = np.full(len(found) + 1, -1)  # the last place is for spans without a parent
    np.maximum.at(joined, joins.owner, joins.ended)
    joined = joined[nesting.parent]
    last = np.full(len(found), -1)
    np.maximum.at(last, waits.owner, waits.ended)
    siblings, was_stopped = _siblings(nesting), _was_stopped(columns)
    was_joined = was_stopped & (started < joined) & (joined <= ended)
    is_loop = was_joined | was_stopped & np.isin(siblings, siblings[waits.owner])
    was_waiting = was_joined | was_stopped & (last >= ended - AT_ONCE_NS)
    has_finished = columns.is_status("abandoned") | np.isin(siblings, siblings[was_waiting])
    return np.where(is_loop, np.where(has_finished, ended, np.maximum(last, started)), found)


def _last_ends_within(nesting: Nesting) -> Ints:
    """Return until when branches ended well within what did not end by itself; of others, the start [ns]."""
    columns = nesting.columns
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    is_host = columns.is_kind("branch") & columns.is_status("lost", "abandoned") & (columns.column("index") < 0)
    if not is_host.any():
        return started
    is_done = columns.is_kind("branch") & columns.is_status("ok")
    last = nesting.most_within(np.where(is_done, ended, -1))
    is_host &= last >= 0
    return np.where(is_host & columns.is_status("abandoned"), ended, np.where(is_host, last, started))


def loops_as_items(nesting: Nesting) -> Nesting:
    """Return the spans with each loop cut into branches: its work between two waits for an item."""
    columns = nesting.columns
    items, loops = _items(nesting)
    if not len(loops):
        return nesting
    first = 1 + int(columns.column("span_id").max())
    rows, parts = cut_rows(nesting, items, first + np.arange(len(items.owner)))
    rows["status"] = STATUSES.index("ok")
    is_loop = np.zeros(len(columns), np.bool_)
    is_loop[loops] = True
    is_left = ~nesting.within(is_loop)
    return Nesting.of(replace(columns, rows=np.concatenate([columns.rows[is_left], rows]), parts=parts).in_order())


def longest_item_ns(nesting: Nesting) -> Ints:
    """Return the duration of each span [ns]; of loops, that of the longest item: others could have had the rest."""
    columns = nesting.columns
    lasts = columns.column("ended_ns") - columns.column("started_ns")
    items, loops = _items(nesting)
    lasts[loops] = 0
    np.maximum.at(lasts, items.owner, items.ended - items.started)
    return lasts


def _items(nesting: Nesting) -> tuple[Stretch, Places]:
    """Return the items of loops that contain no other branches, and the loops."""
    waits = input_waits(nesting)
    makes_calls = nesting.enclosing(nesting.columns.is_kind("branch", "phase"))[waits.owner]
    waits = Stretch(*(each[~makes_calls] for each in waits))
    loops = np.unique(waits.owner)
    return (_between(nesting.columns, waits, loops) if len(loops) else waits), loops


def _between(columns: SpanColumns, waits: Stretch, loops: Places) -> Stretch:
    """Return the work of loops before, between and after their waits, in pieces."""
    started, ended = columns.column("started_ns")[loops], columns.column("ended_ns")[loops]
    owner = np.concatenate([loops, waits.owner])
    order = np.argsort(owner, kind="stable")  # the begin of each loop, then the ends of its waits
    begins = np.concatenate([started, waits.ended])[order]
    order = np.argsort(np.concatenate([waits.owner, loops]), kind="stable")
    ends = np.concatenate([waits.started, ended])[order]
    owner = np.sort(owner)
    works = ends - begins >= SHORTEST_NS
    owner, begins, ends = owner[works], begins[works], ends[works]

    lasted = (
        ends - begins
    )  # into how many pieces to cut each: where waits tell items apart, by the length of a short one
    if len(lasted) >= MANY * len(loops):
        pieces = np.rint(lasted / max(1.0, float(np.quantile(lasted, 0.25)))).clip(1, PIECES).astype(np.intp)
    else:
        whole = sums(owner, lasted)[owner] if len(owner) else lasted
        pieces = np.ceil(PIECES * lasted / np.maximum(whole, 1)).astype(np.intp)
    place = repeated(np.arange(len(owner)), pieces)
    number = np.arange(len(place)) - repeated(np.cumsum(pieces) - pieces, pieces)
    lasted, count = lasted[place], pieces[place]
    return Stretch(
        owner[place], begins[place] + lasted * number // count, begins[place] + lasted * (number + 1) // count
    )
