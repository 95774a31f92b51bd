"""What the scheduler of a Dask cluster has noted of its tasks, as branches of a recording.

Belongs here: their times on our clock, parents, links and lanes. Does not belong here: asking the scheduler
(``dask_clusters``), what it notes (``dask_reporter``).

Workers stamp tasks, and estimate how far their clock is off that of the scheduler. The scheduler knows better: a task
has run between when it was sent to its worker and when its result was there.
"""

from __future__ import annotations

import pickle
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kaygraph_viz.texts import one_line, without_secrets
from kaygraph_viz.trace.attributes import safe_attributes
from kaygraph_viz.trace.dask_stream import Clipped, after_each_other, function_of_key
from kaygraph_viz.trace.recorder import Recorder, Scope, span
from kaygraph_viz.trace.wire import adopt

__all__ = ["Call", "Calls", "Note", "WorkerLanes", "record_notes"]

OURS = "kaygraph_viz-"  # how keys of our own executor begin: it records them itself
OF_WORKERS = "Client-worker-"  # how names of clients begin with which tasks hand over other tasks
LOST = "lost"  # the lane of tasks that have run nowhere
LONGEST_KEY, LONGEST_ERROR = 200, 300
STATUSES = {"OK": "ok"} | {each: each for each in ("lost", "cancelled", "abandoned")}
SECOND_NS = 1_000_000_000
Note = Mapping[str, Any]


class Call(NamedTuple):
    """A graph that was handed to a cluster: when [ns], and in which scope."""

    at_ns: int
    scope: Scope | span


Calls = Mapping[tuple[str, str], Sequence[Call]]  # by client and by what the graph is known by


def record_notes(recorder: Recorder, notes: Sequence[Note], calls: Calls, offset_ns: int, lanes: WorkerLanes) -> None:
    """Record the tasks of a cluster."""
    handed = _HandedOver(recorder, calls, offset_ns, notes)
    tasks, latest = list[_Task](), dict[Any, _Task]()
    for note in notes:
        has_run = note["status"] == "lost" or bool(_computations(note))
        if has_run and handed.is_ours(note) and not str(note["key"]).startswith(OURS):
            needed = [latest[key] for key in note.get("needs", ()) if key in latest]
            if note.get("attempt", 1) > 1 and note["key"] in latest:
                needed.append(latest[note["key"]])
            latest[note["key"]] = task = _Task.of(note, recorder.next_id(), needed, handed)
            tasks.append(task)
    tasks.sort(key=lambda task: task.started_ns)
    places = list(_places(tasks))
    on_places = ((place, task.started_ns, task.ended_ns) for place, task in zip(places, tasks, strict=True))
    times = list(after_each_other(on_places))
    for task, its_times in zip(tasks, times, strict=True):
        handed.note_times(task, its_times)
    for task, its_times, place in zip(tasks, times, places, strict=True):
        lane = lanes.lane_of(*place)
        recorder.add(task.row(its_times, lane, handed))
        if task.note.get("inner"):
            _record_inner(recorder, task, its_times, lane)


def _record_inner(recorder: Recorder, task: _Task, times: Clipped, lane: str) -> None:
    """Record what a task has begun itself, whose times are counted from when that began."""
    rows, dropped, began_ns = pickle.loads(task.note["inner"])  # noqa: S301  (from a worker of the program)
    lasted_ns = times.ended_ns - times.started_ns

    def shift(time_ns: int) -> int:
        since_ns: int = max(0, min(time_ns - began_ns, lasted_ns))
        return times.started_ns + since_ns

    adopt(recorder, rows, parent_id=task.span_id, lane=lane, submitted_ns=times.started_ns, shift=shift)
    recorder.dropped_elsewhere += dropped


