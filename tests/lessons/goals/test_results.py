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
    assert not same_result([1, 2], [2, 1]).evaluate(AT_ONCE).is_met


def test_an_exploration_can_be_a_goal():
    assert holds_always(explore(lambda: None, 3)).evaluate(AT_ONCE).is_met
    broken = holds_always(explore(lambda: 1 / 0, 3)).evaluate(AT_ONCE)
    assert not broken.is_met
    assert "VirtualClock(0" in broken.reason
