"""Capturing Dask: tasks of its clusters.

Belongs here: the hooks in clients, asking the scheduler to note what runs, and making branches of its notes at the end.
Does not belong here: what notes (``reporter``), files of a task stream (``export.task_streams``).

A client that is asynchronous would have to be awaited. So what is in this process is called directly, and the others
are asked by a thread with a loop of its own, which is over when the answers are there.

Workers stamp tasks, and estimate how far their clock is off that of the scheduler. The scheduler knows better: a task
has run between when it was sent to its worker and when its result was there.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple
from uuid import uuid4
from weakref import WeakKeyDictionary, ref

from kaygraph_viz.base.texts import one_line, without_secrets
from kaygraph_viz.base.threads import RLock, Thread
from kaygraph_viz.capture.calls import scope_by_context, scope_for, without_our_frame
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.process_recorder import wanted_by
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.dask_stream import Clipped, after_each_other, function_of_key
from kaygraph_viz.trace.offsets import offset_from
from kaygraph_viz.trace.recorder import Recorder, Scope, span
from kaygraph_viz.trace.row import describe_error, safe_attributes
from kaygraph_viz.trace.wire import adopt

ANSWER_S = 10.0  # that workers have to answer, when the program wants to go on
LOOKS = 5  # at two clocks: a thread may lose its core between them
SILENT = ("sent", "released")  # statuses of tasks of which the scheduler does not know when they ran


def hooks() -> Iterator[Hook]:
    """Yield the hooks of clients, once the program has loaded them."""
    yield OnImport("distributed.client", _client_hooks)


def _client_hooks(module: ModuleType) -> Iterator[Hook]:
    watches = _Watches()
    yield watches
    yield OnImport(
        "distributed.deploy.cluster",
        lambda module: [
            Patch(module.Cluster, name, partial(_closing, watches.close_cluster)) for name in ("close", "__aexit__")
        ],
    )
    yield Patch(module.Client, "_graph_to_futures", lambda original: _handing_over(watches, original))
    for name in ("close", "shutdown", "_close"):  # the last is all that ends an asynchronous block
        yield Patch(module.Client, name, partial(_closing, watches.close))


class _Watch:
    """What one recording knows of one scheduler: a reporter there, and what the program has handed over."""

    def __init__(self, client: Any, recorder: Recorder, lanes: WorkerLanes) -> None:
        self.recorder = recorder
        self._lanes = lanes
        self._name = f"{OURS}{uuid4().hex}"
        self._clients: dict[str, ref[Any]] = {}
        self._calls: dict[tuple[str, str], list[Call]] = {}
        looks = [(REAL.now_ns(), time.time_ns(), REAL.now_ns()) for _ in range(LOOKS)]
        self._offset_ns = offset_from(looks).offset_ns
        self._reporter: Any = None  # where the scheduler is in this process
        self._is_watching = self._is_read = self.is_over = False
        self._lock = RLock()
        self._is_reported = self._ask(client)

    def _ask(self, client: Any) -> bool:
        """Ask the scheduler to note what runs; return whether it does so in full."""
        try:
            from kaygraph_viz.capture.dask import reporter

            before_s = time.time()
            there_s = on_scheduler(client, reporter.install, self._name, client.id)
            after_s = time.time()
            self._reporter = reporter.reporter_here(self._name)
        except Exception as error:
            if client.asynchronous:
                self._is_read = True  # its task stream would have to be awaited
                self.recorder.tell_once(
                    "tasks of an asynchronous client of Dask are not recorded, since its scheduler cannot load this "
                    f"package ({describe_error(error)}); install kaygraph-viz there, or use a synchronous client"
                )
                return False
            self.recorder.tell_once(
                "what tasks of the Dask cluster needed, and their labels, are not recorded, since its scheduler cannot "
                f"load this package ({describe_error(error)}); install kaygraph-viz there"
            )
            self._stream_before = _seen(client.get_task_stream(count=1))  # from here on the scheduler keeps it
            return False
        if not before_s <= there_s <= after_s:  # on a machine with another clock
            self._offset_ns += round((there_s - (before_s + after_s) / 2) * SECOND_NS)
        self._watch_workers(client)
        return True

    def _watch_workers(self, client: Any) -> None:
        """Have the workers label what they run, and record what that begins."""
        from kaygraph_viz.capture.dask.reporter import keep_watcher
        from kaygraph_viz.capture.dask.workers import begin_watch, packed_watcher

        wanted = wanted_by(self.recorder)
        try:
            packed = packed_watcher(self._name, wanted, self.recorder.label)
        except Exception as error:
            self._tell_of_workers("its function cannot be pickled", error)
            packed = packed_watcher(self._name, wanted, None)
        self._is_watching = True
        try:
            workers = on_scheduler(client, keep_watcher, self._name, packed)
            on_workers(client, workers, begin_watch, self._name, packed, within_s=ANSWER_S)
        except Exception as error:
            self._tell_of_workers("its function, or this package, cannot be loaded by the workers", error)
            self._leave_workers(client)

    def _tell_of_workers(self, why: str, error: Exception) -> None:
        """Warn of what workers cannot do."""
        if self.recorder.label is None:
            self.recorder.tell_once(
                "what tasks of the Dask cluster begin themselves is not recorded, since its workers cannot load this "
                f"package ({describe_error(error)}); install kaygraph-viz there"
            )
        else:
            self.recorder.tell_once(
                f"tasks of the Dask cluster have no labels: {why} ({describe_error(error)}); "
                'define it where workers can import it, or use label="arguments"'
            )

    def _leave_workers(self, client: Any) -> None:
        if self._is_watching:
            from kaygraph_viz.capture.dask.reporter import keep_watcher
            from kaygraph_viz.capture.dask.workers import end_watch

            self._is_watching = False
            with suppress(Exception):  # workers that are gone have none
                workers = on_scheduler(client, keep_watcher, self._name, None)
                on_workers(client, workers, end_watch, self._name)

    def note(self, client: Any, keys: Any, scope: Scope | span) -> bool:
        """Note that a graph is handed over in a scope; return False where all is read already."""
        from kaygraph_viz.capture.dask.reporter import token_of

        with self._lock:
            self._clients.setdefault(client.id, ref(client))
            self._calls.setdefault((client.id, token_of(keys)), []).append(Call(self.recorder.now_ns(), scope))
            return not self.is_over

    def close(self, client: Any) -> bool:
        """Read what has run if this is the last client; return whether it is."""
        with self._lock:
            self.is_over |= list(self._clients) == [client.id]
            if not self.is_over:
                self._clients.pop(client.id, None)
        return self.read() if self.is_over else self._is_read

    def read(self) -> bool:
        """Record what has run, once; return that it is read."""
        self.is_over = True
        if not self._is_read:
            self._is_read = True
            try:
                notes = self._fetched()
            except Exception as error:
                self.recorder.tell_once(f"tasks of a Dask cluster are not recorded, since it is gone: {error}")
            else:
                record_notes(self.recorder, notes, self._calls, self._offset_ns, self._lanes)
        return True

    def _fetched(self) -> list[Note]:
        found = (each() for each in self._clients.values())
        client = next((each for each in found if each is not None and each.status == "running"), None)
        if client is not None:
            self._leave_workers(client)
        if self._reporter is not None:
            notes, dropped = self._reporter.taken()
        elif client is None:
            raise ConnectionError("it ended before it could be asked what it ran")
        elif self._is_reported:
            from kaygraph_viz.capture.dask.reporter import take

            notes, dropped = on_scheduler(client, take, self._name)
        else:
            stream = list(client.get_task_stream())
            before = [at for at, each in enumerate(stream, 1) if _seen([each]) == self._stream_before]
            return stream[before[-1] if before else 0 :]
        if dropped:
            self.recorder.tell_once(
                f"{dropped:,} tasks of the Dask cluster are not recorded: too many for its scheduler"
            )
        if too_much := sum(each.get("inner") == b"" for each in notes):
            self.recorder.tell_once(
                f"what {too_much:,} tasks of the Dask cluster began is not recorded: too much for its scheduler"
            )
        return self._completed(notes, client)

    def _completed(self, notes: Sequence[Note], client: Any) -> list[Note]:
        """Return the notes with what workers know of tasks of whose end the scheduler has not heard."""
        silent = [note for note in notes if note["status"] in SILENT]
        if not silent:
            return list(notes)
        told: dict[int, Note] = {}
        if client is not None:
            from kaygraph_viz.capture.dask.workers import found_runs

            workers, wanted = {note["worker"] for note in silent}, [(note["key"], note["sent_as"]) for note in silent]
            try:
                for answer in on_workers(client, workers, found_runs, wanted, within_s=ANSWER_S):
                    told |= answer
            except Exception as error:
                self.recorder.tell_once(
                    "tasks of the Dask cluster that still ran are not recorded, since its workers do not answer "
                    f"({describe_error(error)}); wait for the results before the block ends"
                )
        known = (note for note in notes if note["status"] not in SILENT or note["sent_as"] in told)
        return [_completed(note, told[note["sent_as"]]) if note["status"] in SILENT else note for note in known]


def _completed(note: Note, told: Note) -> Note:
    """Return what is known of a task, with what its worker tells, which throws away the result if it was cancelled."""
    ran = {"action": "compute", "start": told["start"], "stop": told["stop"]}
    is_cancelled = note["status"] == "released" and told["status"] != "abandoned"
    known = {name: value for name, value in note.items() if name != "got"}
    return {**known, **told, "status": "cancelled" if is_cancelled else told["status"], "startstops": [ran]}


def _seen(messages: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return by what the messages of a task stream are known again: their times may be earlier than they are said."""
    return [(each["key"], each["startstops"]) for each in messages]


