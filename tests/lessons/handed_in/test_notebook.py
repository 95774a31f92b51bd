"""Reading notebooks: exercises with what belongs to them, and files that are none."""

from __future__ import annotations

import json

import pytest

from kaygraph_viz.errors import DataError
from kaygraph_viz.lessons.handed_in.notebook import Cell, cells_of, exercises_of


def test_code_cells_know_their_exercise(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": "# Title", "metadata": {}},
        {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {"tags": ["exercise-2"]}, "id": "x"},
        {"cell_type": "code", "source": "lesson.grade(a, [])", "metadata": {}},
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    assert cells_of(tmp_path / "a.ipynb") == [Cell("a = 1\nb = 2", 2, "x"), Cell("lesson.grade(a, [])")]


NOT_NOTEBOOKS = ["", "{}", "[]", "[" * 100_000, '{"cells": [1]}', '{"cells": [{"cell_type": "code"}]}']


@pytest.mark.parametrize("text", NOT_NOTEBOOKS, ids=lambda text: text[:9])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(DataError, match=r"'a.ipynb' is not a notebook"):
        cells_of(tmp_path / "a.ipynb")


def test_each_exercise_has_the_cells_up_to_its_grade():
    texts = ["set up", "1", "check", "lesson.grade(a)", "between", "2", "lesson.grade(b)", "end"]
    cells = [Cell(text, int(text) if text.isdigit() else 0) for text in texts]
    (first, second), rest = exercises_of(cells)
    assert [cell.source for cell in first.before + second.before] == ["set up", "between"]
    assert [cell.source for cell in first.after] == ["check", "lesson.grade(a)"]
    assert (second.number, [cell.source for cell in rest]) == (2, ["end"])


def test_an_exercise_without_a_grade_is_a_clear_error():
    with pytest.raises(DataError, match="exercise 3 has no cell below it that grades it"):
        exercises_of([Cell("a", 3), Cell("b")])
