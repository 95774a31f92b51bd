"""Capturing Dask: tasks of its local schedulers of threads, and of clusters.

Belongs here: the hooks in schedulers and clients. Does not belong here: our own executor on Dask (``execute.dask``),
files of a task stream (``export.task_stream_reader``).

A task of a local scheduler is stamped where it runs. What ran on a cluster is read off the task stream that its
scheduler keeps, when the recording or the client ends; its times are those of the scheduler.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

from kaygraph_viz.capture.calls import AT_ONCE, OpenCall, scope_for, without_our_frames
from kaygraph_viz.capture.labels import label_of
from kaygraph_viz.capture.names import belongs_to
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.clock import REAL
from kaygraph_viz.trace.attributes import safe_attributes
from kaygraph_viz.trace.dask_stream import Clipped, after_each_other, function_of_key
from kaygraph_viz.trace.recorder import Recorder, Scope, first_open, span

__all__ = ["hooks"]

OURS = "kaygraph_viz-"  # how keys of our own executor begin: it records them itself
LONGEST_KEY = 200
_DASK = frozenset({"dask"})
SECOND_NS = 1_000_000_000


def hooks() -> Iterator[Hook]:
    """Yield the hooks of Dask."""
    yield OnImport("dask.local", _local_hooks)
    yield OnImport("dask.multiprocessing", lambda module: [Patch(module, "get_async", _in_processes)])
    yield OnImport("distributed.client", _cluster_hooks)


# -- local schedulers --------------------------------------------------------------------------------------------------


class _Pending:
    """The tasks that a scheduler of this process has handed over: in which scope, when, and what they needed."""

    def __init__(self, callback: Any) -> None:
        self._handed_over: dict[object, tuple[Scope | span, int, tuple[int, ...], str]] = {}
        self._spans: dict[object, int] = {}
        self._callback = callback(pretask=self._note, finish=self._forget)
        self._callback.register()

    def remove(self) -> None:
        """Stop listening."""
        self._callback.unregister()

    def _note(self, key: object, graph: Mapping[object, Any], state: Mapping[str, Any]) -> None:
        scope = scope_for("dask")
        if scope is not None:
            needed = state["dependencies"].get(key, ())
            links = tuple(self._spans[each] for each in needed if each in self._spans)
            label = _label_of(scope.recorder, graph.get(key), state["cache"])
            self._handed_over[key] = scope, scope.recorder.now_ns(), links, label

    def _forget(self, graph: Any, state: object, failed: object) -> None:
        for key in list(graph):
            self._handed_over.pop(key, None)
            self._spans.pop(key, None)

    def begin(self, key: object) -> OpenCall | None:
        """Begin the branch of a task in the thread that runs it."""
        scope, submitted_ns, links, label = self._handed_over.get(key, (None, AT_ONCE, (), ""))
        if scope is None or not scope.recorder.is_open:
            return None
        facts = {"key": str(key)[:LONGEST_KEY], **({"label": label} if label else {})}
        call = OpenCall(scope, function_of_key(key), submitted_ns=submitted_ns, attributes=facts)
        call.link_to(links)
        self._spans[key] = call.begin().span_id
        return call


def _label_of(recorder: Recorder, task: Any, results: Mapping[object, Any]) -> str:
    """Return the label of a task, given the results that it needs; empty for none, and for tasks of Dask's own."""
    if recorder.label is None or (function := getattr(task, "func", None)) is None or belongs_to(function, _DASK):
        return ""

    def value(argument: Any) -> Any:
        return results.get(argument.key) if type(argument).__name__ == "TaskRef" else argument

    keywords = {name: value(argument) for name, argument in task.kwargs.items()}
    return label_of(recorder, function, tuple(map(value, task.args)), keywords)


def _local_hooks(module: ModuleType) -> Iterator[Hook]:
    from dask.callbacks import Callback  # dask.local has loaded it

    pending = _Pending(Callback)
    yield pending
    yield Patch(module, "execute_task", lambda original: _executing(pending, original))


def _executing(pending: _Pending, original: Callable[..., Any]) -> Callable[..., Any]:
    def execute_task(key: object, task_info: Any, dumps: Any, loads: Any, get_id: Any, pack_exception: Any) -> Any:
        call, raised = pending.begin(key), []

        def pack(error: BaseException, packed_by: Any) -> Any:
            raised.append(error)
            try:
                return pack_exception(error, packed_by)
            except BaseException as again:  # as where tasks run one by one
                without_our_frames(again)
                raise

        try:
            return original(key, task_info, dumps, loads, get_id, pack if call is not None else pack_exception)
        except BaseException as error:
            without_our_frames(error)
            raise
        finally:
            if call is not None:
                call.end(raised[0] if raised else None)

    return execute_task


def _in_processes(original: Callable[..., Any]) -> Callable[..., Any]:
    """Say that the processes of Dask's local scheduler tell nothing of what they do."""

    def get_async(*args: Any, **kwargs: Any) -> Any:
        scope = scope_for("dask")
        if scope is not None:
            scope.recorder.tell_once(
                "tasks in processes of Dask's local scheduler are not recorded; use its threads or a cluster"
            )
        return original(*args, **kwargs)

    return get_async