class _Watches:
    """The schedulers that are watched."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, int], _Watch] = {}  # by address and recording
        self._lanes: WeakKeyDictionary[Recorder, WorkerLanes] = WeakKeyDictionary()
        self._lock = RLock()

    def note(self, client: Any, keys: Any, scope: Scope | span) -> None:
        """Note that a client hands over tasks in a scope."""
        recorder = scope.recorder
        if client.id.startswith(OF_WORKERS):
            return  # a task hands it over, of which the scheduler tells
        if recorder.clock is not REAL:
            recorder.tell_once("tasks of a Dask cluster are not recorded in simulated time; record with the real clock")
        else:
            while not self._watch(client, recorder).note(client, keys, scope):
                pass  # its last client was just closed by another thread

    def _watch(self, client: Any, recorder: Recorder) -> _Watch:
        key = str(client.scheduler.address), id(recorder)
        with self._lock:
            watch = self._of.get(key)
            if watch is None or watch.is_over:
                lanes = self._lanes.setdefault(recorder, WorkerLanes(recorder))
                watch = self._of[key] = _Watch(client, recorder, lanes)
                recorder.at_end.append(watch.read)
            return watch

    def close(self, client: Any) -> None:
        """Read what the scheduler of a client has noted, before its last client is closed."""
        if client.status == "running":
            self._read_where(lambda watch, _: watch.close(client))

    def close_cluster(self, cluster: Any) -> None:
        """Read what the scheduler of a cluster has noted, before that is closed."""
        if cluster.status.name == "running":
            self._read_where(lambda watch, address: address == cluster.scheduler_address and watch.read())

    def _read_where(self, read: Callable[[_Watch, str], bool]) -> None:
        """Let go of the schedulers that have been read."""
        with self._lock:
            for key, watch in list(self._of.items()):
                try:
                    is_read = read(watch, key[0])
                except Exception as error:  # what is closed is closed as without a recording
                    watch.recorder.give_up(error)
                    is_read = True
                if is_read:
                    del self._of[key]

    def remove(self) -> None:
        """Let go of the schedulers; recordings that end ask them once more."""
        self._of.clear()


def _handing_over(watches: _Watches, original: Callable[..., Any]) -> Callable[..., Any]:
    def graph_to_futures(self: Any, *args: Any, **kwargs: Any) -> Any:
        scope = scope_by_context("dask") if self.asynchronous else scope_for("dask")
        if scope is not None:
            keys = kwargs["keys"] if "keys" in kwargs else args[1]
            if not str(next(iter(keys), "")).startswith(OURS):
                try:
                    watches.note(self, keys, scope)
                except Exception as error:
                    scope.recorder.give_up(error)
        with without_our_frame:
            return original(self, *args, **kwargs)

    return graph_to_futures


def _closing(tell: Callable[[Any], None], original: Callable[..., Any]) -> Callable[..., Any]:
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        tell(self)
        with without_our_frame:
            return original(self, *args, **kwargs)

    return close


# -- asking the scheduler and the workers at once --------------------------------------------------------------------


LONGEST_S = 30.0  # that an answer takes: what is called may have to be loaded first


def on_scheduler(client: Any, function: Callable[..., Any], *args: Any) -> Any:
    """Call ``function(*args, dask_scheduler=...)`` on the scheduler, and return its result, or raise its error."""
    if not client.asynchronous:
        return client.run_on_scheduler(function, *args)
    from distributed.scheduler import Scheduler

    address = client.scheduler.address
    here = _found(Scheduler._instances, address)
    if here is not None:
        return function(*args, dask_scheduler=here)
    return _in_thread(lambda: _call(client, address, "run_function", function, args))


def on_workers(
    client: Any, workers: Collection[str], function: Callable[..., Any], *args: Any, within_s: float = LONGEST_S
) -> list[Any]:
    """Call ``function(*args, dask_worker=...)`` on workers with these addresses, and return the results."""
    if not workers:
        return []
    if not client.asynchronous:
        told = client.sync(client._run, function, *args, workers=list(workers), callback_timeout=within_s)
        return list(told.values())
    from distributed.worker import Worker

    here = {each: found for each in workers if (found := _found(Worker._instances, each)) is not None}
    results = [function(*args, dask_worker=each) for each in here.values()]
    others = [each for each in workers if each not in here]

    async def ask() -> list[Any]:
        return await asyncio.gather(*(_call(client, each, "run", function, args) for each in others))

    return results + (_in_thread(ask, within_s) if others else [])


def _found(servers: Iterable[Any], address: str) -> Any:
    """Return the server in this process that has an address; None if there is none."""
    return next((each for each in list(servers) if each.status.name == "running" and each.address == address), None)


async def _call(client: Any, address: str, operation: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    from distributed.core import clean_exception, rpc
    from distributed.protocol.pickle import dumps

    async with rpc(address, connection_args=client.connection_args) as server:
        answer = await getattr(server, operation)(function=dumps(function), args=dumps(args))
    if answer["status"] == "error":
        _, error, _ = clean_exception(**answer)
        raise error
    return answer["result"]


def _in_thread(make: Callable[[], Coroutine[Any, Any, Any]], within_s: float = LONGEST_S) -> Any:
    """Run a coroutine in a thread of its own, and return its result, or raise its error."""
    result: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(_in_time(make, within_s)))
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=run, name="kaygraph_viz-dask", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result[0]


async def _in_time(make: Callable[[], Coroutine[Any, Any, Any]], within_s: float) -> Any:
    return await asyncio.wait_for(make(), within_s)


# -- notes as branches -----------------------------------------------------------------------------------------------


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
    rows, dropped, began_ns = pickle.loads(task.note["inner"])  # from a worker of the program
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
            "key": str(note["key"])[:LONGEST_KEY],
            "nbytes": note.get("nbytes"),
            "label": note.get("label"),
            "attempt": attempt if attempt > 1 else None,
        }
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