class _Task(NamedTuple):
    """A task: what is known of it, its number, those of what it needed, its scope, and its times [ns]."""

    note: Note
    span_id: int
    links: tuple[int, ...]
    scope: Scope | span
    submitted_ns: int
    started_ns: int
    ended_ns: int
    got_ns: int

    @classmethod
    def of(cls, note: Note, span_id: int, needed: Sequence[_Task], handed: _HandedOver) -> _Task:
        at_ns = handed.at_ns
        ran = _computations(note) or [{"start": note["got"], "stop": note["got"]}]
        started_ns, ended_ns = at_ns(ran[0]["start"]), at_ns(ran[-1]["stop"])
        call = handed.call_of(note, started_ns)
        first_ns = max(call.at_ns, at_ns(note["sent"]) if "sent" in note else 0)
        last_ns = at_ns(note["got"]) if "got" in note else max(ended_ns, first_ns)
        times = handed.around_inner(note, *_moved(started_ns, ended_ns, first_ns, last_ns), last_ns)
        ready_ns = max([call.at_ns, *(each.got_ns for each in needed)])
        links = tuple(each.span_id for each in needed)
        return cls(note, span_id, links, call.scope, min(ready_ns, times[0]), *times, last_ns)

    def row(self, times: Clipped, lane: str, handed: _HandedOver) -> Any:
        """Return the row of its span."""
        note = self.note
        attempt = note.get("attempt", 1)
        facts = {
            "key": str(note["key"])[:LONGEST_KEY], "nbytes": note.get("nbytes"), "label": note.get("label"),
            "attempt": attempt if attempt > 1 else None,
        }  # fmt: skip
        known = {name: value for name, value in facts.items() if value not in (None, "")}
        status, error = STATUSES.get(note["status"], "error"), None
        if status == "lost":
            error = f"the worker at {note['worker']} was lost"
        elif status == "error":
            said = without_secrets(str(note.get("exception_text") or "the task failed")[:1_000])
            error = one_line(said, LONGEST_ERROR)
        return (
            self.span_id, handed.parent_of(self, times), -1, function_of_key(note["key"]), "branch",
            lane, self.submitted_ns, times.started_ns, times.ended_ns, -1, 0, status, 1,
            error, safe_attributes(known | times.as_attribute), self.links, None,
        )  # fmt: skip


def _moved(started_ns: int, ended_ns: int, first_ns: int, last_ns: int) -> tuple[int, int]:
    """Return times that are moved as little as needed to lie between two others."""
    by_ns = max(0, first_ns - started_ns) or min(0, last_ns - ended_ns)
    begin_ns = max(started_ns + by_ns, first_ns)
    return begin_ns, max(begin_ns, min(ended_ns + by_ns, last_ns))


def _computations(note: Note) -> list[Mapping[str, Any]]:
    return [each for each in note["startstops"] if each["action"] == "compute"]


def _places(tasks: Iterable[_Task]) -> Iterator[tuple[str, object]]:
    """Yield the worker and the thread of each task, given in the order of their starts."""
    ends: dict[str, list[int]] = {}
    for task in tasks:
        note = task.note
        if note["status"] == "lost":
            yield LOST, task.span_id
        elif note.get("thread") is not None and not note.get("is_coroutine"):
            yield note["worker"], note["thread"]
        else:
            busy = ends.setdefault(note["worker"], [])
            at = next((at for at, end_ns in enumerate(busy) if end_ns <= task.started_ns), len(busy))
            busy[at : at + 1] = [task.ended_ns]
            yield note["worker"], f"task-{at + 1}"


