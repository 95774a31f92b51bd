"""What is done around the work on an item: it is handed on, counted, or becomes a dead letter."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.errors import BranchError
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.execute.pipeline.stage_run import Meter
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS, DeadLetter, Stage
from kaygraph_viz.recording import record
from tests.execute.pipeline.run_helpers import (
    MS,
    double,
    exit_at_one,
    fail_odd,
    interrupt_at_one,
    negative,
    outcomes,
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


def test_sys_exit_is_the_error_of_its_item():
    found = outcomes([Stage("a", exit_at_one)], range(3))
    assert [type(outcome.error) for outcome in found if not outcome.ok] == [BranchError]


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
