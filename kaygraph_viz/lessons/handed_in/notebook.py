"""The code cells of a lesson's notebook, by exercise.

Belongs here: finding exercises and their grades in a notebook. Does not belong here: running cells (``kernel``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaygraph_viz.errors import DataError, short

__all__ = ["GRADE", "Cell", "Exercise", "cells_of", "exercises_of"]

_TAG = re.compile(r"exercise-(\d+)")
GRADE = "lesson.grade("


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Parameters
    ----------
    source
        Its text.
    exercise
        The number of the exercise that it asks, or 0.
    id
        What tells it from the other cells of its notebook, or "".
    """

    source: str
    exercise: int = 0
    id: str = ""


@dataclass(frozen=True)
class Exercise:
    """An exercise, with the cells that belong to it.

    Parameters
    ----------
    number
        Its number in the lesson, from 1.
    before
        The cells above it, up to the grade of the exercise before.
    asked
        The cell that a learner changes.
    after
        The cells below it, the last of which grades it.
    """

    number: int
    before: tuple[Cell, ...]
    asked: Cell
    after: tuple[Cell, ...]


def cells_of(path: Path) -> list[Cell]:
    """Return the code cells of a notebook.

    Raises
    ------
    DataError
        If the file is no notebook.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [_cell(cell) for cell in listed if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{short(path.name)} is not a notebook: it must be a file that Jupyter has saved") from None


def _cell(cell: Mapping[str, Any]) -> Cell:
    found = [_TAG.fullmatch(str(tag)) for tag in cell.get("metadata", {}).get("tags", ())]
    number = next((int(each[1]) for each in found if each), 0)
    return Cell("".join(cell["source"]), number, str(cell.get("id", "")))


def exercises_of(cells: list[Cell]) -> tuple[list[Exercise], list[Cell]]:
    """Return the exercises of a lesson in order, and the cells below the last grade.

    Examples
    --------
    >>> first = [Cell("import kaygraph_viz"), Cell("workers = 1", exercise=1), Cell("lesson.grade(mine, [])")]
    >>> (only,), rest = exercises_of([*first, Cell("print('done')")])
    >>> only.number, len(only.before), only.after[-1].source, len(rest)
    (1, 1, 'lesson.grade(mine, [])', 1)
    """
    found, rest = [], list(cells)
    while asked := next((cell for cell in rest if cell.exercise), None):
        at = rest.index(asked)
        end = next((place for place in range(at + 1, len(rest)) if GRADE in rest[place].source), None)
        if end is None:
            raise DataError(f"exercise {asked.exercise} has no cell below it that grades it")
        found.append(Exercise(asked.exercise, tuple(rest[:at]), asked, tuple(rest[at + 1 : end + 1])))
        rest = rest[end + 1 :]
    return found, rest