class _HandedOver:
    """Finds the call, or the task, to which a task belongs, and the span around it."""

    def __init__(self, recorder: Recorder, calls: Calls, offset_ns: int, notes: Sequence[Note]) -> None:
        self._recorder = recorder
        self._calls = calls
        self._all = sorted((call for each in calls.values() for call in each), key=lambda call: call.at_ns)
        self._offset_ns = offset_ns
        self._now_ns = recorder.now_ns()
        self._ends: dict[int, int] | None = None
        self._runs = {note["run"]: note for note in notes if "run" in note}
        self._inner_ns: dict[int, tuple[int, int]] = {}  # by run: first begin and last end of what it handed over
        self._spans: dict[int, tuple[int, Clipped]] = {}  # by run: its number and its times
        for note in notes:
            if "by" in note:
                self._note_inner(note["by"], self.at_ns(note["asked_at"]), 0)

    def at_ns(self, at_s: float) -> int:
        """Return a time of the scheduler on the clock of the recording [ns]."""
        return max(0, min(round(at_s * SECOND_NS) - self._offset_ns, self._now_ns))

    def is_ours(self, note: Note) -> bool:
        """Return whether it is the recorded program that has handed over a task, or the task that has done so."""
        outer = self._outermost(note)
        if outer is None:
            return False
        asked = outer.get("asked", ("", ""))
        return asked in self._calls or asked[0].startswith(OF_WORKERS) or "sent" not in outer

    def _outermost(self, note: Note) -> Note | None:
        """Return the task that no task has handed over, through all that have; None if one of them is not known."""
        while "by" in note:
            outer = self._runs.get(note["by"])
            if outer is None or outer["run"] >= note["run"]:
                return None
            note = outer
        return note

    def call_of(self, note: Note, started_ns: int) -> Call:
        """Return the call that has handed a task over."""
        if "asked" not in note:  # the scheduler does not tell
            return _last_before(self._all, started_ns)
        asked_ns = self.at_ns(note["asked_at"])
        outer = self._outermost(note) or note
        calls = self._calls.get(outer["asked"])
        if calls is None:  # another thread of a worker has handed it over
            return Call(asked_ns, Scope(self._recorder, 0))
        call = _last_before(calls, self.at_ns(outer["asked_at"]))
        return call if outer is note else Call(asked_ns, call.scope)

    def around_inner(self, note: Note, started_ns: int, ended_ns: int, last_ns: int) -> tuple[int, int]:
        """Return the times of a task such that they enclose those of what it has handed over, if that ended before."""
        first_inner_ns, last_inner_ns = self._inner_ns.get(note.get("run", -1), (started_ns, ended_ns))
        times = min(started_ns, first_inner_ns), max(ended_ns, min(last_inner_ns, last_ns))
        if "by" in note:
            self._note_inner(note["by"], *times)
        return times

    def _note_inner(self, run: int, started_ns: int, ended_ns: int) -> None:
        first_ns, last_ns = self._inner_ns.get(run, (started_ns, ended_ns))
        self._inner_ns[run] = min(first_ns, started_ns), max(last_ns, ended_ns)

    def note_times(self, task: _Task, times: Clipped) -> None:
        """Note the times of a task, which may have handed over others."""
        if "run" in task.note:
            self._spans[task.note["run"]] = task.span_id, times

    def parent_of(self, task: _Task, times: Clipped) -> int:
        """Return the number of the task that has handed over this one, or of the innermost span; 0 for none."""
        note = task.note
        while "by" in note:
            span_id, around = self._spans.get(note["by"], (0, times))
            if span_id and around.started_ns <= times.started_ns and times.ended_ns <= around.ended_ns:
                return span_id
            note = self._runs[note["by"]]
        found: Scope | span | None = task.scope
        while found is not None and found.span_id and found.is_over:
            if self._ends is None:
                columns = self._recorder.snapshot()
                numbers, ends = (columns.column(name).tolist() for name in ("span_id", "ended_ns"))
                self._ends = dict(zip(numbers, ends, strict=True))
            if self._ends.get(found.span_id, -1) >= times.ended_ns:
                break
            found = found.parent
        return 0 if found is None else found.span_id


def _last_before(calls: Sequence[Call], at_ns: int) -> Call:
    return calls[max(0, bisect_right(calls, at_ns, key=lambda call: call.at_ns) - 1)]


class WorkerLanes:
    """The lanes of the threads of all clusters of a recording: workers and their threads are numbered as they come."""

    def __init__(self, recorder: Recorder) -> None:
        self._lanes = recorder.lanes
        self._workers: dict[str, tuple[str, dict[object, str]]] = {}

    def lane_of(self, worker: str, thread: object) -> str:
        """Return the lane of a place that `_places` has yielded."""
        if worker == LOST:
            return LOST
        if worker not in self._workers:
            self._workers[worker] = self._lanes.take("dask").name, {}
        lane, threads = self._workers[worker]
        if isinstance(thread, str):
            return f"{lane}/{thread}"
        return threads.setdefault(thread, f"{lane}/thread-{len(threads) + 1}")
