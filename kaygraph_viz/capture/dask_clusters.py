"""Capturing Dask: tasks of its clusters.

Belongs here: the hooks in clients, asking the scheduler to note what runs, and asking for its notes at the end. Does
not belong here: what notes (``dask_reporter``), how notes become branches (``dask_notes``), files of a task stream
(``export.task_stream_reader``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary, ref

from kaygraph_viz.capture.away import wanted_by
from kaygraph_viz.capture.calls import scope_by_context, scope_for, without_our_frame
from kaygraph_viz.capture.dask_notes import OF_WORKERS, OURS, SECOND_NS, Call, Note, WorkerLanes, record_notes
from kaygraph_viz.capture.dask_servers import on_scheduler, on_workers
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.clock import REAL
from kaygraph_viz.real_threads import RLock
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.offsets import offset_from
from kaygraph_viz.trace.recorder import Recorder, Scope, span

__all__ = ["hooks"]

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
            from kaygraph_viz.capture import dask_reporter

            before_s = time.time()
            there_s = on_scheduler(client, dask_reporter.install, self._name, client.id)
            after_s = time.time()
            self._reporter = dask_reporter.reporter_here(self._name)
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
        from kaygraph_viz.capture.dask_reporter import keep_watcher
        from kaygraph_viz.capture.dask_workers import begin_watch, packed_watcher

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
            from kaygraph_viz.capture.dask_reporter import keep_watcher
            from kaygraph_viz.capture.dask_workers import end_watch

            self._is_watching = False
            with suppress(Exception):  # workers that are gone have none
                workers = on_scheduler(client, keep_watcher, self._name, None)
                on_workers(client, workers, end_watch, self._name)

    def note(self, client: Any, keys: Any, scope: Scope | span) -> bool:
        """Note that a graph is handed over in a scope; return False where all is read already."""
        from kaygraph_viz.capture.dask_reporter import token_of

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
            from kaygraph_viz.capture.dask_reporter import take

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
            from kaygraph_viz.capture.dask_workers import found_runs

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
