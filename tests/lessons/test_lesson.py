"""Lessons: hints, solutions, puzzles, and grades written to a file."""

from __future__ import annotations

import getpass
import itertools
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

import kaygraph_viz
from kaygraph_viz import lessons
from kaygraph_viz.errors import OptionError
from kaygraph_viz.lessons.goals import Finding, Goal, at_least_at_once
from kaygraph_viz.lessons.lesson import Lesson, split_solution
from kaygraph_viz.testing import bar, make_trace

ONE_AFTER_THE_OTHER = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2))
AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))
SOLUTION = """\"\"\"Use four workers.

- What do the workers wait for?
- Look at max_workers.
\"\"\"

workers = 4
print(workers)
"""


def test_a_hint_may_take_several_lines():
    text = '"""What it is.\n\n- First\n  and more.\n- Second.\n"""\nx = 1'
    assert split_solution(text) == (["First and more.", "Second."], "x = 1")


def test_hints_and_code_are_told_apart():
    assert split_solution(SOLUTION) == (
        ["What do the workers wait for?", "Look at max_workers."],
        "workers = 4\nprint(workers)",
    )


def test_an_exercise_that_is_not_there_is_a_clear_error():
    with pytest.raises(OptionError, match="exercise must be an exercise of 99_nothing"):
        Lesson("99_nothing").show_solution(7)


def test_the_lines_of_a_puzzle_are_shipped_with_the_lesson(numbers_of):
    shipped = Lesson("11_streams_and_recovery").puzzle(
        lambda left: left["shared"]["squares"] == [1, 4, 9, 16, 25],
        {"kv": kaygraph_viz, "itertools": itertools, "__name__": "puzzle"},
    )
    source = files("kaygraph_viz.lessons.solutions").joinpath("l11_puzzle_1.py").read_text(encoding="utf-8")
    lines = [line for line in split_solution(source)[1].splitlines() if line]
    assert shipped.try_order(numbers_of(shipped, lines)) == "It works."


def test_a_lesson_without_a_puzzle_says_so():
    with pytest.raises(OptionError, match="number must be a puzzle of 11_streams_and_recovery, got 7"):
        Lesson("11_streams_and_recovery").puzzle(lambda left: True, number=7)


def test_the_last_grade_of_each_exercise_is_kept():
    lesson = Lesson("02_data_enrichment")
    assert not lesson.grade(ONE_AFTER_THE_OTHER, [at_least_at_once(2)]).passed
    assert lesson.grade(AT_ONCE, [at_least_at_once(2)]).passed
    assert not lesson.grade(ONE_AFTER_THE_OTHER, [at_least_at_once(2)], exercise=2).passed
    assert lesson.grade(AT_ONCE, [at_least_at_once(2)], exercise=None).passed  # not kept
    assert {key: made.sentence for key, made in lesson.grades.items()} == {
        1: "1 of 1 goals met",
        2: "0 of 1 goals met",
    }


def test_a_notebook_finds_what_it_needs_in_one_place():
    assert [getattr(lessons, name).__name__ for name in ("Lesson", "playground")] == ["Lesson", "playground"]
    assert lessons.goals.all_ok().text == "every branch succeeds"
    assert dir(lessons) == sorted(lessons.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'grades'"):
        _ = lessons.grades


def test_results_are_exported_without_personal_data(tmp_path):
    lesson = Lesson("02_data_enrichment")
    lesson.predict("how many?", 4).compare(4)
    lesson.predict("how fast?", None).compare(2)
    private = Goal("private", lambda trace: Finding(False, f"{Path.home()} of {getpass.getuser()}"))
    lesson.grade(AT_ONCE, [at_least_at_once(2), private])
    found = json.loads(lesson.export(tmp_path / "mine.json").read_text())
    assert found["lesson"] == "02_data_enrichment"
    (exercise,) = found["exercises"]
    assert (exercise["exercise"], exercise["met"], exercise["of"]) == (1, 1, 2)
    assert exercise["goals"][0] == {"goal": "at least 2 branches at once", "is_met": True}
    assert re.fullmatch("[0-9a-f]{64}", exercise["trace"])
    assert found["predictions"] == [{"question": "how many?", "guess": 4, "result": 4, "score": 2}]
    assert found["points"] == {"got": 2, "of": 2}
    assert str(Path.home()) not in json.dumps(found)


def test_a_run_that_is_not_graded_has_no_fingerprint():
    lesson = Lesson("02_data_enrichment")
    lesson.grade(None, [at_least_at_once(2)])
    assert lesson.results()["exercises"][0]["trace"] is None
