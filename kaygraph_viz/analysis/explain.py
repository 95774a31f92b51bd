"""Explanations of why a run was not faster: the causes that add up to the time of all workers.

Belongs here: `explain`, the causes it tells apart and their words, time that was lost within branches, and idle time.
Does not belong here: waits for a turn to compute (``waits``), and other numbers of workers (``what_if``).
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.blocked_loop import blocked_loop_sentence
from kaygraph_viz.analysis.calls import Calls
from kaygraph_viz.analysis.own_time import with_own_time
from kaygraph_viz.analysis.waits import turn_waits
from kaygraph_viz.analysis.wording import aligned, counted, duration, html_table, join_words, significant
from kaygraph_viz.analysis.worker_loops import AT_ONCE_NS, finished_ns, input_waits
from kaygraph_viz.analysis.workers import LOOPS, count_workers, kind_of_lane, process_of_lane
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.intervals import Bools, Ints, Stretch, covered_ns
from kaygraph_viz.trace.nesting import PROFILE, Nesting, Places, extent_ns, is_own_time, is_profile, unit_mask
from kaygraph_viz.trace.trace import Trace

USEFUL = "useful work"


class Cause(NamedTuple):
    """A cause to which time of workers goes."""

    meaning: str
    change: str


CAUSES: Mapping[str, Cause] = {
    USEFUL: Cause(
        "branches and the steps around them did work that the run needed",
        "reduce the work: better algorithms, caches, fewer and larger requests",
    ),
    "repeated work": Cause(
        "attempts that failed, the pauses after them, and branches whose results were discarded",
        "find out why attempts fail; retry less often, or stop retrying earlier",
    ),
    "waiting for the GIL": Cause(
        "another thread held the GIL: one thread of a process runs Python code at a time",
        "compute in processes (executor='process') or in code that releases the GIL",
    ),
    "waiting for the loop": Cause(
        "another coroutine computed, or called what blocks: the event loop switches coroutines only at an await",
        "await in coroutines instead of blocking; compute in processes or threads",
    ),
    "waiting for a core": Cause(
        "more branches were ready to compute than there are cores",
        "reduce the computing, or use more cores; more workers do not help",
    ),
    "blocked": Cause(
        "branches waited for a lock, a rate limit, space in a full queue, or to be asked for the next item",
        "hold locks for less time, raise the limit, or speed up the stage that reads the queue",
    ),
    "starved": Cause(
        "workers were idle because the next items had not been submitted yet",
        "make the input faster, or prepare it before the workers need it",
    ),
    "serial parts": Cause(
        "not all workers could have work: prep, post, calls with few branches, nested calls",
        "move work from prep and post into branches; run independent nodes in parallel",
    ),
    "straggler tail": Cause(
        "workers were idle while the last branches ran and no other work was left",
        "start the longest items first, or split them into smaller ones",
    ),
    "dispatch": Cause(
        "workers were idle although items were queued: they were starting or getting the next item",
        "use one open executor for several nodes; make items fewer and larger",
    ),
}
MAX_NAMED = 3
WORTH_NAMING = 0.1  # of all that was lost
NEARLY_ALL = 0.98
_HEADINGS = ("worker time", "share", "time", "meaning")


@dataclass(frozen=True)
class Explanation:
    """The time of all workers, by cause.

    Parameters
    ----------
    workers
        The number of workers, as in `Summary`.
    makespan_ns
        Last end minus first submission [ns].
    parts_ns
        Worker time by cause [ns], all `CAUSES` in their order, 0 for what did not occur. The sum is `workers` times
        `makespan_ns`, exactly.
    estimated
        Those of the causes that are estimated from CPU times, each an upper limit.
    is_profile
        Whether the trace is a profile: then it has no workers, no part has any time, and the sentence says so.
    blocked_loop
        Which coroutines held up their loop, as a sentence; empty where none did, or where it was not noted.
    """

    workers: int = 0
    makespan_ns: int = 0
    parts_ns: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))
    estimated: frozenset[str] = frozenset()
    is_profile: bool = False
    blocked_loop: str = ""

    @property
    def makespan_s(self) -> float:
        """Last end minus first submission [s]."""
        return self.makespan_ns / 1e9

    @property
    def parts(self) -> Mapping[str, float]:
        """Worker time by cause [worker-seconds]."""
        return {name: spent / 1e9 for name, spent in self.parts_ns.items()}

    @property
    def shares(self) -> Mapping[str, float]:
        """The share of each cause in the time of all workers, from 0 to 1."""
        whole = max(1, self.workers * self.makespan_ns)
        return {name: spent / whole for name, spent in self.parts_ns.items()}

    @property
    def useful_workers(self) -> float:
        """Useful work / makespan: the mean number of workers that did useful work.

        That is no speedup: the time with one branch after the other is another question (`Summary.speedup`).
        """
        return self.parts_ns[USEFUL] / self.makespan_ns if self.makespan_ns else 0.0

    @property
    def losses(self) -> Mapping[str, float]:
        """Shares of all causes that occurred, but for useful work, the largest first."""
        found = {name: share for name, share in self.shares.items() if share and name != USEFUL}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @property
    def sentence(self) -> str:
        """The mean number of workers that did useful work, and the main causes for the rest, as one sentence.

        Examples
        --------
        >>> Explanation(4, 10, {USEFUL: 20, "starved": 16, "dispatch": 4}).sentence
        'On average 2.0 of 4 workers did useful work; lack of input took 40% of the worker time and dispatch 10%.'
        """
        if self.is_profile:
            return PROFILE
        if not self.makespan_ns or not self.workers:
            return "Nothing was recorded."
        if self.workers == 1:
            return f"One worker runs one branch at a time; {self._used_by(USEFUL)}."
        useful = f"On average {significant(self.useful_workers, 2)} of {self.workers} workers did useful work"
        if self.shares[USEFUL] >= NEARLY_ALL:
            return f"{useful}, which took nearly all of the worker time."
        return f"{useful}; {self._used_by()}."

    def _used_by(self, *first: str) -> str:
        """Return the shares of the causes `first` and of the largest losses, as words."""
        worth = WORTH_NAMING * sum(self.losses.values())
        causes = [*first, *(name for name, share in list(self.losses.items())[:MAX_NAMED] if share >= worth)]
        (name, share), *others = ((_called(cause), _percent(self.shares[cause])) for cause in causes)
        return join_words([f"{name} took {share} of the worker time", *(" ".join(other) for other in others)])

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Return the rows of the table: name, share, worker time and meaning, the largest first."""
        by_size = sorted(self.parts_ns.items(), key=lambda item: -item[1])
        rows = [
            (
                name,
                _percent(self.shares[name]),
                duration(spent / 1e9),
                CAUSES[name].meaning + (" (estimated, upper limit)" if name in self.estimated else ""),
            )
            for name, spent in by_size
            if spent
        ]
        whole = f"{counted(self.workers, 'worker')} for {duration(self.makespan_s)}"
        return [*rows, ("total", "100%", duration(self.workers * self.makespan_s), whole)]

    def __str__(self) -> str:
        if not self.makespan_ns or not self.workers:
            return self.sentence
        table = aligned([_HEADINGS, *self._rows()], right={1, 2})
        lost = next(iter(self.losses), None) if self.shares[USEFUL] < NEARLY_ALL else None
        advice = f"To reduce {_called(lost)}: {CAUSES[lost].change}." if lost else ""
        return "\n\n".join(filter(None, [self.sentence, table, self.blocked_loop, advice]))

    def _repr_html_(self) -> str:
        if not self.makespan_ns or not self.workers:
            return f"<p>{html.escape(self.sentence)}</p>"
        rows = [(*row, CAUSES[row[0]].change if row[0] in CAUSES else "") for row in self._rows()]
        table = html_table(rows, right={1, 2}, headings=(*_HEADINGS, "how to reduce it"))
        more = f"<p>{html.escape(self.blocked_loop)}</p>" if self.blocked_loop else ""
        return f"<p>{html.escape(self.sentence)}</p>{table}{more}"


