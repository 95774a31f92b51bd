"""Criteria: each tells good runs from bad ones, with a reason and the time that shows it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from kaygraph_viz.execute.explore import explore
from kaygraph_viz.lessons.criteria import (
    Criterion,
    all_ok,
    at_least_at_once,
    at_most_at_once,
    efficiency_at_least,
    faster_than,
    holds_always,
    longest_stretch,
    no_conflicts,
    no_idle_worker,
    overlaps,
    same_result,
    starts_after,
)
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span

ONE_AFTER_THE_OTHER = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2, queued_s=1))
AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


@pytest.mark.parametrize(
    ("criterion", "good", "bad"),
    [
        (at_least_at_once(2), AT_ONCE, ONE_AFTER_THE_OTHER),
        (at_most_at_once(1), ONE_AFTER_THE_OTHER, AT_ONCE),
        (overlaps("a", "b"), AT_ONCE, ONE_AFTER_THE_OTHER),
        (overlaps("b", "a"), AT_ONCE, make_trace(bar("a", "t-1", 0, 1))),
        (starts_after("b", "a"), ONE_AFTER_THE_OTHER, AT_ONCE),
        (faster_than(ONE_AFTER_THE_OTHER), AT_ONCE, ONE_AFTER_THE_OTHER),
        (efficiency_at_least(0.9), AT_ONCE, make_trace(bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1))),
        (all_ok(2), AT_ONCE, make_trace(bar("a", "t-1", 0, 1))),
        (all_ok(), AT_ONCE, make_trace(bar("a", "t-1", 0, 1, status="error", error="ValueError: no"))),
        (
            no_idle_worker(),
            AT_ONCE,
            make_trace(bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1), bar("c", "t-1", 4, 5, queued_s=4)),
        ),
        (no_conflicts(), AT_ONCE, make_trace(bar("a", "t-1", 0, 2, writes=["n"]), bar("b", "t-2", 1, 3, writes=["n"]))),
    ],
    ids=lambda value: value.goal if isinstance(value, Criterion) else "",
)
def test_criteria_tell_good_runs_from_bad_ones(criterion, good, bad):
    assert criterion.evaluate(good).is_met
    assert not criterion.evaluate(bad).is_met


def test_threads_that_wait_for_the_interpreter_are_not_efficient():
    halves = [bar("a", "thread-1", 0, 1.995, cpu_s=1), bar("b", "thread-2", 0, 2, cpu_s=1)]
    found = efficiency_at_least(0.9).evaluate(make_trace(*halves))
    assert not found.is_met
    assert found.reason == (
        "the efficiency of 2 workers was about 50%: one after the other, the run would take about 2.00 s"
    )


def test_the_place_is_where_it_happened():
    found = no_idle_worker().evaluate(make_trace(
        bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1), bar("c", "t-1", 4, 5, queued_s=4)
    ))  # fmt: skip
    assert (found.from_s, found.to_s) == (1, 4)
    assert "t-2" in found.reason


@pytest.mark.parametrize(("criterion", "place"), [(at_least_at_once(3), (0, 6)), (faster_than(AT_ONCE, 2), (1, 6))])
def test_too_little_at_once_is_shaded_where_it_lasted_longest(criterion, place):
    found = criterion.evaluate(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), bar("c", "t-1", 1, 6)))
    assert (found.is_met, found.from_s, found.to_s) == (False, *place)


def test_a_branch_around_others_is_not_counted_beside_them():
    inner = [bar("fetch", "main", 0, 1), bar("write", "main", 1, 2)]
    trace = make_trace((bar("shop", "main", 0, 2), inner))
    assert at_most_at_once(1).evaluate(trace).is_met
    assert not at_least_at_once(2).evaluate(trace).is_met
    assert at_least_at_once(1, "shop").evaluate(trace).is_met


def test_results_are_compared():
    assert same_result([1, 2], [1, 2]).evaluate(AT_ONCE).is_met
    assert not same_result([1, 2], [2, 1]).evaluate(AT_ONCE).is_met


def test_an_exploration_can_be_a_goal():
    assert holds_always(explore(lambda: None, 3)).evaluate(AT_ONCE).is_met
    broken = holds_always(explore(lambda: 1 / 0, 3)).evaluate(AT_ONCE)
    assert not broken.is_met
    assert "VirtualClock(0" in broken.reason


@pytest.mark.parametrize("criterion", [efficiency_at_least(0.8), faster_than(AT_ONCE, 2), at_least_at_once(3)])
def test_what_goes_on_after_the_branches_counts_as_too_little_at_once(criterion):
    after = bar("post", "main", 1, 5, kind="phase")
    found = criterion.evaluate(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), after))
    assert (found.is_met, found.to_s) == (False, 5)


@pytest.mark.parametrize("criterion", [starts_after("b", "gone"), starts_after("gone", "a"), overlaps("a", "gone")])
def test_branch_that_is_missing_is_named_in_the_reason(criterion):
    found = criterion.evaluate(AT_ONCE)
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
    assert (found.is_met, found.reason) == (False, "2 a and b branches ran at once")
    assert at_least_at_once(2, "a", "b").evaluate(trace).is_met
    assert at_most_at_once(1, "a").evaluate(trace).is_met


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
    assert all_ok().evaluate(trace).reason == "1 of 2 branches failed, the first with ValueError: no"
