"""The plugin on a scheduler: without a cluster."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace

import pytest

pytest.importorskip("distributed")
from kaygraph_viz.capture.dask import reporter as reporter_module
from kaygraph_viz.capture.dask.reporter import install, take, token_of


class Scheduler:
    """As much of a scheduler as the reporter asks."""

    def __init__(self) -> None:
        self.plugins: dict[str, object] = {}
        self.tasks: dict[str, SimpleNamespace] = {}
        self.workers = {"tcp://a": None}
        self.worker_plugins: dict[str, bytes] = {}
        self.stream_handlers = {"update-graph": self.graph_updated, "task-erred": self.task_erred}
        self._broker = SimpleNamespace(truncate=lambda topic: None, _topics={})

    def add_plugin(self, plugin, *, name) -> None:
        self.plugins[name] = plugin

    def task(self, key, *needs) -> None:
        self.tasks[key] = SimpleNamespace(
            key=key, dependencies=[self.tasks[each] for each in needs], suspicious=0,
            processing_on=SimpleNamespace(address="tcp://a"), run_id=len(self.tasks), run_spec=None,
        )  # fmt: skip

    async def graph_updated(self, **message) -> None:
        """Handle what a client hands over."""

    def task_erred(self, *, key, **message) -> None:
        """Try again, and tell no plugin why."""
        for plugin in self.plugins.values():
            plugin.transition(key, "processing", "released", stimulus_id="")


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


def test_a_task_of_which_its_worker_dies_is_lost_and_one_that_is_cancelled_is_let_go(scheduler, reporter):
    for key in ("dies", "cancelled"):
        scheduler.task(key)
    reporter.transition("dies", "waiting", "processing", stimulus_id="")
    scheduler.tasks["dies"].suspicious += 1
    reporter.transition("dies", "processing", "released", stimulus_id="")
    run(reporter, "cancelled", "released")
    assert [(each["key"], each["status"]) for each in notes_of(scheduler)] == [
        ("dies", "lost"),
        ("cancelled", "released"),
    ]


def test_a_worker_that_is_gone_cannot_be_asked_about_what_it_was_sent(scheduler, reporter):
    scheduler.task("cancelled")
    run(reporter, "cancelled", "released")
    scheduler.workers.clear()
    assert not notes_of(scheduler)


def test_what_a_restart_takes_is_lost(scheduler, reporter):
    scheduler.task("a")
    reporter.transition("a", "waiting", "processing", stimulus_id="")
    reporter.transition("a", "processing", "released", stimulus_id="client-restart-1")
    assert [each["status"] for each in notes_of(scheduler)] == ["lost"]


def test_a_task_that_was_taken_from_a_worker_has_run_where_it_ended(scheduler, reporter):
    scheduler.task("a")
    run(reporter, "a", **RAN, worker="tcp://b")
    assert [each["worker"] for each in notes_of(scheduler)] == ["tcp://b"]


def test_a_task_that_was_moved_is_looked_for_where_it_is(scheduler, reporter):
    scheduler.task("a")
    reporter.transition("a", "waiting", "processing", stimulus_id="")
    scheduler.tasks["a"].processing_on, scheduler.tasks["a"].run_id = SimpleNamespace(address="tcp://b"), 7
    (found,) = notes_of(scheduler)
    assert (found["run"], found["sent_as"], found["worker"]) == (0, 7, "tcp://b")


def test_a_task_that_hands_over_another_is_known(scheduler, reporter):
    async def hand_over(submitting):
        async def original(**message):
            reporter.update_graph(scheduler, client="you", keys={"inner"}, tasks=["inner"], stimulus_id="")

        reporter.leave()
        scheduler.stream_handlers["update-graph"] = original
        install("again", "me", dask_scheduler=scheduler)
        await scheduler.stream_handlers["update-graph"](submitting_task=submitting)

    for key in ("outer", "inner"):
        scheduler.task(key)
    reporter.transition("outer", "waiting", "processing", stimulus_id="")
    for submitting, by in (("outer", 0), ("unknown", None)):
        asyncio.run(hand_over(submitting))
        assert reporter._asked.pop("inner")["by"] == by


def test_it_listens_as_long_as_there_is_one(scheduler, reporter):
    originals = {"update-graph": scheduler.graph_updated, "task-erred": scheduler.task_erred}
    install("other", "me", dask_scheduler=scheduler)
    take("name", dask_scheduler=scheduler)
    assert scheduler.stream_handlers != originals
    assert inspect.iscoroutinefunction(scheduler.stream_handlers["update-graph"])
    take("other", dask_scheduler=scheduler)
    assert scheduler.stream_handlers == originals


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
    monkeypatch.setattr(reporter_module, "MOST_TASKS", 1)
    scheduler.task("a")
    run(reporter, "a", **RAN)
    run(reporter, "a", **RAN)
    notes, dropped = take("name", dask_scheduler=scheduler)
    assert (len(notes), dropped) == (1, 1)


def test_a_graph_is_known_by_one_of_its_keys_in_any_order():
    assert token_of({"b", ("a", 1)}) == token_of([("a", 1), "b"]) == "('a', 1)"
