"""Goals about what comes out of a run: each tells good runs from bad ones, and says what differs."""

from __future__ import annotations

import pytest

from kaygraph_viz.execute.explore import explore
from kaygraph_viz.lessons.goals import Goal, all_ok, holds_always, no_conflicts, same_result
from kaygraph_viz.testing import bar, make_trace

ONE_AFTER_THE_OTHER = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2, queued_s=1))
AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


@pytest.mark.parametrize(
    ("goal", "good", "bad"),
    [
        (all_ok(2), AT_ONCE, make_trace(bar("a", "t-1", 0, 1))),
        (all_ok(), AT_ONCE, make_trace(bar("a", "t-1", 0, 1, status="error", error="ValueError: no"))),
        (no_conflicts(), AT_ONCE, make_trace(bar("a", "t-1", 0, 2, writes=["n"]), bar("b", "t-2", 1, 3, writes=["n"]))),
    ],
    ids=lambda value: value.text if isinstance(value, Goal) else "",
)
def test_goals_tell_good_runs_from_bad_ones(goal, good, bad):
    assert goal.evaluate(good).is_met
    assert not goal.evaluate(bad).is_met


def test_results_are_compared():
    assert same_result([1, 2], [1, 2]).evaluate(AT_ONCE).is_met
    differs = same_result([1, 2], [1, 3]).evaluate(AT_ONCE)
    assert (differs.is_met, differs.reason) == (False, "1 of 2 items differs; the first is [1]: expected 3, got 2")


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
