"""Grades: what each criterion sees, what is shaded, and who gets an error."""

from __future__ import annotations

import json

import pytest
from matplotlib.patches import Rectangle

from kaygraph_viz.execute.explore import explore
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.lessons.criteria import (
    Criterion,
    all_ok,
    at_least_at_once,
    at_most_at_once,
    efficiency_at_least,
    faster_than,
    holds_always,
    no_conflicts,
    no_idle_worker,
    overlaps,
    same_result,
    starts_after,
)
from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.lessons.lesson import GRADES_FILE, SOLUTIONS, Lesson
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import record

ONE_AFTER_THE_OTHER = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2, queued_s=1))
AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


def finding(criterion, trace):
    (found,) = grade(trace, [criterion]).findings
    return found


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
    assert finding(criterion, good).is_met
    assert not finding(criterion, bad).is_met


def test_threads_that_wait_for_the_interpreter_are_not_efficient():
    halves = [bar("a", "thread-1", 0, 1.995, cpu_s=1), bar("b", "thread-2", 0, 2, cpu_s=1)]
    found = finding(efficiency_at_least(0.9), make_trace(*halves))
    assert not found.is_met
    assert found.reason == "2 workers gave about 50% of what they could: one after the other it would take about 2.00 s"


def test_the_place_is_where_it_happened():
    found = finding(no_idle_worker(), make_trace(
        bar("a", "t-1", 0, 4), bar("b", "t-2", 0, 1), bar("c", "t-1", 4, 5, queued_s=4)
    ))  # fmt: skip
    assert (found.from_s, found.to_s) == (1, 4)
    assert "t-2" in found.reason


@pytest.mark.parametrize(("criterion", "place"), [(at_least_at_once(3), (0, 6)), (faster_than(AT_ONCE, 2), (1, 6))])
def test_too_little_at_once_is_shaded_where_it_lasted_longest(criterion, place):
    found = finding(criterion, make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), bar("c", "t-1", 1, 6)))
    assert (found.is_met, found.from_s, found.to_s) == (False, *place)


def test_a_branch_around_others_is_not_counted_beside_them():
    inner = [bar("fetch", "main", 0, 1), bar("write", "main", 1, 2)]
    trace = make_trace((bar("shop", "main", 0, 2), inner))
    assert finding(at_most_at_once(1), trace).is_met
    assert not finding(at_least_at_once(2), trace).is_met
    assert finding(at_least_at_once(1, "shop"), trace).is_met


def test_results_are_compared():
    assert finding(same_result([1, 2], [1, 2]), AT_ONCE).is_met
    assert not finding(same_result([1, 2], [2, 1]), AT_ONCE).is_met


def test_an_exploration_can_be_a_goal():
    assert finding(holds_always(explore(lambda: None, 3)), AT_ONCE).is_met
    broken = finding(holds_always(explore(lambda: 1 / 0, 3)), AT_ONCE)
    assert not broken.is_met
    assert "VirtualClock(0" in broken.reason


@pytest.mark.parametrize("criterion", [efficiency_at_least(0.8), faster_than(AT_ONCE, 2), at_least_at_once(3)])
def test_what_goes_on_after_the_branches_counts_as_too_little_at_once(criterion):
    after = bar("post", "main", 1, 5, kind="phase")
    found = finding(criterion, make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), after))
    assert (found.is_met, found.to_s) == (False, 5)


def test_the_offending_place_is_shaded_in_the_readers_own_chart():
    made = grade(AT_ONCE, [at_most_at_once(1)])
    assert any(isinstance(patch, Rectangle) and patch.get_width() == 1 for patch in made.draw().patches)
    assert "data:image/png" in made._repr_html_()


def test_places_that_overlap_are_shaded_once():
    trace = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), bar("c", "t-1", 1, 6))
    made = grade(trace, [at_least_at_once(3), faster_than(AT_ONCE, 2)])
    shades = [patch for patch in made.draw().patches if isinstance(patch, Rectangle) and patch.get_alpha() == 0.25]
    assert [patch.get_width() for patch in shades] == [6]


def test_a_run_that_passes_needs_no_picture():
    assert "data:image/png" not in grade(AT_ONCE, [at_least_at_once(2)])._repr_html_()


@pytest.mark.parametrize("nothing", [None, "a trace", make_trace()])
def test_nothing_recorded_is_no_error_for_a_reader(nothing):
    made = grade(nothing, [at_least_at_once(2), all_ok()])
    assert not made.passed
    assert "nothing was recorded" in str(made)


def test_a_criterion_that_fails_is_not_met():
    assert "could not be looked at" in finding(Criterion("broken", lambda trace: 1 / 0), AT_ONCE).reason


def test_hostile_texts_are_inert():
    name = "<script>alert(1)</script>"
    page = grade(make_trace(bar(name, "t-1", 0, 1, status="error", error=name)), [all_ok()])._repr_html_()
    assert "<script>" not in page


def test_only_the_run_with_solutions_raises(monkeypatch, tmp_path):
    lesson = Lesson("02_data_enrichment")
    monkeypatch.setenv(GRADES_FILE, str(tmp_path / "grades"))
    assert not lesson.grade(ONE_AFTER_THE_OTHER, [at_least_at_once(2)]).passed
    monkeypatch.setenv(SOLUTIONS, "1")
    with pytest.raises(AssertionError, match="exercise 1 of 02_data_enrichment does not pass"):
        lesson.grade(ONE_AFTER_THE_OTHER, [at_least_at_once(2)])
    assert lesson.grade(AT_ONCE, [at_least_at_once(2)]).passed
    lines = [json.loads(line)["passed"] for line in (tmp_path / "grades").read_text().splitlines()]
    assert lines == [False, False, True]


def test_a_real_run_is_graded():
    with record(clock="virtual") as trace, get_executor("thread", 3) as executor:
        list(executor.imap(str, range(6), name="text"))
    assert grade(trace, [all_ok(6), no_idle_worker(), at_most_at_once(3)]).passed


def test_the_sentence_counts_the_goals_that_are_met():
    made = grade(AT_ONCE, [at_least_at_once(2), at_most_at_once(1)])
    assert made.sentence == "1 of 2 goals met" == str(made).splitlines()[0]
    assert made._repr_html_().startswith("<p><strong>1 of 2 goals met</strong></p>")
