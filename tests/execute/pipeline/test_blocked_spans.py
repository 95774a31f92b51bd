"""Bars of a stage are held back until their items have been handed on."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.recording import record
from tests.execute.pipeline.run_helpers import (
    GUARD_S,
    MS,
    double,
    endless,
    outcomes,
    record_inside,
    until_full,
    wait_10_ms,
)


@pytest.mark.parametrize("kind", ["thread", "process", "async"])
def test_every_kind_of_worker_is_blocked_by_a_full_queue(kind):
    go = threading.Event()
    stages = [Stage("a", double, buffer=1, executor=kind), Stage("b", lambda x: go.wait(GUARD_S), buffer=1)]
    with record() as trace, PipelineRun(stages, range(5)) as run:
        until_full(run._buffers[1])
        go.set()
        assert len(list(run)) == 5
    assert any(branch.blocked_ns for branch in trace.where(name="a"))
    assert run.stages[1].blocked > 0


def test_what_is_held_up_at_an_interrupt_was_done_all_the_same():
    with pytest.raises(KeyboardInterrupt), record(clock="virtual") as trace:
        with PipelineRun([Stage("a", record_inside, 3, 1)], endless()) as run:
            next(run)
            sleep(1)
            raise KeyboardInterrupt
    held_up = [branch for branch in trace.where(name="a") if branch.blocked_ns]
    assert [(branch.status, branch.blocked_ns) for branch in held_up] == [("ok", 1000 * MS)] * 3


def test_a_recording_that_ends_before_the_pipeline_has_the_bars_that_are_held_up():
    with record() as trace:
        run = PipelineRun([Stage("a", record_inside, buffer=1)], range(9))
        run.__enter__()
        until_full(run._output)
    run.stop()
    assert [branch.status for branch in trace.where(name="a")] == ["ok", "ok"]
    assert trace.where(name="a")[-1].blocked_ns > 0
    assert trace.where(kind="node", status="abandoned") == trace.where(kind="node")


def test_a_bar_ends_when_its_item_is_in_the_next_queue():
    with record(clock="virtual") as trace:
        outcomes([Stage("a", double, 2, 1), Stage("b", wait_10_ms, buffer=1)], range(30))
    spans = {found.span_id: found for found in trace}
    later = trace.where(name="b", kind="branch")
    assert all(spans[branch.links[0]].ended_ns <= branch.submitted_ns for branch in later)
    assert any(spans[branch.links[0]].blocked_ns for branch in later)


def test_blocked_time_of_a_limit_and_of_a_full_queue_add_up():
    limit = RateLimit(per_second=1)

    def ask(x):
        with limit:
            return x

    with record(clock="virtual") as trace:
        outcomes([Stage("a", ask), Stage("b", lambda x: sleep(3), buffer=1)], range(4))
    assert [branch.blocked_ns // MS for branch in trace.where(name="a")] == [0, 1000, 2000, 3000]