def _called(name: str) -> str:
    """Return the name of a cause within a sentence."""
    return {"straggler tail": "the straggler tail", "blocked": "being blocked", "starved": "lack of input"}.get(
        name, name
    )


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def explain(trace: Trace) -> Explanation:
    """Return why not all workers did useful work all the time.

    The time of all workers, their number times the makespan, is divided into causes that add up to it exactly. The
    largest one besides useful work is the one to do something about.

    Parameters
    ----------
    trace
        A trace, also a live or empty one.

    Returns
    -------
    Explanation
        ``print`` it, or let the notebook show it; ``.parts`` is a mapping from cause to worker-seconds. Of a profile,
        whose spans are function calls and no branches, it only says so.

    Notes
    -----
    All is measured but for the waits for the GIL, the loop or a core, which are estimated from CPU times, and only
    where they leave no other explanation; code that releases the GIL while it computes, or a Python without one, is
    recognized by what the threads of a process use together. Workers are those of `Summary`: the lanes that ran
    branches, and those that were started and stayed idle. While prep or post runs it is the work of one of them. Spans
    that were not kept (``trace.dropped``) look like idle time.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> phase = bar("exec", "main", 0, 3, kind="phase", executor="thread", workers=2)
    >>> found = explain(make_trace((phase, [bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 3)])))
    >>> found.parts["useful work"], found.parts["straggler tail"]
    (4.0, 2.0)
    >>> found.sentence
    'On average 1.3 of 2 workers did useful work; the straggler tail took 33% of the worker time.'
    """
    columns = trace.columns
    if not len(columns):
        return Explanation()
    first_ns, last_ns = extent_ns(columns)
    recorded = Nesting.of(columns)
    if is_profile(recorded):
        return Explanation(makespan_ns=last_ns - first_ns, is_profile=True)
    nesting = with_own_time(recorded)
    mask = unit_mask(nesting)
    units = np.flatnonzero(mask)
    workers = count_workers(nesting, mask)
    blocked, repeated = blocked_ns(nesting, units), repeated_ns(nesting, units)
    starved, at_the_end = input_ns(nesting, units)
    turns = turn_waits(nesting, units, blocked + repeated, trace.machine)
    service = (nesting.columns.column("ended_ns") - nesting.columns.column("started_ns"))[units]
    idle = idle_time(nesting, units, workers, turns.is_busy)
    parts = {
        USEFUL: int((service - blocked - repeated - turns.together).sum()),
        "repeated work": int(repeated.sum()),
        "waiting for the GIL": int(turns.gil.sum()) + idle.interpreter,
        "waiting for the loop": int(turns.loop.sum()) + idle.loop,
        "waiting for a core": int(turns.core.sum()),
        "blocked": int((blocked - starved - at_the_end).sum()),
        "starved": idle.starved + int(starved.sum()),
        "serial parts": idle.serial,
        "straggler tail": idle.tail + int(at_the_end.sum()),
        "dispatch": idle.dispatch,
    }
    estimated = frozenset(map("waiting for {}".format, turns.estimated))
    return Explanation(
        workers, last_ns - first_ns, parts, estimated, blocked_loop=blocked_loop_sentence(recorded.columns)
    )


