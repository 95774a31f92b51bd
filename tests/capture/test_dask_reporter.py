"""The plugins on a cluster: without a cluster."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("distributed")
from dask._task_spec import Task, TaskRef

from kaygraph_viz.capture import dask_reporter
from kaygraph_viz.capture.dask_reporter import Labeller, install, take, token_of


class Scheduler:
    """As much of a scheduler as the reporter asks."""

    def __init__(self) -> None:
        self.plugins: dict[str, object] = {}
        self.tasks: dict[str, SimpleNamespace] = {}
        self._broker = SimpleNamespace(truncate=lambda topic: None, _topics={})

    def add_plugin(self, plugin, *, name) -> None:
        self.plugins[name] = plugin

    def task(self, key, *needs) -> None:
        self.tasks[key] = SimpleNamespace(
            key=key, dependencies=[self.tasks[each] for each in needs], suspicious=0,
            processing_on=SimpleNamespace(address="tcp://a"),
        )  # fmt: skip


class Worker:
    """As much of a worker as the labeller asks."""

    def __init__(self, data, task, told) -> None:
        self.data = data
        self.state = SimpleNamespace(tasks={task.key: SimpleNamespace(run_spec=task)})
        self._told = told

    def log_event(self, topic, msg) -> None:
        self._told.append((topic, msg))


RAN = {"status": "OK", "startstops": [{"action": "compute", "start": 1.0, "stop": 2.0}], "type": b"int", "nbytes": 8}


@pytest.fixture
def scheduler():
    return Scheduler()


@pytest.fixture
def reporter(scheduler):
    install("name", "me", dask_scheduler=scheduler)
    return scheduler.plugins["name"]


def run(reporter, key, finish="memory", **facts):
    reporter.transition(key, "waiting", "processing", stimulus_id="")
    reporter.transition(key, "processing", finish, stimulus_id="", **facts)


def notes_of(scheduler):
    return take("name", dask_scheduler=scheduler)[0]


def test_it_notes_who_asked_what_was_needed_and_the_label(scheduler, reporter):
    for task in (["load"], ["add", "load"]):
        scheduler.task(*task)
    reporter.update_graph(scheduler, client="me", keys={"add"}, tasks=["load", "add"], stimulus_id="")
    run(reporter, "load", **RAN)
    reporter.log_event("name", {"key": "add", "worker": "tcp://a", "label": "7"})
    reporter.log_event("all", {"action": "something else"})
    run(reporter, "add", **RAN)
    load, add = notes_of(scheduler)
    assert (load["asked"], load["needs"], load["label"]) == (("me", "add"), [], "")
    assert (add["asked"], add["needs"], add["label"]) == (("me", "add"), ["load"], "7")
    assert add["sent"] <= add["got"]
    assert "type" not in add


def test_a_task_of_which_its_worker_dies_is_lost_and_one_that_is_cancelled_is_not(scheduler, reporter):
    for key in ("dies", "cancelled"):
        scheduler.task(key)
    reporter.transition("dies", "waiting", "processing", stimulus_id="")
    scheduler.tasks["dies"].suspicious += 1
    reporter.transition("dies", "processing", "released", stimulus_id="")
    run(reporter, "cancelled", "released")
    assert [(each["key"], each["status"]) for each in notes_of(scheduler)] == [("dies", "lost")]


def test_taking_the_notes_leaves_the_scheduler_as_it_was(scheduler, reporter):
    scheduler._broker._topics["name"] = "events"
    take("name", dask_scheduler=scheduler)
    assert (scheduler.plugins, scheduler._broker._topics) == ({}, {})
    assert take("name", dask_scheduler=scheduler) == ([], 0)


def test_it_leaves_with_the_last_client(scheduler, reporter):
    reporter.update_graph(scheduler, client="you", keys={"a"}, tasks=[], stimulus_id="")
    reporter.remove_client(scheduler, "me")
    assert scheduler.plugins
    reporter.remove_client(scheduler, "you")
    assert not scheduler.plugins


def test_it_forgets_what_is_gone(scheduler, reporter):
    scheduler.task("a")
    reporter.update_graph(scheduler, client="me", keys={"a"}, tasks=["a"], stimulus_id="")
    reporter.transition("a", "released", "forgotten", stimulus_id="")
    assert not reporter._asked
    reporter.transition("a", "waiting", "processing", stimulus_id="")
    reporter.restart(scheduler)
    reporter.transition("a", "processing", "memory", stimulus_id="", **RAN)
    assert not notes_of(scheduler)


def test_there_is_a_limit(scheduler, reporter, monkeypatch):
    monkeypatch.setattr(dask_reporter, "MOST_TASKS", 1)
    scheduler.task("a")
    run(reporter, "a", **RAN)
    run(reporter, "a", **RAN)
    notes, dropped = take("name", dask_scheduler=scheduler)
    assert (len(notes), dropped) == (1, 1)


def test_a_graph_is_known_by_one_of_its_keys_in_any_order():
    assert token_of({"b", ("a", 1)}) == token_of([("a", 1), "b"]) == "('a', 1)"


def test_a_worker_labels_a_task_that_begins():
    told = []
    worker = Worker({"two": 2}, Task("key", pow, TaskRef("two"), 3), told)
    labeller = Labeller("name", lambda base, exponent: f"{base} to the {exponent}")
    labeller.setup(worker)
    labeller.transition("key", "waiting", "ready")
    labeller.transition("key", "ready", "executing")
    assert told == [("name", {"key": "key", "label": "2 to the 3"})]
