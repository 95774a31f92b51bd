"""The tables of answers: enough of each kind for every exercise, and grades that fit what the answers are."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from kaygraph_viz.course.lessons.handed_in.notebook import (cells_of, exercises_of)
from kaygraph_viz.course.lessons.lesson import split_solution
from tests.notebooks.answers import solutions
from tests.notebooks.cases import AT_LEAST, CASES, PATHS, table_of

EXERCISES = [(path, exercise) for path in PATHS for exercise in exercises_of(cells_of(path))[0]]


@pytest.mark.parametrize(
    ("path", "exercise"), EXERCISES, ids=[f"{path.stem}-{exercise.number}" for path, exercise in EXERCISES]
)
def test_a_table_has_enough_answers_of_each_kind(path, exercise):
    counts = Counter(case.kind for case in table_of(path) if case.exercise == exercise.number)
    assert {kind: counts[kind] for kind, least in AT_LEAST.items() if counts[kind] < least} == {}
    assert counts.keys() <= AT_LEAST.keys()
    assert counts["solution"] == counts["untouched"] == 1


def test_every_answer_belongs_to_an_exercise():
    asked = {(path, exercise.number) for path, exercise in EXERCISES}
    assert [case.name for path, case in CASES if (path, case.exercise) not in asked] == []


def test_the_grade_fits_the_kind_of_answer():
    for path, case in CASES:
        met, goals = map(int, re.fullmatch(r"(\d+) of (\d+)", case.grade).groups())
        assert (met == goals) == (case.kind in ("solution", "right")), (path, case.name)
        assert (case.source is None) == (case.kind in ("solution", "untouched")), (path, case.name)


def test_no_two_answers_of_a_table_have_one_name():
    names = Counter((path, case.exercise, case.name) for path, case in CASES)
    assert [name for name, count in names.items() if count > 1] == []


def test_every_solution_belongs_to_an_exercise_and_has_hints():
    wanted = {(path, f"exercise_{exercise.number}") for path, exercise in EXERCISES}
    found = {(path, name): text for path in PATHS for name, text in solutions(path).items() if "exercise" in name}
    assert found.keys() == wanted
    assert [key for key, text in found.items() if len(split_solution(text)[0]) < 2] == []