# -- lost within service times ----------------------------------------------------------------------------------------


def blocked_ns(nesting: Nesting, units: Places) -> Ints:
    """Return the time for which each unit was blocked by a limit, a lock or a full queue [ns]."""
    return nesting.columns.column("blocked_ns")[units].clip(0, _service_ns(nesting, units))


def input_ns(nesting: Nesting, units: Places) -> tuple[Ints, Ints]:
    """Return for how long each unit waited for an item from a queue that came, and for one that never did [ns]."""
    columns, waits = nesting.columns, input_waits(nesting)
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    owner = np.where(is_own_time(columns), nesting.parent, np.arange(len(columns)))[units]
    mine = Stretch(owner, started[units], ended[units])
    is_last = waits.ended >= ended[waits.owner] - AT_ONCE_NS
    waited = np.minimum(covered_ns(mine, waits), blocked_ns(nesting, units))
    at_the_end = np.minimum(covered_ns(mine, Stretch(*(each[is_last] for each in waits))), waited)
    return waited - at_the_end, at_the_end


def repeated_ns(nesting: Nesting, units: Places) -> Ints:
    """Return the useless time of each unit: failed attempts, pauses after them, results that were lost [ns]."""
    service = _service_ns(nesting, units)
    started, ended = (nesting.columns.column(name)[units] for name in ("started_ns", "ended_ns"))
    counts = nesting.columns.is_kind("branch")  # and units: a failed node does not undo its branches' work
    counts[units] = True
    finished = np.where(counts, finished_ns(nesting), np.iinfo(np.int64).max)
    useful_from = -nesting.least_around(-_useful_from(nesting, finished))
    before = (useful_from[units] - started).clip(0, service)
    after = (ended - np.maximum(nesting.least_around(finished)[units], useful_from[units])).clip(0, service - before)
    blocked = blocked_ns(nesting, units)
    repeated: Ints = (before + after - _blocked_before(nesting, units, useful_from)).clip(0, service - blocked)
    return repeated


def _useful_from(nesting: Nesting, finished: Ints) -> Ints:
    """Return the moment from which each span was useful, as far as its own attempts and status say it [ns]."""
    columns = nesting.columns
    started, ended, number = (columns.column(name) for name in ("started_ns", "ended_ns", "attempt"))
    useful_from = started.copy()
    is_attempt, is_ok = columns.is_kind("attempt"), columns.is_status("ok")
    restarts = np.flatnonzero(is_attempt & (nesting.parent >= 0) & (~is_ok | (number > 1)))
    np.maximum.at(useful_from, nesting.parent[restarts], np.where(is_ok, started, ended)[restarts])
    is_unexplained = columns.is_kind("branch") & (number > 1) & (useful_from == started)
    estimate = started + (ended - started) // number.clip(1) * (number - 1)
    useful_from = np.where(is_unexplained, estimate, useful_from)
    return np.where(finished <= started, ended, useful_from)


