"""Goals: each tells good runs from bad ones, with a reason and the time that shows it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, UserDict
from contextlib import nullcontext, suppress

import numpy as np
import pytest

from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.clock.sync import run_loop
from kaygraph_viz.course.lessons.goals import (
    Goal,
    _done_ns,
    all_ok,
    as_much_work_as,
    at_least_at_once,
    at_most_at_once,
    at_most_on_the_way,
    difference,
    does_the_work,
    efficiency_at_least,
    faster_than,
    holds_always,
    no_conflicts,
    no_idle_worker,
    nothing_lost,
    overlaps,
    queue_at_most,
    starts_after,
)
from kaygraph_viz.course.lessons.grade import grade
from kaygraph_viz.execute.explore import explore
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.graph.pipeline import PipelineNode
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span

ONE_AFTER_THE_OTHER = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2, queued_s=1))

AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


@pytest.mark.parametrize(
    ("goal", "good", "bad"),
    [
        (at_least_at_once(2), AT_ONCE, ONE_AFTER_THE_OTHER),
        (at_most_at_once(1), ONE_AFTER_THE_OTHER, AT_ONCE),
        (overlaps("a", "b"), AT_ONCE, ONE_AFTER_THE_OTHER),
        (overlaps("b", "a"), AT_ONCE, make_trace(bar("a", "t-1", 0, 1))),
        (starts_after("b", "a"), ONE_AFTER_THE_OTHER, AT_ONCE),
        (
            no_idle_worker(),
            AT_ONCE,
            make_trace(bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1), bar("c", "t-1", 4, 5, queued_s=4)),
        ),
    ],
    ids=lambda value: value.text if isinstance(value, Goal) else "",
)
def test_goals_tell_good_runs_from_bad_ones(goal, good, bad):
    assert goal.evaluate(good).is_met
    assert not goal.evaluate(bad).is_met


def test_the_place_is_where_it_happened():
    found = no_idle_worker().evaluate(make_trace(
        bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1), bar("c", "t-1", 4, 5, queued_s=4)
    ))  # fmt: skip
    assert (found.from_s, found.to_s) == (1, 4)
    assert "t-2" in found.reason


def test_a_branch_around_others_is_not_counted_beside_them():
    inner = [bar("fetch", "main", 0, 1), bar("write", "main", 1, 2)]
    trace = make_trace((bar("shop", "main", 0, 2), inner))
    assert at_most_at_once(1).evaluate(trace).is_met
    assert not at_least_at_once(2).evaluate(trace).is_met
    assert at_least_at_once(1, "shop").evaluate(trace).is_met


@pytest.mark.parametrize("goal", [starts_after("b", "gone"), starts_after("gone", "a"), overlaps("a", "gone")])
def test_branch_that_is_missing_is_named_in_the_reason(goal):
    found = goal.evaluate(AT_ONCE)
    assert (found.is_met, found.from_s) == (False, None)
    assert "'gone'" in found.reason


def test_branches_of_several_names_count_together():
    trace = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), bar("c", "t-3", 0, 1))
    found = at_most_at_once(1, "a", "b").evaluate(trace)
    assert (found.is_met, found.reason) == (
        False,
        "2 a and b branches ran at once, 0 s after the start; expected at most 1",
    )
    assert at_least_at_once(2, "a", "b").evaluate(trace).is_met
    assert at_most_at_once(1, "a").evaluate(trace).is_met


BEHIND_A_LOCK = make_trace(
    bar("a", "t-1", 0, 1), bar("a", "t-2", 0, 2, blocked_s=1, parts=[("blocked", 1), ("wait", 1)])
)  # fmt: skip


def test_a_branch_that_waits_for_a_lock_does_not_run():
    assert not at_least_at_once(2).evaluate(BEHIND_A_LOCK).is_met
    assert at_most_at_once(1).evaluate(BEHIND_A_LOCK).is_met


@pytest.mark.parametrize("everything_in_it", [True, False])
def test_one_lock_around_everything_leaves_one_at_once(everything_in_it):
    with record(clock="virtual") as trace, get_executor("thread", 4) as executor:
        lock = threading.Lock()

        def add(number):
            with nullcontext() if not everything_in_it else lock:
                sleep(0.1)
            with lock:
                return number

        list(executor.imap(add, range(4)))
    assert at_most_at_once(1).evaluate(trace).is_met == everything_in_it
    assert at_least_at_once(4).evaluate(trace).is_met == (not everything_in_it)


def test_tasks_that_wait_for_a_semaphore_do_not_run():
    async def all_calls():
        free = asyncio.Semaphore(5)

        async def call():
            async with free:
                await asyncio.sleep(0.2)

        await asyncio.gather(*(call() for _ in range(20)))

    with record(clock="virtual", capture="asyncio") as trace:
        run_loop(all_calls())
    assert at_most_at_once(5).evaluate(trace).is_met
    assert at_least_at_once(5).evaluate(trace).is_met


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        (at_least_at_once(2), "at most 1 branch ran at once, expected 2"),
        (at_least_at_once(2, "a"), "at most 1 a branch ran at once, expected 2"),
        (overlaps("a", "b"), "a ran until 1.00 s, and b only from 1.00 s on"),
        (starts_after("a", "b"), "the first a began at 0 s, but b ended at 2.00 s"),
    ],
)
def test_reasons_say_what_was_expected_and_what_happened(goal, reason):
    assert goal.evaluate(ONE_AFTER_THE_OTHER).reason == reason


def no_fives(number):
    sleep(0.01)
    if number == 5:
        raise ValueError("five")
    return number


def shop(buffer):
    """Return a run with a slow last stage; its source and first stage are far ahead where there is room."""
    stages = [Stage("check", no_fives, buffer=buffer), Stage("store", lambda number: sleep(0.04), buffer=buffer)]
    with record(clock="virtual") as trace:
        PipelineNode(stages).run({"items": range(12)})
    return trace


def finding(goal, trace):
    (found,) = grade(trace, [goal]).findings
    return found


def test_a_queue_is_as_long_as_the_most_that_wait_in_it():
    assert finding(queue_at_most(2), shop(2)).is_met
    assert finding(queue_at_most(2, "store"), shop(2)).is_met
    assert not finding(queue_at_most(1, "store"), shop(2)).is_met
    long = finding(queue_at_most(8), shop(100))
    assert (long.is_met, long.reason) == (False, "11 items waited in front of check; from 0 s on, more than 8 waited")
    assert (long.from_s, long.to_s) == (0, 0.03)  # until only 8 wait


def test_what_a_blocked_worker_holds_is_on_its_way():
    # one in hand of the last stage, two in its queue, one held by the blocked stage before it
    assert finding(at_most_on_the_way(4, "check", "store"), shop(2)).is_met
    assert finding(at_most_on_the_way(3, "check", "store"), shop(2)).reason.startswith(
        "4 items were in the pipeline; from "
    )


def test_a_failed_item_has_arrived():
    assert finding(at_most_on_the_way(12, "source", "store"), shop(100)).is_met
    fails = make_trace(bar("a", "t-1", 0, 1, span_id=1), bar("b", "t-2", 1, 2, links=(1,), status="error", error="no"),
                       bar("a", "t-1", 2, 3), bar("c", "t-3", 3, 4))  # fmt: skip
    assert finding(at_most_on_the_way(1, "a", "c"), fails).is_met


def test_what_went_in_came_through_or_failed():
    assert finding(nothing_lost("source", "store"), shop(2)).reason == "12 went in, 11 came through, 1 failed"
    assert finding(nothing_lost("source", "store"), shop(2)).is_met
    lost = make_trace(bar("a", "t-1", 0, 1), bar("a", "t-1", 1, 2), bar("b", "t-2", 1, 2))
    twice = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 1, 2), bar("b", "t-2", 2, 3))
    assert [finding(nothing_lost("a", "b"), trace).is_met for trace in (lost, twice)] == [False, False]


@pytest.mark.parametrize(
    "goal", [queue_at_most(9, "post"), at_most_on_the_way(9, "post", "b"), nothing_lost("post", "b")]
)
def test_a_stage_that_is_missing_meets_nothing(goal):
    found = finding(goal, shop(2))
    assert (found.is_met, found.reason) == (False, "no item went through a stage called 'post'")


def test_a_stage_that_waits_for_a_lock_in_its_middle_is_not_done_then():
    span = bar("load", "thread-1", 0, 3, blocked_s=1, parts=[("cpu", 1), ("blocked", 1), ("cpu", 1)], cpu_s=2)
    handed_on = bar("load", "thread-1", 0, 3, blocked_s=1, parts=[("cpu", 2), ("blocked", 1)], cpu_s=2)
    assert (_done_ns(span), _done_ns(handed_on)) == (3_000_000_000, 2_000_000_000)


@pytest.mark.parametrize(
    ("goal", "good", "bad"),
    [
        (faster_than(ONE_AFTER_THE_OTHER), AT_ONCE, ONE_AFTER_THE_OTHER),
        (efficiency_at_least(0.9), AT_ONCE, make_trace(bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1))),
    ],
    ids=lambda value: value.text if isinstance(value, Goal) else "",
)
def test_goals_of_speed(goal, good, bad):
    assert goal.evaluate(good).is_met
    assert not goal.evaluate(bad).is_met


def test_threads_that_wait_for_the_interpreter_are_not_efficient():
    halves = [bar("a", "thread-1", 0, 1.995, cpu_s=1), bar("b", "thread-2", 0, 2, cpu_s=1)]
    found = efficiency_at_least(0.9).evaluate(make_trace(*halves))
    assert not found.is_met
    assert found.reason == (
        "the efficiency of 2 workers was about 50%: one after the other, the run would take about 2.00 s"
    )


@pytest.mark.parametrize(("goal", "place"), [(at_least_at_once(3), (0, 6)), (faster_than(AT_ONCE, 2), (1, 6))])
def test_too_little_at_once_is_shaded_where_it_lasted_longest(goal, place):
    found = goal.evaluate(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), bar("c", "t-1", 1, 6)))
    assert (found.is_met, found.from_s, found.to_s) == (False, *place)


@pytest.mark.parametrize("goal", [efficiency_at_least(0.8), faster_than(AT_ONCE, 2), at_least_at_once(3)])
def test_what_goes_on_after_the_branches_counts_as_too_little_at_once(goal):
    after = bar("post", "main", 1, 5, kind="phase")
    found = goal.evaluate(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), after))
    assert (found.is_met, found.to_s) == (False, 5)


@pytest.mark.parametrize(
    ("before_s", "is_met", "reason"),
    [
        (1.5, True, "it was 1.5 times as fast: 1.00 s, before 1.50 s"),
        (1.46, False, "it was 1.460 times as fast: 1.00 s, before 1.46 s"),  # not 1.5
        (0.96, False, "it was 1.0 times as fast: 1.00 s, before 0.960 s"),
    ],
)
def test_a_factor_that_is_too_low_never_looks_right(before_s, is_met, reason):
    found = faster_than(make_trace(bar("a", "t-1", 0, before_s)), 1.5).evaluate(make_trace(bar("a", "t-1", 0, 1)))
    assert (found.is_met, found.reason) == (is_met, reason)


def test_a_run_in_which_nothing_is_done_is_not_faster():
    found = faster_than(AT_ONCE).evaluate(make_trace(bar("a", "t-1", 0, 0)))
    assert (found.is_met, found.reason) == (False, "the run took no time: nothing was done in it")


BEFORE = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-1", 2, 5, cpu_s=0))

OVERLAPPED = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-2", 0, 3, cpu_s=0))

SKIPPED = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-2", 0, 1, cpu_s=0))

LONGER = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-2", 0, 9, cpu_s=0))

ASLEEP = make_trace(bar("a", "t-1", 0, 2, cpu_s=0), bar("b", "t-2", 0, 3, cpu_s=0))


def test_a_run_that_overlaps_its_work_does_as_much():
    assert grade(OVERLAPPED, [as_much_work_as(BEFORE)]).passed


@pytest.mark.parametrize(
    ("other", "would_take"),
    [(SKIPPED, "3.00 s (2.00 s computing)"), (LONGER, "11.0 s (2.00 s computing)"), (ASLEEP, "5.00 s (0 s computing)")],
)
def test_other_work_is_told_with_that_of_both_runs(other, would_take):
    (found,) = grade(other, [as_much_work_as(BEFORE)]).findings
    assert (found.is_met, found.reason) == (
        False,
        f"one after the other, it would take {would_take}; before it was 5.00 s (2.00 s computing)",
    )


LOCKED = make_trace(
    bar("a", "t-1", 0, 1), bar("b", "t-3", 0, 0),
    bar("a", "t-2", 0, 2, blocked_s=1, parts=[("blocked", 1), ("wait", 1)]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("goal", "met", "reason"),
    [
        (does_the_work(2), True, "2 of 3 branches worked"),
        (does_the_work(3), False, "2 of 3 branches worked, expected 3"),
        (does_the_work(1, 1.0), False, "0 of 3 branches worked for more than 1.00 s, expected 1"),
        (does_the_work(1, 0.5, "b"), False, "0 of 1 branch worked for more than 0.500 s, expected 1"),
    ],
)
def test_branches_that_do_nothing_do_not_count(goal, met, reason):
    (found,) = grade(LOCKED, [goal]).findings
    assert (found.is_met, found.reason) == (met, reason)


@pytest.mark.parametrize(
    ("goal", "good", "bad"),
    [
        (all_ok(2), AT_ONCE, make_trace(bar("a", "t-1", 0, 1))),
        (all_ok(), AT_ONCE, make_trace(bar("a", "t-1", 0, 1, status="error", error="ValueError: no"))),
        (no_conflicts(), AT_ONCE, make_trace(bar("a", "t-1", 0, 2, writes=["n"]), bar("b", "t-2", 1, 3, writes=["n"]))),
    ],
    ids=lambda value: value.text if isinstance(value, Goal) else "",
)
def test_goals_of_results(goal, good, bad):
    assert goal.evaluate(good).is_met
    assert not goal.evaluate(bad).is_met


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        (all_ok(3), "there were 2 branches, expected 3: 1 missing"),
        (all_ok(1), "there were 2 branches, expected 1: 1 too many"),
    ],
)
def test_missing_and_extra_branches_are_counted(goal, reason):
    assert goal.evaluate(AT_ONCE).reason == reason


def test_an_exploration_can_be_a_goal():
    assert holds_always(explore(lambda: None, 3)).evaluate(AT_ONCE).is_met
    broken = holds_always(explore(lambda: 1 / 0, 3)).evaluate(AT_ONCE)
    assert not broken.is_met
    assert broken.reason == (
        "'it ends without an error' failed in 3 of 3 schedules; with seed 0, "
        "it ended with ZeroDivisionError: division by zero; .replay() repeats that run"
    )
    wrong = holds_always(explore(lambda: 17, 3, checks={"all 18 words": lambda total: total == 18})).evaluate(AT_ONCE)
    assert wrong.reason == "'all 18 words' failed in 3 of 3 schedules; with seed 0, got 17; .replay() repeats that run"


def test_a_branch_around_others_is_not_one_more():
    with record() as trace, span("around"):
        for name in ("first", "second"):
            with span(name):
                pass
    assert all_ok(2).evaluate(trace).reason == "all 2 branches succeeded"


def test_a_branch_around_others_that_fails_is_told():
    with record() as trace, suppress(ValueError), span("around"):
        with span("inside"):
            pass
        raise ValueError("no")
    assert all_ok().evaluate(trace).reason.startswith("1 of 2 branches failed, the first is around at ")


class Broken:
    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None

    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        ([1, (2, 3)], (1, [2, 3])),
        (sum([0.1] * 10), 1.0),
        (float("nan"), float("nan")),
        (Counter("abca"), {"a": 2, "b": 1, "c": 1}),
        (np.arange(3), np.arange(3)),
        ([{"a": np.ones(2)}], [{"a": np.ones(2)}]),
        ({1, 2}, {2, 1}),
    ],
)
def test_what_is_the_same(value, expected):
    assert difference(value, expected) == ""


@pytest.mark.parametrize(
    ("value", "expected", "told"),
    [
        (None, [1, 2], "expected [1, 2], got None"),
        ([1, 2, 4], [1, 2, 3], "1 of 3 items differs; the first is [2]: expected 3, got 4"),
        (
            [2, 1, 3],
            [1, 2, 3],
            "the right items in another order; 2 of 3 items differ; the first is [0]: expected 1, got 2",
        ),
        ([1, 2], [1, 2, 3], "2 items instead of 3: 1 missing"),
        ([1], [2, 2], "1 item instead of 2: 1 missing; 1 of 2 items differs; the first is [0]: expected 2, got 1"),
        ([1, 2, 3, 4], [1, 2], "4 items instead of 2: 2 too many"),
        (
            [{"name": "a", "age": [1, 2]}],
            [{"name": "a", "age": [1, 3]}],
            "1 of 1 item differs; the first is [0]['age'][1]: expected 3, got 2",
        ),
        ({"a": 1}, {"a": 1, "b": 2, "c": 3}, "2 keys are missing: such as 'b'"),
        (
            {"a": 1, "z": 0},
            {"a": 2},
            "1 key is too many: 'z'; 1 of 1 value differs; the first is ['a']: expected 2, got 1",
        ),
        ({1, 2, 9}, {1, 2, 3}, "1 item is missing: 3; 1 item is too many: 9"),
        ([[1, 2]], [[1, 2, 3]], "1 of 1 item differs; the first is [0]: expected [1, 2, 3], got [1, 2]"),
        ("x" * 70 + "b", "x" * 70 + "a", f"from character 56 on, expected '{'x' * 15}a', got '{'x' * 15}b'"),
        (UserDict({"a": 1}), {"a": 2}, "1 of 1 value differs; the first is ['a']: expected 2, got 1"),
        (np.ones(2), np.zeros(2), "expected array([0., 0.]), got array([1., 1.])"),
        (np.ones(2), np.zeros(3), "expected array([0., 0., 0.]), got array([1., 1.])"),
    ],
)
def test_the_first_difference_is_told(value, expected, told):
    assert difference(value, expected) == told


def test_values_that_cannot_be_compared_or_shown_are_told_by_their_class():
    assert difference(Broken(), Broken()) == "expected <Broken> of class Broken, got one of class Broken"
    assert difference([Broken()], [1]).startswith("1 of 1 item differs; the first is [0]: expected 1, got <Broken>")


def test_a_difference_is_short_and_inert():
    text = difference(["\x1b[31m" * 1000] * 3, ["a" * 100_000] * 3)
    assert len(text) < 400
    assert "\x1b" not in text


def test_what_contains_itself_ends():
    one, other = [1], [1]
    one.append(one)
    other.append(other)
    assert isinstance(difference(one, other), str)
