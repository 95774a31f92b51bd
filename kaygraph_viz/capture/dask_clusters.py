"""Capturing Dask: tasks of its clusters.

Belongs here: the hooks in clients. Does not belong here: files of a task stream (``export.task_stream_reader``).

What ran on a cluster is read off the task stream that its
scheduler keeps, when the recording or the client ends; its times are those of the scheduler.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

from kaygraph_viz.capture.calls import scope_for
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.clock import REAL
from kaygraph_viz.trace.attributes import safe_attributes
from kaygraph_viz.trace.dask_stream import Clipped, after_each_other, function_of_key
from kaygraph_viz.trace.recorder import Recorder, Scope, first_open, span

__all__ = ["hooks"]

OURS = "kaygraph_viz-"  # how keys of our own executor begin: it records them itself
LONGEST_KEY = 200
SECOND_NS = 1_000_000_000


def hooks() -> Iterator[Hook]:
    """Yield the hooks of clients."""
    yield OnImport("distributed.client", _cluster_hooks)


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
