"""The code cells of a lesson's notebook, by exercise, and what of a handed-in notebook is put into the shipped lesson.

Belongs here: reading notebooks, exercises of a lesson, answers of a learner. Does not belong here: running cells
(``kernel``, ``grading``).

Only the cells of the exercises are taken, and cells that the learner has added beside them. All others, such as those
that grade, are the shipped ones: what a learner has changed in them, and every stored output, counts for nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaygraph_viz.base.errors import DataError, short
from kaygraph_viz.course.lessons.notebooks import notebooks_folder

__all__ = ["Answer", "Cell", "Exercise", "answers_to", "cells_of", "exercises_of", "lesson_of", "shipped_exercises"]

_TAG = re.compile(r"exercise-(\d+)")
GRADE = "lesson.grade("
_LESSON = re.compile(r"""\bLesson\(\s*["'](\w+)["']""")


@dataclass(frozen=True)
class Cell:
    """A code cell."""

    source: str
    exercise: int = 0  # the number of the exercise that it asks
    id: str = ""  # what tells it from the other cells of its notebook


@dataclass(frozen=True)
class Exercise:
    """An exercise, with the cells that belong to it."""

    number: int  # in the lesson, from 1
    before: tuple[Cell, ...]  # the cells above it, up to the grade of the exercise before
    asked: Cell  # which a learner changes
    after: tuple[Cell, ...]  # the cells below it, the last of which grades it


def cells_of(path: Path) -> list[Cell]:
    """Return the code cells of a notebook."""
    try:
        cells = []
        listed = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for cell in listed:
            if cell["cell_type"] == "code":
                found = [_TAG.fullmatch(str(tag)) for tag in cell.get("metadata", {}).get("tags", ())]
                number = next((int(each[1]) for each in found if each), 0)
                cells.append(Cell("".join(cell["source"]), number, str(cell.get("id", ""))))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{short(path.name)} is not a notebook: it must be a file that Jupyter has saved") from None
    return cells


def exercises_of(cells: list[Cell]) -> tuple[list[Exercise], list[Cell]]:
    """Return the exercises of a lesson in order, and the cells below the last grade."""
    found, rest = [], list(cells)
    while asked := next((cell for cell in rest if cell.exercise), None):
        at = rest.index(asked)
        end = next((place for place in range(at + 1, len(rest)) if GRADE in rest[place].source), None)
        if end is None:
            raise DataError(f"exercise {asked.exercise} has no cell below it that grades it")
        found.append(Exercise(asked.exercise, tuple(rest[:at]), asked, tuple(rest[at + 1 : end + 1])))
        rest = rest[end + 1 :]
    return found, rest


def lesson_of(cells: Sequence[Cell]) -> str:
    """Return the name of the lesson that a notebook is of, by the cell that sets it up."""
    for cell in cells:
        if found := _LESSON.search(cell.source):
            return found[1]
    raise DataError('it is no notebook of a lesson: no cell has lesson = Lesson("...")')


def shipped_exercises(lesson: str) -> list[Exercise]:
    """Return the exercises of a shipped lesson."""
    path = notebooks_folder() / f"{lesson}.ipynb"
    if not path.is_file():
        raise DataError(f"there is no lesson {short(lesson)} in this version of kaygraph-viz")
    return exercises_of(cells_of(path))[0]


@dataclass(frozen=True)
class Answer:
    """What a learner has written for an exercise."""

    source: str
    above: tuple[Cell, ...] = ()  # cells that the learner has added
    below: tuple[Cell, ...] = ()


def answers_to(shipped: Sequence[Exercise], handed_in: Sequence[Cell]) -> list[Answer | None]:
    """Return the answers to exercises in a handed-in notebook; None for each one whose cell is not there."""
    known = {cell.id for each in shipped for cell in (*each.before, each.asked, *each.after)}
    found: list[Answer | None] = []
    start = 0
    for exercise in shipped:
        its_id = exercise.asked.id
        places = [
            at
            for at, cell in enumerate(handed_in)
            if cell.exercise == exercise.number or (not cell.exercise and cell.id and cell.id == its_id)
        ]
        if not places:
            found.append(None)
            continue
        after = range(places[-1] + 1, len(handed_in))
        end = next((at for at in after if GRADE in handed_in[at].source), len(handed_in))
        above = [cell for cell in handed_in[start : places[0]] if _is_added(cell, known)]
        below = [cell for cell in handed_in[places[-1] + 1 : end] if _is_added(cell, known)]
        found.append(Answer("\n\n".join(handed_in[at].source for at in places), tuple(above), tuple(below)))
        start = end
    return found


def _is_added(cell: Cell, known: set[str]) -> bool:
    return bool(cell.id) and cell.id not in known and not cell.exercise and GRADE not in cell.source
