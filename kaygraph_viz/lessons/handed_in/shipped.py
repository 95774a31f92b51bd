"""The shipped lessons, and what of a handed-in notebook is put into them.

Belongs here: finding the shipped notebook of a lesson, and its exercises with the cells of a learner. Does not belong
here: running them (``grading``).

Only the cells of the exercises are taken, and cells that the learner has added beside them. All others, such as those
that grade, are the shipped ones: what a learner has changed in them, and every stored output, counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kaygraph_viz.errors import DataError, short
from kaygraph_viz.lessons.handed_in.notebook import GRADE, Cell, Exercise, cells_of, exercises_of
from kaygraph_viz.lessons.notebooks import notebooks_folder

__all__ = ["Answer", "answers_to", "lesson_of", "shipped_exercises"]

_LESSON = re.compile(r"""\bLesson\(\s*["'](\w+)["']""")


def lesson_of(cells: Sequence[Cell]) -> str:
    """Return the name of the lesson that a notebook is of, by the cell that sets it up.

    Examples
    --------
    >>> lesson_of([Cell('lesson = Lesson("00_start_here")')])
    '00_start_here'
    """
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
    """What a learner has written for an exercise.

    Parameters
    ----------
    source
        The text of the cell.
    above, below
        Cells that the learner has added above it and below it.
    """

    source: str
    above: tuple[Cell, ...] = ()
    below: tuple[Cell, ...] = ()


def answers_to(shipped: Sequence[Exercise], handed_in: Sequence[Cell]) -> list[Answer | None]:
    """Return the answers to exercises in a handed-in notebook; None for each one whose cell is not there.

    The cell of an exercise is told by its tag, or by its id where tags are lost. One that was split is joined. A cell
    that the learner has added counts, if it is between the grade of the exercise before and the grade of this one.
    """
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
