"""What the scheduler of a Dask cluster has noted of its tasks, as branches of a recording.

Belongs here: their times on our clock, parents, links and lanes. Does not belong here: asking the scheduler
(``dask_clusters``), what it notes (``dask_reporter``).

Workers stamp tasks, and estimate how far their clock is off that of the scheduler. The scheduler knows better: a task
has run between when it was sent to its worker and when its result was there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kaygraph_viz.texts import one_line, without_secrets
from kaygraph_viz.trace.attributes import safe_attributes
from kaygraph_viz.trace.dask_stream import Clipped, after_each_other, function_of_key
from kaygraph_viz.trace.recorder import Recorder, Scope, span

__all__ = ["Call", "Calls", "WorkerLanes", "record_notes"]

OURS = "kaygraph_viz-"  # how keys of our own executor begin: it records them itself
OF_WORKERS = "Client-worker-"  # how names of clients begin with which tasks hand over other tasks
LONGEST_KEY, LONGEST_ERROR = 200, 300
SECOND_NS = 1_000_000_000
Note = Mapping[str, Any]


class Call(NamedTuple):
    """A graph that was handed to a cluster: when [ns], and in which scope."""

    at_ns: int
    scope: Scope | span


Calls = Mapping[tuple[str, str], Sequence[Call]]  # by client and by what the graph is known by


def record_notes(
    recorder: Recorder, notes: Iterable[Note], calls: Calls, offset_ns: int, lanes: WorkerLanes
) -> None:  # fmt: skip
    """Record the tasks of a cluster.

    Parameters
    ----------
    recorder
        Where.
    notes
        What is known of each, in the order in which they ended; as messages of a task stream have it, or more.
    calls
        What the program has handed over.
    offset_ns
        How far the clock of the scheduler, since 1970, is ahead of that of the recording [ns].
    lanes
        Those of the workers.
    """
    clients = {client for client, _ in calls}
    handed = _HandedOver(recorder, calls, offset_ns)
    tasks, latest = list[_Task](), dict[Any, _Task]()
    for note in notes:
        client = note["asked"][0] if "asked" in note else ""
        is_asked_for = client in clients or client.startswith(OF_WORKERS) or "sent" not in note
        if is_asked_for and _has_run(note) and not str(note["key"]).startswith(OURS):
            needed = [latest[key] for key in note.get("needs", ()) if key in latest]
            latest[note["key"]] = task = _Task.of(note, recorder.next_id(), needed, handed)
            tasks.append(task)
    tasks.sort(key=lambda task: task.started_ns)
    for task, times in zip(tasks, after_each_other(task.on_thread for task in tasks), strict=True):
        recorder.add(task.row(times, lanes.lane_of(task.note), handed))


class _Task(NamedTuple):
    """A task: what is known of it, its number, those of what it needed, its scope, and its times [ns].

    It is submitted when it can run: when it is handed over, or when the last result is there that it needs.
    """

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
        times = _moved(started_ns, ended_ns, first_ns, last_ns)
        ready_ns = max([call.at_ns, *(each.got_ns for each in needed)])
        links = tuple(each.span_id for each in needed)
        return cls(note, span_id, links, call.scope, min(ready_ns, times[0]), *times, last_ns)

    @property
    def on_thread(self) -> tuple[object, int, int]:
        """Where and when it ran; what was lost has run nowhere."""
        place = (self.note["worker"], self.note["thread"]) if _is_on_thread(self.note) else self.span_id
        return place, self.started_ns, self.ended_ns

    def row(self, times: Clipped, lane: str, handed: _HandedOver) -> Any:
        """Return the row of its span."""
        note = self.note
        facts = {"key": str(note["key"])[:LONGEST_KEY], "nbytes": note.get("nbytes"), "label": note.get("label")}
        known = {name: value for name, value in facts.items() if value not in (None, "")}
        status = {"OK": "ok", "lost": "lost"}.get(note["status"], "error")
        return (
            self.span_id, handed.parent_of(self.scope, times.ended_ns), -1, function_of_key(note["key"]), "branch",
            lane, self.submitted_ns, times.started_ns, times.ended_ns, -1, 0, status, 1,
            _error_of(note, status), safe_attributes(known | times.as_attribute), self.links, None,
        )  # fmt: skip


def _moved(started_ns: int, ended_ns: int, first_ns: int, last_ns: int) -> tuple[int, int]:
    """Return times that are moved as little as needed to lie between two others.

    Examples
    --------
    >>> _moved(3, 5, 4, 9), _moved(8, 11, 4, 9), _moved(5, 6, 4, 9), _moved(0, 20, 4, 9)
    ((4, 6), (6, 9), (5, 6), (4, 9))
    """
    by_ns = max(0, first_ns - started_ns) or min(0, last_ns - ended_ns)
    begin_ns = max(started_ns + by_ns, first_ns)
    return begin_ns, max(begin_ns, min(ended_ns + by_ns, last_ns))


def _error_of(note: Note, status: str) -> str | None:
    if status == "ok":
        return None
    if status == "lost":
        return f"the worker at {note['worker']} was lost"
    return one_line(without_secrets(str(note.get("exception_text") or "the task failed")[:1_000]), LONGEST_ERROR)


def _computations(note: Note) -> list[Mapping[str, Any]]:
    return [each for each in note["startstops"] if each["action"] == "compute"]


def _has_run(note: Note) -> bool:
    return note["status"] == "lost" or bool(_computations(note))


def _is_on_thread(note: Note) -> bool:
    return bool(note["status"] != "lost")


class _HandedOver:
    """Finds the call to which a task belongs, and the span around it."""

    def __init__(self, recorder: Recorder, calls: Calls, offset_ns: int) -> None:
        self._recorder = recorder
        self._calls = calls
        self._all = sorted((call for each in calls.values() for call in each), key=lambda call: call.at_ns)
        self._offset_ns = offset_ns
        self._now_ns = recorder.now_ns()
        self._ends: dict[int, int] | None = None

    def at_ns(self, at_s: float) -> int:
        """Return a time of the scheduler on the clock of the recording [ns]."""
        return max(0, min(round(at_s * SECOND_NS) - self._offset_ns, self._now_ns))

    def call_of(self, note: Note, started_ns: int) -> Call:
        """Return the call that has handed a task over."""
        if "asked" not in note:  # the scheduler does not tell
            return _last_before(self._all, started_ns)
        asked_ns = self.at_ns(note["asked_at"])
        calls = self._calls.get(tuple(note["asked"]))
        if calls is None:  # another task has handed it over
            return Call(asked_ns, Scope(self._recorder, 0))
        return _last_before(calls, asked_ns)

    def parent_of(self, scope: Scope | span, ended_ns: int) -> int:
        """Return the number of the innermost span of a scope that is not over before `ended_ns`; 0 for none."""
        found: Scope | span | None = scope
        while found is not None and found.span_id and found.is_over and self._end_of(found) < ended_ns:
            found = found.parent
        return 0 if found is None else found.span_id

    def _end_of(self, scope: Scope | span) -> int:
        if self._ends is None:
            columns = self._recorder.snapshot()
            numbers, ends = (columns.column(name).tolist() for name in ("span_id", "ended_ns"))
            self._ends = dict(zip(numbers, ends, strict=True))
        return self._ends.get(scope.span_id, -1)


def _last_before(calls: Sequence[Call], at_ns: int) -> Call:
    return calls[max(0, bisect_right(calls, at_ns, key=lambda call: call.at_ns) - 1)]


class WorkerLanes:
    """The lanes of the threads of all clusters of a recording: workers and their threads are numbered as they come.

    Parameters
    ----------
    recorder
        Of the recording.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._lanes = recorder.lanes
        self._workers: dict[str, tuple[str, dict[object, str]]] = {}

    def lane_of(self, note: Note) -> str:
        """Return the lane of the thread that has run a task."""
        if not _is_on_thread(note):
            return "lost"
        if note["worker"] not in self._workers:
            self._workers[note["worker"]] = self._lanes.take("dask").name, {}
        worker, threads = self._workers[note["worker"]]
        return threads.setdefault(note["thread"], f"{worker}/thread-{len(threads) + 1}")