# -- clusters ----------------------------------------------------------------------------------------------------------


class _Watch:
    """What one client has handed to its cluster while one recording was open."""

    def __init__(self, client: Any, recorder: Recorder) -> None:
        self._client = client
        self.recorder = recorder
        self._offset_ns = time.time_ns() - REAL.now_ns()
        self._calls: list[tuple[int, Scope | span]] = []
        self._is_read = False
        client.get_task_stream(count=0)  # from here on the scheduler keeps it

    def note(self, scope: Scope | span) -> None:
        """Note that tasks are handed over in a scope."""
        self._calls.append((self.recorder.now_ns(), scope))

    def read(self) -> None:
        """Record what has run, once."""
        if self._is_read or self._client.status != "running":
            return
        self._is_read = True
        since_s = (self._calls[0][0] + self._offset_ns) / SECOND_NS
        stream = self._client.get_task_stream(start=since_s)
        tasks = [_Task.of(each, self._offset_ns, self.recorder.now_ns()) for each in stream if _has_run(each)]
        tasks.sort(key=lambda task: task.started_ns)
        lanes: dict[tuple[str, object], str] = {}
        workers: dict[str, int] = {}
        for task, times in zip(tasks, after_each_other((each.place, *each[2:]) for each in tasks), strict=True):
            address = task.place[0]
            number = workers.setdefault(address, len(workers) + 1)
            thread = sum(each[0] == address for each in lanes) + 1
            self._add(task.message, times, lanes.setdefault(task.place, f"dask-{number}/thread-{thread}"))

    def _add(self, message: Mapping[str, Any], times: Clipped, lane: str) -> None:
        """Record one task."""
        started_ns, ended_ns, _ = times
        submitted_ns, scope = max(
            (each for each in self._calls if each[0] <= started_ns), key=lambda each: each[0], default=self._calls[0]
        )
        is_ok = message["status"] == "OK"
        facts = {"key": str(message["key"])[:LONGEST_KEY], "nbytes": message.get("nbytes"), **times.as_attribute}
        recorder = self.recorder
        recorder.add((
            recorder.next_id(), first_open(scope).span_id, -1, function_of_key(message["key"]), "branch", lane,
            min(submitted_ns, started_ns), started_ns, ended_ns, -1, 0, "ok" if is_ok else "error", 1,
            None if is_ok else "the task failed", safe_attributes(facts), None, None,
        ))  # fmt: skip


class _Task(NamedTuple):
    """A task that has run: its message, its worker and thread, and its times on the clock of the recording [ns]."""

    message: Mapping[str, Any]
    place: tuple[str, object]
    started_ns: int
    ended_ns: int

    @classmethod
    def of(cls, message: Mapping[str, Any], offset_ns: int, now_ns: int) -> _Task:
        times = _computations(message)
        began, ended = (round(at * SECOND_NS) - offset_ns for at in (times[0]["start"], times[-1]["stop"]))
        began = max(0, min(began, now_ns))
        return cls(message, (message["worker"], message["thread"]), began, max(began, min(ended, now_ns)))


def _computations(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in message["startstops"] if each["action"] == "compute"]


def _has_run(message: Mapping[str, Any]) -> bool:
    return bool(_computations(message)) and not str(message["key"]).startswith(OURS)


class _Watches:
    """The clients that are watched."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, int], _Watch] = {}

    def note(self, client: Any, scope: Scope | span) -> None:
        """Note that a client hands over tasks in a scope."""
        key = id(client), id(scope.recorder)
        watch = self._of.get(key)
        if watch is None:
            watch = self._of[key] = _Watch(client, scope.recorder)
            scope.recorder.at_end.append(watch.read)
        watch.note(scope)

    def close(self, client: Any) -> None:
        """Read what a client has to tell before it is closed."""
        for key in [key for key in self._of if key[0] == id(client)]:
            watch = self._of.pop(key)
            if watch.recorder.is_open:
                with suppress(Exception):  # a cluster that is gone must not keep its client from closing
                    watch.read()

    def remove(self) -> None:
        """Let go of the clients."""
        self._of.clear()


def _cluster_hooks(module: ModuleType) -> Iterator[Hook]:
    watches = _Watches()
    yield watches
    yield Patch(module.Client, "_graph_to_futures", lambda original: _handing_over(watches, original))
    yield Patch(module.Client, "close", lambda original: _closing(watches, original))


def _handing_over(watches: _Watches, original: Callable[..., Any]) -> Callable[..., Any]:
    def _graph_to_futures(self: Any, *args: Any, **kwargs: Any) -> Any:
        scope = scope_for("dask")
        keys = kwargs["keys"] if "keys" in kwargs else args[1]
        if scope is not None and not self.asynchronous and not str(next(iter(keys), "")).startswith(OURS):
            watches.note(self, scope)
        return original(self, *args, **kwargs)

    return _graph_to_futures


def _closing(watches: _Watches, original: Callable[..., Any]) -> Callable[..., Any]:
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.asynchronous:
            watches.close(self)
        return original(self, *args, **kwargs)

    return close
