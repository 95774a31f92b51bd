"""What of a handed-in notebook is put into the shipped lesson."""

from __future__ import annotations

import json

import pytest

from kaygraph_viz.errors import DataError
from kaygraph_viz.lessons import notebooks
from kaygraph_viz.lessons.handed_in.notebook import Cell, exercises_of
from kaygraph_viz.lessons.handed_in.shipped import Answer, answers_to, lesson_of, shipped_exercises

SHIPPED = [
    Cell("set up", 0, "s"),
    Cell("one?", 1, "1"),
    Cell("lesson.grade(a)", 0, "g1"),
    Cell("between", 0, "b"),
    Cell("two?", 2, "2"),
    Cell("lesson.grade(b)", 0, "g2"),
]
EXERCISES, _ = exercises_of(SHIPPED)


def handed_in(**changed):
    """Return the shipped cells, some of them by their ids replaced by a cell, by several, or by none."""
    cells = [changed.get(f"id_{cell.id}", cell) for cell in SHIPPED]
    return [each for cell in cells for each in (cell if isinstance(cell, list) else [cell])]


def test_only_the_cells_of_exercises_are_taken():
    cells = handed_in(id_s=Cell("mine", 0, "s"), id_1=Cell("1", 1, "1"), id_g1=Cell("lesson.grade = fake", 0, "g1"))
    assert answers_to(EXERCISES, cells) == [Answer("1"), Answer("two?")]


def test_added_cells_count_where_they_stand():
    one = [Cell("helper", 0, "n1"), Cell("1", 1, "1"), Cell("again", 0, "n2"), Cell("lesson.grade(c)", 0, "n3")]
    two = [Cell("more", 0, "n4"), Cell("2", 2, "2")]
    first, second = answers_to(EXERCISES, handed_in(id_1=one, id_2=two))
    assert first == Answer("1", (one[0],), (one[2],))
    assert second == Answer("2", (two[0],), ())


def test_a_cell_is_told_by_its_id_where_tags_are_lost_and_a_split_one_is_joined():
    cells = handed_in(id_1=Cell("1", 0, "1"), id_2=[Cell("2", 2, "2"), Cell("3", 2, "x")])
    assert answers_to(EXERCISES, cells) == [Answer("1"), Answer("2\n\n3")]


def test_a_cell_that_is_gone_is_no_answer():
    assert answers_to(EXERCISES, handed_in(id_1=[])) == [None, Answer("two?")]
    assert answers_to(EXERCISES, []) == [None, None]


@pytest.mark.parametrize("source", ['lesson = Lesson("00_start_here")', "x = 1\nlesson=kv.Lesson( '00_start_here')"])
def test_the_lesson_is_told_by_the_cell_that_sets_it_up(source):
    assert lesson_of([Cell("import os"), Cell(source)]) == "00_start_here"


def test_a_notebook_of_no_lesson_is_a_clear_error():
    with pytest.raises(DataError, match="no notebook of a lesson"):
        lesson_of([Cell("print(1)")])
    with pytest.raises(DataError, match="there is no lesson '99_other' in this version"):
        shipped_exercises("99_other")


def test_shipped_lessons_are_found_in_a_checkout_and_in_an_installed_package(monkeypatch, tmp_path):
    name = "07_how_many_workers"
    assert shipped_exercises(name)[0].number == 1
    book = {"cells": [
        {"cell_type": "code", "source": "x", "metadata": {"tags": ["exercise-1"]}},
        {"cell_type": "code", "source": "lesson.grade(x)", "metadata": {}},
    ]}  # fmt: skip
    (tmp_path / f"{name}.ipynb").write_text(json.dumps(book))
    monkeypatch.setattr(notebooks, "FOLDERS", (tmp_path,))
    assert shipped_exercises(name)[0].asked == Cell("x", 1)
