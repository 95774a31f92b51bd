"""Exercises: unsolved they do not pass, and with the shipped solutions all of them do."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from kaygraph_viz.lessons import solutions
from kaygraph_viz.lessons.lesson import GRADES_FILE, SOLUTIONS, split_solution

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(solutions.__file__).parent
EXERCISE = re.compile(r"exercise-(\d+)")


def exercises(path):
    """Return the cells that a reader has to change, by the number of the exercise."""
    book = nbformat.read(path, as_version=4)
    tagged = [(tag, cell) for cell in book.cells for tag in cell.metadata.get("tags", ())]
    return {int(found[1]): cell for tag, cell in tagged if (found := EXERCISE.fullmatch(tag))}


WITH_EXERCISES = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if exercises(path)]
FILES = sorted(FOLDER.glob("l*_exercise_*.py"))


def solution_file(path, number):
    return FOLDER / f"l{path.stem[:2]}_exercise_{number}.py"


def grades_of(book, tmp_path, monkeypatch, *, solved):
    """Execute a notebook and return whether each exercise passed."""
    report = tmp_path / "grades"
    monkeypatch.setenv(GRADES_FILE, str(report))
    if solved:
        monkeypatch.setenv(SOLUTIONS, "1")
    else:
        monkeypatch.delenv(SOLUTIONS, raising=False)
    NotebookClient(book, timeout=60, resources={"metadata": {"path": tmp_path}}).execute()
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    return {line["exercise"]: line["passed"] for line in lines}


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_unsolved_exercises_run_and_do_not_pass(path, tmp_path, monkeypatch):
    book = nbformat.read(path, as_version=4)
    assert grades_of(book, tmp_path, monkeypatch, solved=False) == dict.fromkeys(exercises(path), False)


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_solutions_pass(path, tmp_path, monkeypatch):
    book = copy.deepcopy(nbformat.read(path, as_version=4))
    for cell in book.cells:
        for tag in cell.metadata.get("tags", ()):
            if found := EXERCISE.fullmatch(tag):
                text = solution_file(path, found[1]).read_text(encoding="utf-8")
                cell.source = split_solution(text)[1]
    assert grades_of(book, tmp_path, monkeypatch, solved=True) == dict.fromkeys(exercises(path), True)


def test_every_solution_belongs_to_an_exercise_and_has_hints():
    wanted = {solution_file(path, number) for path in WITH_EXERCISES for number in exercises(path)}
    assert set(FILES) == wanted
    assert [path.name for path in FILES if len(split_solution(path.read_text(encoding="utf-8"))[0]) < 2] == []
