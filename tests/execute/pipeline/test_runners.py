"""What runs the items of one worker: in its thread, in a process, or by a thread that can be given up."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.clock import compute
from kaygraph_viz.errors import BranchError, DeadlineExceeded, WorkerLostError
from kaygraph_viz.execute.core.branch import Branches
from kaygraph_viz.execute.pipeline.queues import QueuedItem
from kaygraph_viz.execute.pipeline.runners import runner_for
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.recording import record
from tests.execute.pipeline.run_helpers import (
    GUARD_S,
    die_at_three,
    double,
    fail_odd,
    hang_at_two,
    hang_at_two_async,
    ours,
    outcomes,
    values,
    wait_10_ms,
    wait_40_ms,
    wait_async,
)


def test_waiting_for_room_is_no_reason_to_time_out():
    for kind in ("thread", "process", "async", "serial"):
        stages = [Stage("a", wait_10_ms, buffer=1, timeout=0.02, executor=kind), Stage("b", wait_40_ms, buffer=1)]
        with record(clock="virtual"):
            assert values(stages, range(6)) == list(range(6))


def test_messages_name_the_item_by_its_place_in_the_source():
    for kind in ("thread", "process"):
        stages = [Stage("a", fail_odd), Stage("b", hang_at_two, timeout=0.1, executor=kind)]
        with record(clock="virtual"):
            letters = [outcome for outcome in outcomes(stages, range(4)) if outcome.status == "timeout"]
        assert [str(letter.error)[:28] for letter in letters] == ["item 2 of 'pipeline: b' was "]


@pytest.mark.parametrize("clock", [None, "virtual"])
@pytest.mark.parametrize(
    ("kind", "fn", "status"),
    [
        ("thread", hang_at_two, "abandoned"),
        ("process", hang_at_two, "timeout"),
        ("async", hang_at_two_async, "timeout"),
    ],
)
def test_an_item_that_takes_too_long_becomes_a_dead_letter(kind, fn, status, clock):
    release = threading.Event()

    def stuck(x):  # a real thread has to end some time
        return release.wait(GUARD_S) if x == 2 else x

    fn = stuck if kind == "thread" and clock is None else fn
    with record(clock=clock) as trace:
        found = outcomes([Stage("a", fn, 2, timeout=0.2, executor=kind)], range(6))
    release.set()
    assert [outcome.value for outcome in found if outcome.ok] == [0, 1, 3, 4, 5]
    (letter,) = [outcome for outcome in found if not outcome.ok]
    assert (letter.index, letter.status, type(letter.error)) == (2, "timeout", DeadlineExceeded)
    (late,) = [branch for branch in trace.where(name="a") if not branch.ok]
    assert (late.index, late.status) == (2, status)


@pytest.mark.processes
def test_a_process_that_dies_costs_the_item_that_it_had_in_hand():
    with record() as trace:
        found = outcomes([Stage("a", double), Stage("b", die_at_three, 2, executor="process")], [0, 1.5, 2, 3])
    (letter,) = [outcome for outcome in found if not outcome.ok]
    assert (letter.index, letter.stage, letter.status, type(letter.error)) == (1, "b", "lost", WorkerLostError)
    assert [outcome.value for outcome in found if outcome.ok] == [0, 4, 6]
    assert [branch.index for branch in trace.where(name="b", status="lost")] == [1]


def test_a_coroutine_that_nobody_awaits_is_an_error_of_its_item():
    (letter,) = outcomes([Stage("a", lambda x: wait_async(x))], [1])
    assert "returned a coroutine" in str(letter.error)


def test_a_function_that_cannot_travel_is_an_error_of_the_run():
    lock = threading.Lock()
    with pytest.raises(BranchError, match="the function of 'pipeline: a' cannot be sent"):
        outcomes([Stage("a", lambda x: lock, executor="process")], range(3))
    assert ours() == []


def test_processes_compute_beside_each_other_in_simulated_time():
    def spend(x):
        compute(1)
        return x

    for kind, makespan_s in (("thread", 8), ("process", 2)):
        with record(clock="virtual") as trace:
            values([Stage("a", spend, 4, executor=kind)], range(8))
        assert trace.makespan_s == pytest.approx(makespan_s)


# -- one worker, item by item --------------------------------------------------------------------------------------


def queued(index, value):
    return QueuedItem(index, value, entered_ns=0)


def test_a_thread_that_is_given_up_says_so_when_it_comes_back():
    release, begun, found = threading.Event(), threading.Event(), []
    runner = runner_for(Branches(lambda _: (begun.set(), release.wait(GUARD_S)), name="a"), "thread")

    def work():
        with runner:
            found.append(runner.run(queued(0, "x")))

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(GUARD_S)
    runner.give_up(KeyboardInterrupt())
    release.set()
    worker.join(GUARD_S)
    assert found == [None]


def test_giving_up_a_thread_between_two_items_changes_nothing():
    runner = runner_for(Branches(double, name="a"), "thread")
    with runner:
        runner.run(queued(0, 1))
        runner.give_up(KeyboardInterrupt())
        assert runner.run(queued(1, 2)).value == 4


@pytest.mark.processes
def test_a_process_that_is_given_up_runs_nothing_more():
    runner = runner_for(Branches(double, name="a"), "process")
    with runner:
        assert runner.run(queued(0, 1)).value == 2
        runner.give_up(KeyboardInterrupt())
        assert runner.run(queued(1, 2)) is None