def _blocked_before(nesting: Nesting, units: Places, useful_from: Ints) -> Ints:
    """Return the blocked time in the repeated part of each unit [ns], as far as waits were recorded."""
    columns = nesting.columns
    is_unit = np.zeros(len(columns), np.bool_)
    is_unit[units] = True
    owner = nesting.nearest(is_unit)
    waits = np.flatnonzero(columns.is_kind("wait") & (columns.column("blocked_ns") > 0) & (owner >= 0))
    waits = waits[columns.column("started_ns")[waits] < useful_from[owner[waits]]]
    blocked = np.zeros(len(columns), np.int64)
    np.add.at(blocked, owner[waits], columns.column("blocked_ns")[waits])
    return blocked[units]


def _service_ns(nesting: Nesting, units: Places) -> Ints:
    return (nesting.columns.column("ended_ns") - nesting.columns.column("started_ns"))[units]


# -- idle workers, by what they waited for at every moment ------------------------------------------------------------


class Idle(NamedTuple):
    """The idle time of all workers together, by its cause [ns]."""

    interpreter: int
    loop: int
    dispatch: int
    starved: int
    tail: int
    serial: int


def idle_time(nesting: Nesting, units: Places, workers: int, is_busy: Bools) -> Idle:
    """Return the idle time of all workers by its cause."""
    columns = nesting.columns
    started, ended = columns.column("started_ns")[units], columns.column("ended_ns")[units]
    times, changes = _free_slots(Calls.of(nesting))
    moments = np.concatenate([started, ended, times, extent_ns(columns)])
    order = np.argsort(moments, kind="stable")
    lasting = np.diff(moments[order])

    def at_each_moment(of_units: Ints, of_calls: Ints) -> Ints:
        change = np.concatenate([of_units, -of_units, of_calls, np.zeros(2, np.int64)])
        found: Ints = np.cumsum(change[order])[:-1]
        return found

    none, no_change = np.zeros(len(units), np.int64), np.zeros(len(times), np.int64)
    idle = workers - at_each_moment(np.ones(len(units), np.int64), no_change)
    coroutines, threads, others, starved, tail = (at_each_moment(none, change) for change in changes)
    held_up = np.where(at_each_moment(is_busy.astype(np.int64), no_change) > 0, threads, 0)
    found: list[int] = []
    for wanted in (held_up, coroutines, others + threads - held_up, starved, tail):
        taken = np.minimum(wanted, idle)
        found.append(int((taken * lasting).sum()))
        idle = idle - taken
    interpreter, loop, dispatch, starvation, tails = found
    return Idle(interpreter, loop, dispatch, starvation, tails, int((idle * lasting).sum()))


def _free_slots(calls: Calls) -> tuple[Ints, Ints]:
    """Return moments, and by how much the free slots of calls change there."""
    count, size = len(calls.workers), tally(calls.call, len(calls.workers))
    call = np.concatenate([np.arange(count), *[calls.call] * 3, np.arange(count)])
    moment = np.concatenate([calls.begins, calls.submitted, calls.started, calls.ended, calls.ends])
    order = np.lexsort((moment, call))
    running = np.cumsum(_changes(calls, start=1, end=-1)[order])
    queued = np.cumsum(_changes(calls, submit=1, start=-1)[order])
    coming = np.cumsum(_changes(calls, begin=size, submit=-1)[order])
    started = np.cumsum(_changes(calls, begin=calls.workers, close=-calls.workers)[order])
    free = (started - running).clip(0)  # a branch that was given up still runs beside the one that took its place
    wanted = np.minimum(free, queued)
    slots = np.zeros((5, len(order)), np.int64)
    kinds = [0 if kind_of_lane(lane) in LOOPS else 2 if process_of_lane(lane) else 1 for lane in calls.lanes]
    slots[np.array(kinds, np.int64)[call[order]], np.arange(len(order))] = wanted  # coroutines, own threads, others
    slots[2] += np.where(running > 0, 0, slots[0])  # no coroutine holds the loop: the workers are only starting
    slots[0] = np.where(running > 0, slots[0], 0)
    slots[3] = np.where(coming > 0, free - wanted, 0)
    slots[4] = free - wanted - slots[3]
    return moment[order], np.diff(slots, axis=1, prepend=0)


def _changes(
    calls: Calls, begin: Ints | int = 0, submit: int = 0, start: int = 0, end: int = 0, close: Ints | int = 0
) -> Ints:
    """Return the changes of a number when calls begin, branches are submitted, start and end, and calls end."""
    count, branches = len(calls.workers), len(calls.call)
    of_branches = (np.full(branches, by) for by in (submit, start, end))
    return np.concatenate([np.broadcast_to(begin, count), *of_branches, np.broadcast_to(close, count)])
