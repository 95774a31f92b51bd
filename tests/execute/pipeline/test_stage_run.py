"""What is done around the work on an item: it is handed on, counted, or becomes a dead letter."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.errors import BranchError
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.execute.pipeline.queues import END, Buffer, QueuedItem
from kaygraph_viz.execute.pipeline.stage_run import Meter, StageRun
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS, DeadLetter, Stage
from kaygraph_viz.recording import record
from kaygraph_viz.sync import threads
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.virtual.clock import VirtualClock
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


# -- one stage, item by item ---------------------------------------------------------------------------------------


class Between:
    """A stage between two queues, with the errors that would end its pipeline."""

    def __init__(self, size=1, *, collects=True):
        self.clock, self.faults = FakeClock(), []
        queues = [Buffer(size, is_ordered=True, now_ns=self.clock.now_ns) for _ in range(3)]
        self.outbox, self.letters = queues[1:]
        stage = Stage("a", str)
        self.run = StageRun(stage, *queues, self.faults.append, collects=collects, now_ns=self.clock.now_ns)

    def outcome(self, index, value=None, error=None, status="ok"):
        return Outcome(index, value, error, status, 1, 0, 0, 10**9, "a")

    def facts(self):
        return self.run.meter.facts(10 * 10**9)


def test_what_was_made_of_an_item_goes_to_the_next_queue():
    between = Between()
    between.run.finish(QueuedItem(4, "x"), between.outcome(4, "made"))
    found = between.outbox.take()
    assert (found.index, found.value) == (4, "made")
    assert (between.facts().items, between.facts().errors) == (1, 0)


def test_an_item_that_failed_becomes_a_dead_letter_and_holds_up_nobody():
    between, error = Between(), ValueError("no")
    between.run.finish(QueuedItem(0, "x"), between.outcome(0, error=error, status="error"))
    letter = between.letters.take()
    assert type(letter) is DeadLetter
    assert (letter.index, letter.stage, letter.item, letter.error, letter.status) == (0, "a", "x", error, "error")
    between.run.finish(QueuedItem(1, "y", position=1), between.outcome(1, "made"))
    assert between.outbox.take().index == 1
    assert (between.facts().items, between.facts().errors, between.faults) == (1, 1, [])


@pytest.mark.parametrize(("collects", "error"), [(False, ValueError("no")), (True, KeyboardInterrupt())])
def test_an_error_ends_the_pipeline_where_that_is_wanted_and_an_interrupt_always(collects, error):
    between = Between(collects=collects)
    between.run.finish(QueuedItem(0, "x"), between.outcome(0, error=error, status="error"))
    assert between.faults == [error]
    assert between.letters.take() is None


def test_a_worker_keeps_its_item_until_there_is_room_and_that_is_blocked_time():
    with VirtualClock() as clock:
        queues = [Buffer(1, is_ordered=True, now_ns=clock.now_ns) for _ in range(3)]
        run = StageRun(Stage("a", str), *queues, pytest.fail, collects=True, now_ns=clock.now_ns)
        first, second = (Outcome(index, index, None, "ok", 1, 0, 0, 0, "a") for index in range(2))

        def work():
            run.finish(QueuedItem(0, 0, position=0), first)
            run.finish(QueuedItem(1, 1, position=1), second)

        worker = threads().Thread(target=work)
        worker.start()
        sleep(3)
        assert queues[1].take().index == 0
        worker.join()
        assert run.meter.facts(4 * 10**9).blocked_s == 3


def test_a_stage_that_is_closed_ends_its_queue():
    between = Between()
    between.clock.sleep(2)
    between.run.close()
    assert (between.run.ended_ns, between.outbox.take()) == (2 * 10**9, END)


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
