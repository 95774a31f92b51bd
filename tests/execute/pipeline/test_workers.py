"""The workers of a stage: they work side by side, in the caller's context, and let go at an interrupt."""

from __future__ import annotations

import asyncio
import itertools
import threading
from functools import partial

import pytest

from kaygraph_viz.execute.pipeline.queues import END, Buffer, QueuedItem
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stage_run import StageRun
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.pipeline.workers import workers_for
from kaygraph_viz.recording import record
from tests.execute.pipeline.run_helpers import (
    GUARD_S,
    city,
    double,
    ours,
    outcomes,
    see_city,
    until,
    values,
)


def test_workers_of_a_stage_work_at_the_same_time():
    together = threading.Barrier(4)
    assert len(values([Stage("a", lambda x: together.wait(GUARD_S), 4)], range(8))) == 8


def test_workers_see_the_context_of_the_caller():
    token = city.set("Lyon")
    try:
        stages = [Stage("a", see_city), Stage("b", see_city, executor="async"), Stage("c", see_city, executor="serial")]
        assert [values([stage], [1]) for stage in stages] == [["Lyon"]] * 3
    finally:
        city.reset(token)


@pytest.mark.parametrize("kind", ["thread", "process", "async"])
def test_an_interrupt_gives_control_back_while_items_are_still_running(kind, tmp_path):
    release, began = threading.Event(), tmp_path / "began"

    def stuck(x):
        began.touch()
        threading.Event().wait(GUARD_S)

    def stuck_thread(x):
        began.touch()
        release.wait(GUARD_S)

    async def stuck_async(x):
        began.touch()
        await asyncio.Event().wait()

    fn = {"thread": stuck_thread, "process": stuck, "async": stuck_async}[kind]
    with record() as trace, pytest.raises(KeyboardInterrupt):
        with PipelineRun([Stage("a", fn, executor=kind), Stage("b", double)], range(3)):
            until(began.exists)
            raise KeyboardInterrupt
    release.set()
    statuses = {branch.status for branch in trace.where(name="a")}
    assert statuses == {"abandoned" if kind == "thread" else "cancelled"}
    assert trace.where(name="b") == []
    until(lambda: ours() == [])


def test_stages_that_are_all_serial_run_in_the_caller_one_item_after_the_other():
    seen = []

    def note(name, x):
        seen.append((name, x, threading.current_thread() is threading.main_thread()))
        return x

    with record() as trace:
        outcomes([Stage(name, partial(note, name), executor="serial") for name in "ab"], range(3))
    assert seen == [(name, x, True) for x in range(3) for name in "ab"]
    assert {branch.lane for branch in trace.where(kind="branch")} == {"main"}
    assert not any(found.attributes for found in trace)


# -- the workers of one stage, between two queues ------------------------------------------------------------------


class Between:
    """A stage with its queues, filled with some items and closed."""

    def __init__(self, function, items, workers=1, executor="thread"):
        now_ns = itertools.count().__next__
        self.inbox, self.outbox = (Buffer(100, is_ordered=True, now_ns=now_ns) for _ in range(2))
        for index, value in enumerate(items):
            self.inbox.offer(QueuedItem(index, value, position=index))
        self.inbox.close()
        self.faults = []
        stage = Stage("a", function, workers, executor=executor)
        self.run = StageRun(
            stage, self.inbox, self.outbox, self.outbox, self.faults.append, collects=True, now_ns=now_ns
        )

    def work(self):
        for thread in [*workers_for(self.run, "ETL").start()]:
            thread.join(GUARD_S)

    def made(self):
        found = []
        while (thing := self.outbox.take()) is not END:
            assert thing is not None
            found.append(thing.value)
        return found


def test_the_last_worker_closes_the_queue_and_no_one_before_it():
    release = threading.Event()
    between = Between(lambda x: x or release.wait(GUARD_S), [0, 1], 2)
    running = [*workers_for(between.run, "ETL").start()]
    until(lambda: sum(thread.is_alive() for thread in running) == 1)
    assert between.run.ended_ns is None
    release.set()
    until(lambda: not any(thread.is_alive() for thread in running))
    assert between.run.ended_ns is not None


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_a_fault_of_our_own_ends_the_pipeline(executor, monkeypatch):
    def broken(*_):
        raise AssertionError("bug")

    between = Between(double, [1], 1, executor)
    monkeypatch.setattr(StageRun, "begin", broken)
    between.work()
    assert [str(fault) for fault in between.faults] == ["bug"]
    assert between.run.ended_ns is not None
