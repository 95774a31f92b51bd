"""Goals about speed: each tells good runs from bad ones, with a reason and the time that shows it."""

from __future__ import annotations

import pytest

from kaygraph_viz.lessons.goals import Goal, at_least_at_once, efficiency_at_least, faster_than
from kaygraph_viz.testing import bar, make_trace

ONE_AFTER_THE_OTHER = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2, queued_s=1))
AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


@pytest.mark.parametrize(
    ("goal", "good", "bad"),
    [
        (faster_than(ONE_AFTER_THE_OTHER), AT_ONCE, ONE_AFTER_THE_OTHER),
        (efficiency_at_least(0.9), AT_ONCE, make_trace(bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1))),
    ],
    ids=lambda value: value.text if isinstance(value, Goal) else "",
)
def test_goals_tell_good_runs_from_bad_ones(goal, good, bad):
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
