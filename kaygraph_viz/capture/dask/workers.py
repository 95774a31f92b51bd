"""What runs on the workers of a Dask cluster: labels of tasks, and what only a worker knows of them.

Belongs here: a plugin, functions that are called there, and recording what tasks begin themselves, such as pools. Does
not belong here: what runs on the scheduler (``reporter``), who calls it (``clusters``). It loads Dask: only what knows
that it is loaded imports it.

A task has a recording of its own, as a call in a process has. Its rows go to the scheduler before its result does.
"""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import cloudpickle
import distributed.worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.metrics import time
from distributed.protocol.pickle import dumps, loads

from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.threads import RLock
from kaygraph_viz.capture.calls import Label
from kaygraph_viz.capture.dask.labels import label_of_task
from kaygraph_viz.capture.patches import Hook, Patch
from kaygraph_viz.capture.process_recorder import ProcessRecorder, Wanted
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.recorder import _scope
from kaygraph_viz.trace.row import RowTuple

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


# -- what tasks begin themselves -------------------------------------------------------------------------------------


class Inner(NamedTuple):
    """What a task has begun: the rows, how many more there were, and when the task began by their clock [ns]."""

    rows: list[RowTuple]
    dropped: int
    began_ns: int


_wanted: WeakKeyDictionary[Any, dict[str, Wanted]] = WeakKeyDictionary()  # by worker, and by the name of the recording
_hooks: list[Hook] = []
_lock = RLock()


def begin_inner(worker: Any, name: str, wanted: Wanted) -> None:
    """Have what the tasks of a worker begin recorded, and told as events of a name."""
    with _lock:
        _wanted.setdefault(worker, {})[name] = wanted
        if not _hooks and hasattr(distributed.worker, "_run_task"):
            _hooks.append(Patch(distributed.worker, "_run_task", _run_task))
            _hooks.append(Patch(distributed.worker, "_run_task_async", _run_task_async))


def end_inner(worker: Any, name: str) -> None:
    """End that."""
    with _lock:
        names = _wanted.get(worker, {})
        names.pop(name, None)
        if not names:
            _wanted.pop(worker, None)
        if not _wanted:
            while _hooks:
                _hooks.pop().remove()


def _run_task(original: Callable[..., Any]) -> Callable[..., Any]:
    """Record what a task begins that runs in a thread of its worker."""

    def _run_task(*args: Any, **kwargs: Any) -> Any:
        state, key = args[2:4] if len(args) >= 4 else (kwargs.get("execution_state"), kwargs.get("key"))
        with _recorded(state["worker"] if state else None, key):
            return original(*args, **kwargs)

    return _run_task


def _run_task_async(original: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Record what a task begins that is a coroutine of the loop of its worker."""

    async def _run_task_async(*args: Any, **kwargs: Any) -> Any:
        worker = distributed.worker.get_worker() if _wanted else None
        with _recorded(worker, args[0].key):
            return await original(*args, **kwargs)

    return _run_task_async


@contextmanager
def _recorded(worker: Any, key: Any) -> Iterator[None]:
    names = None if worker is None else _wanted.get(worker)
    if not names:
        yield
        return
    name, wanted = list(names.items())[-1]  # the recording that began last takes over
    recording = ProcessRecorder(wanted)
    recording.recorder.lanes.enter(recording.lane)
    token = _scope.set(recording.scope)
    began_ns = REAL.now_ns()
    try:
        yield
    finally:
        _scope.reset(token)
        rows, dropped = recording.fetch()
        recording.recorder.is_open = False
        if rows or dropped:
            packed = pickle.dumps(tuple(Inner(rows, dropped, began_ns)))
            with suppress(Exception):  # a worker that is ending tells nobody
                worker.log_event(name, {"key": key, "inner": packed})
