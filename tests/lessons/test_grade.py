"""Grades: their text and HTML, the shaded chart, and that no run of a reader is an error."""

from __future__ import annotations

import pytest

from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.lessons.goals import (
    Goal,
    all_ok,
    at_least_at_once,
    at_most_at_once,
    faster_than,
    no_idle_worker,
)
from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace

AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


def shaded_s(ax):
    """Return how wide the shades in a chart are; what they are made of differs from one matplotlib to the next."""
    shades = [patch for patch in ax.patches if patch.get_alpha() == 0.25]
    places = [patch.get_patch_transform().transform_path(patch.get_path()).vertices[:, 0] for patch in shades]
    return [place.max() - place.min() for place in places]


def test_the_offending_place_is_shaded_in_the_readers_own_chart():
    made = grade(AT_ONCE, [at_most_at_once(1)])
    assert shaded_s(made.draw()) == [1]
    assert "data:image/png" in made._repr_html_()


def test_places_that_overlap_are_shaded_once():
    trace = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), bar("c", "t-1", 1, 6))
    made = grade(trace, [at_least_at_once(3), faster_than(AT_ONCE, 2)])
    assert shaded_s(made.draw()) == [6]


def test_a_run_that_passes_needs_no_picture():
    assert "data:image/png" not in grade(AT_ONCE, [at_least_at_once(2)])._repr_html_()


@pytest.mark.parametrize("nothing", [None, "a trace", make_trace()])
def test_nothing_recorded_is_no_error_for_a_reader(nothing):
    made = grade(nothing, [at_least_at_once(2), all_ok()])
    assert not made.passed
    assert "nothing was recorded" in str(made)


def test_a_goal_that_fails_is_not_met():
    assert "could not be checked" in str(grade(AT_ONCE, [Goal("broken", lambda trace: 1 / 0)]))


def test_hostile_texts_are_inert():
    name = "<script>alert(1)</script>"
    page = grade(make_trace(bar(name, "t-1", 0, 1, status="error", error=name)), [all_ok()])._repr_html_()
    assert "<script>" not in page


def test_a_real_run_is_graded():
    with record(clock="virtual") as trace, get_executor("thread", 3) as executor:
        list(executor.imap(str, range(6), name="text"))
    assert grade(trace, [all_ok(6), no_idle_worker(), at_most_at_once(3)]).passed


def test_a_reader_who_met_all_goals_is_told_so():
    assert str(grade(AT_ONCE, [at_least_at_once(2)])).splitlines()[0] == "1 of 1 goals met: well done"
    assert "well done" not in str(grade(AT_ONCE, []))


def test_the_sentence_counts_the_goals_that_are_met():
    made = grade(AT_ONCE, [at_least_at_once(2), at_most_at_once(1)])
    assert made.sentence == "1 of 2 goals met" == str(made).splitlines()[0]
    assert made._repr_html_().startswith("<p><strong>1 of 2 goals met</strong></p>")
