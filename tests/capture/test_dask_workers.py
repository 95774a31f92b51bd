"""What runs on the workers of a cluster: without a cluster."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("distributed")
from dask._task_spec import Task, TaskRef
from distributed.worker_state_machine import ExecuteFailureEvent, ExecuteSuccessEvent

from kaygraph_viz.capture.dask import workers
from kaygraph_viz.capture.dask.workers import begin_watch, end_watch, found_runs, packed_watcher

WANTED = (True, "", b"", (0, 0))


class Worker:
    """As much of a worker as these ask."""

    scheduler_delay = 0.5

    def __init__(self, data=None, task=None) -> None:
        self.data = data
        tasks = {} if task is None else {task.key: SimpleNamespace(run_spec=task)}
        self.state = SimpleNamespace(tasks=tasks, stimulus_log=[])
        self.plugins: dict[str, object] = {}
        self.active_threads: dict[int, str] = {}
        self.active_keys: set[str] = set()
        self.told: list[object] = []

    def log_event(self, topic, msg) -> None:
        self.told.append((topic, msg))

    def run(self, key, run, thread=None, *, is_coro=False, annotations=None) -> None:
        self.active_keys.add(key)
        if thread is not None:
            self.active_threads[thread] = key
        spec = SimpleNamespace(is_coro=is_coro)
        self.state.tasks[key] = SimpleNamespace(
            key=key, run_id=run, start_time=2.0, run_spec=spec, annotations=annotations
        )


def test_a_worker_labels_a_task_that_begins():
    worker = Worker({"two": 2}, Task("key", pow, TaskRef("two"), 3))
    begin_watch(
        "name", packed_watcher("name", WANTED, lambda base, exponent: f"{base} to the {exponent}"), dask_worker=worker
    )
    labeller = worker.plugins["name"]
    labeller.transition("key", "waiting", "ready")
    labeller.transition("key", "ready", "executing")
    assert worker.told == [("name", {"key": "key", "label": "2 to the 3"})]
    end_watch("name", dask_worker=worker)
    assert not worker.plugins


def test_a_worker_knows_what_it_runs_and_since_when(monkeypatch):
    monkeypatch.setattr(workers, "time", lambda: 9.0)
    worker = Worker()
    worker.run("a", 7, thread=70)
    worker.run("coroutine", 8, is_coro=True)
    worker.run("again", 10, thread=90)
    worker.run("in a process", 12, annotations={"executor": "processes"})
    worker.run("about to begin", 13)
    wanted = [("a", 7), ("coroutine", 8), ("again", 9), ("unknown", 11), ("in a process", 12), ("about to begin", 13)]
    found = found_runs(wanted, dask_worker=worker)
    assert {number: each["thread"] for number, each in found.items()} == {7: 70, 8: None, 12: None}
    assert found[7] == {"start": 2.5, "stop": 9.5, "status": "abandoned", "thread": 70}


def test_a_worker_knows_what_it_has_run_for_nobody():
    worker = Worker()
    ok = ExecuteSuccessEvent.dummy("a", run_id=1, stimulus_id="")
    failed = ExecuteFailureEvent.dummy("b", run_id=2, stimulus_id="")
    failed.start, failed.stop, failed.exception_text = 3.0, 4.0, "no"
    never_began = ExecuteFailureEvent.dummy("c", run_id=3, stimulus_id="")
    worker.state.stimulus_log += [ok, failed, never_began, SimpleNamespace(key="a")]
    found = found_runs([("a", 1), ("b", 2), ("c", 3)], dask_worker=worker)
    assert found == {
        1: {"start": 0.0, "stop": 1.0, "status": "OK", "exception_text": None},
        2: {"start": 3.0, "stop": 4.0, "status": "error", "exception_text": "no"},
    }
