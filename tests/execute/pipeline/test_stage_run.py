"""What is done around the work on an item: it is handed on, counted, or a dead letter; its bar waits."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stage_run import Meter
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS, DeadLetter, Stage
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.recording import record
from tests.execute.pipeline.run_helpers import (
    GUARD_S,
    MS,
    double,
    endless,
    fail_odd,
    interrupt_at_one,
    negative,
    outcomes,
    record_inside,
    until_full,
    wait_10_ms,
    wait_40_ms,
)


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_a_dead_letter_says_where_what_why_and_how_often(kind):
    stages = [Stage("a", double, executor=kind), Stage("b", negative, executor=kind)]
    stages.insert(1, Stage("fail", fail_odd, executor=kind, retry=RetryPolicy(3)))
    found = outcomes(stages, [1, 0.5, 2])
    (letter,) = [outcome for outcome in found if isinstance(outcome, DeadLetter)]
    assert (letter.stage, letter.index, letter.item, letter.attempts, letter.status) == ("fail", 1, 1.0, 3, "error")
    assert str(letter.error) == "1.0 is odd"
    assert letter.error.__notes__ == ["in item 1 of 'pipeline: fail', after 3 attempts"]
    assert [outcome.value for outcome in found if outcome.ok] == [-2, -4]


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_an_interrupt_in_an_item_is_raised_even_where_errors_are_collected(kind):
    with pytest.raises(KeyboardInterrupt):
        outcomes([Stage("a", interrupt_at_one, executor=kind)], range(3))


def test_a_stage_lasts_until_it_has_handed_on_its_last_item():
    with record(clock="virtual") as trace:
        outcomes([Stage("a", wait_10_ms), Stage("b", wait_40_ms)], range(3), owner="ETL")
    lasted = {node.name: (node.started_ns // MS, node.ended_ns // MS) for node in trace.where(kind="node")}
    assert lasted == {"ETL source": (0, 0), "ETL a": (0, 30), "ETL b": (0, 130)}


def test_a_meter_adds_up_from_any_thread():
    meter = Meter("a", 2)
    running = [threading.Thread(target=lambda: [meter.count(10**6) for _ in range(1000)]) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    meter.count(5 * 10**8, is_error=True)
    facts = meter.facts(10 * 10**9, longest_queue=3)
    assert (facts.items, facts.errors, facts.busy_s, facts.longest_queue) == (4000, 1, 4.5, 3)


# -- bars of items that wait for room --------------------------------------------------------------------------------


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
