"""What runs on the workers of a Dask cluster: labels of tasks, and what only a worker knows of them.

Belongs here: a plugin, and functions that are called there. Does not belong here: what tasks begin themselves
(``dask_inner``), what runs on the scheduler (``dask_reporter``), who calls it (``dask_clusters``). It loads Dask: only
what knows that it is loaded imports it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable
from typing import Any

import cloudpickle
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.metrics import time
from distributed.protocol.pickle import dumps, loads

from kaygraph_viz.capture.away import Wanted
from kaygraph_viz.capture.dask_inner import begin_inner, end_inner
from kaygraph_viz.capture.dask_labels import label_of_task
from kaygraph_viz.capture.labels import Label

__all__ = ["Watcher", "begin_watch", "end_watch", "found_runs", "packed_watcher"]

_STATUSES = {"ExecuteSuccessEvent": "OK", "ExecuteFailureEvent": "error"}  # by what a worker notes at the end of a task


class Watcher(WorkerPlugin):  # type: ignore[misc]  # not looked at by mypy
    """Tells the reporter what only workers know: labels of tasks, whose arguments are there, and what tasks begin."""

    def __init__(self, name: str, wanted: Wanted, label: Label | None) -> None:
        self._name = name
        self._wanted = wanted
        self._packed = cloudpickle.dumps(label)

    def setup(self, worker: Any) -> None:
        """Begin to watch a worker."""
        self._worker: Callable[[], Any] = weakref.ref(worker)
        self._label: Label | None = cloudpickle.loads(self._packed)
        begin_inner(worker, self._name, self._wanted)

    def teardown(self, worker: Any) -> None:
        """End it."""
        end_inner(worker, self._name)

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Label a task that begins."""
        if finish == "executing" and self._label is not None:
            worker = self._worker()
            label = label_of_task(self._label, worker.state.tasks[key].run_spec, worker.data)
            if label:
                worker.log_event(self._name, {"key": key, "label": label})


def packed_watcher(name: str, wanted: Wanted, label: Label | None) -> bytes:
    """Return a pickled `Watcher`."""
    return bytes(dumps(Watcher(name, wanted, label)))


def begin_watch(name: str, packed: bytes, *, dask_worker: Any) -> None:
    """Put a pickled `Watcher` on a worker."""
    watcher = loads(packed)
    watcher.setup(dask_worker)
    dask_worker.plugins[name] = watcher


def end_watch(name: str, *, dask_worker: Any) -> None:
    """Take it off again."""
    watcher = dask_worker.plugins.pop(name, None)
    if watcher is not None:
        watcher.teardown(dask_worker)


def found_runs(wanted: Iterable[tuple[Any, int]], *, dask_worker: Any) -> dict[int, dict[str, Any]]:
    """Return when tasks began, when and how they ended, and the thread of those that still run, which end now."""
    runs = {number: key for key, number in wanted}
    delay_s = dask_worker.scheduler_delay
    threads = {key: thread for thread, key in list(dask_worker.active_threads.items())}
    found: dict[int, dict[str, Any]] = {}
    for number, key in runs.items():
        task = dask_worker.state.tasks.get(key)
        if task is not None and task.run_id == number and key in dask_worker.active_keys and _has_begun(task, threads):
            times = {"start": task.start_time + delay_s, "stop": time() + delay_s}
            found[number] = {**times, "status": "abandoned", "thread": threads.get(key)}
    for event in list(dask_worker.state.stimulus_log):
        status = _STATUSES.get(type(event).__name__)
        if status is not None and event.run_id in runs and event.start is not None:
            text = getattr(event, "exception_text", None)
            found[event.run_id] = {"start": event.start, "stop": event.stop, "status": status, "exception_text": text}
    return found


def _has_begun(task: Any, threads: Collection[Any]) -> bool:
    """Return whether a task that was handed to its executor has begun, as far as that can be known."""
    return task.key in threads or task.run_spec.is_coro or "executor" in (task.annotations or ())
