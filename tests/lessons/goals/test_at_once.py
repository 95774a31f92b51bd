"""Goals about what runs at the same time: each tells good runs from bad ones, with a reason and its time."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.lessons.goals import (
    Goal,
    at_least_at_once,
    at_most_at_once,
    no_idle_worker,
    overlaps,
    starts_after,
)
from kaygraph_viz.lessons.goals.at_once import longest_stretch
from kaygraph_viz.recording import record
from kaygraph_viz.sync import run_loop
from kaygraph_viz.testing import bar, make_trace

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


@pytest.mark.parametrize(
    ("changes", "stretch"),
    [([], (0, 0)), ([(1, False), (2, False)], (0, 0)), ([(1, True), (3, False), (4, True), (6, False)], (1, 3))],
)
def test_longest_stretch_is_the_first_of_equals_and_none_without_any(changes, stretch):
    assert longest_stretch(changes) == stretch


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
