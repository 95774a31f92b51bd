"""What an answer changes that it must not, and what it reached."""

from __future__ import annotations

import json

import pytest

from kaygraph_viz.lessons.goals import at_least_at_once
from kaygraph_viz.lessons.grade import Grade
from kaygraph_viz.lessons.handed_in.watch import Watch
from kaygraph_viz.lessons.lesson import Lesson
from kaygraph_viz.testing import bar, make_trace

AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))


@pytest.fixture
def variables():
    return {"lesson": Lesson("00_start_here"), "before": [1], "mine": None, "_private": 0}


@pytest.fixture
def watch(variables):
    watch = Watch(variables)
    watch.keep()
    return watch


def test_variables_are_put_back_except_those_that_are_asked_for(variables, watch):
    lesson = variables["lesson"]
    variables.update(lesson=None, before=[2], mine=AT_ONCE, new=3)
    del variables["_private"]
    watch.restore({"mine"})
    assert variables == {"lesson": lesson, "before": [1], "mine": AT_ONCE, "new": 3}


def test_grades_from_before_the_grading_cell_are_forgotten(variables, watch):
    variables["lesson"].grade(AT_ONCE, [at_least_at_once(2)])
    watch.restore(set())
    assert json.loads(watch.report(1)) == {"grade": None, "changed": []}
    variables["lesson"].grade(AT_ONCE, [at_least_at_once(2)])
    assert json.loads(watch.report(1))["grade"]["met"] == 1


@pytest.mark.parametrize(
    ("place", "name", "fake"),
    [
        (Lesson, "grade", lambda *args: None),
        (Grade, "passed", property(lambda self: True)),
        (Lesson, "results", lambda self: {}),
    ],
)
def test_changed_functions_of_the_package_are_named(watch, monkeypatch, place, name, fake):
    monkeypatch.setattr(place, name, fake)
    changed = Watch.report(watch, 1) if name != "results" else watch_changed(watch, monkeypatch)
    assert any(each.endswith(f"{place.__name__}.{name}") for each in json.loads(changed)["changed"])


def watch_changed(watch, monkeypatch):
    """Return the report without a lesson, whose results are those that were changed."""
    monkeypatch.setitem(watch._variables, "lesson", None)
    return watch.report(1)


def test_a_function_with_other_code_is_noticed(watch, monkeypatch):
    monkeypatch.setattr(at_least_at_once, "__code__", (lambda count, *names: None).__code__)
    assert "kaygraph_viz.lessons.goals.at_once.at_least_at_once" in json.loads(watch.report(1))["changed"]
