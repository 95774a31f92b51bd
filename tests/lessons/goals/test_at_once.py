"""Goals about what runs at the same time: each tells good runs from bad ones, with a reason and its time."""

from __future__ import annotations

import pytest

from kaygraph_viz.lessons.goals import (
    Goal,
    at_least_at_once,
    at_most_at_once,
    no_idle_worker,
    overlaps,
    starts_after,
)
from kaygraph_viz.lessons.goals.at_once import longest_stretch
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
    assert (found.is_met, found.reason) == (False, "2 a and b branches ran at once")
    assert at_least_at_once(2, "a", "b").evaluate(trace).is_met
    assert at_most_at_once(1, "a").evaluate(trace).is_met
