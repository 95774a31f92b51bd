"""Running answers to the exercises of one notebook, all of them in one kernel.

Belongs here: what each answer gets. Does not belong here: what it must get (``cases``).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from kaygraph_viz.course.lessons.handed_in.kernel import Kernel
from kaygraph_viz.course.lessons.handed_in.notebook import (Cell, Exercise, cells_of, exercises_of)
from kaygraph_viz.course.lessons.lesson import split_solution
from tests.notebooks.cases import Case

__all__ = ["Got", "answered", "solutions"]

CELL_S = 120.0  # against hanging; nothing takes that long when all is well
KEEP = "__import__('builtins').kept = dict(globals())"
BACK = "globals().update(kept); lesson.grades.clear()"
ASK = "print(__import__('json').dumps({str(key): grade.sentence for key, grade in lesson.grades.items()}))"


@dataclass(frozen=True)
class Got:
    """What an answer got: the sentence of its grade, or "" without one, and all that its cells have shown."""

    sentence: str
    shown: str


def solutions(path: Path) -> dict[str, str]:
    """Return the solutions of a lesson by its notebook, such as that of ``exercise_1``."""
    return dict(import_module(f"kaygraph_viz.course.lessons.l{path.stem[:2]}").SOLUTIONS)


async def answered(path: Path, cases: list[Case], folder: Path) -> dict[Case, Got]:
    """Return what each answer to the exercises of a notebook got.

    Every answer starts with the variables that the untouched exercise has left; what it has changed inside of them
    stays. The solution comes last: the cells below an exercise are run with it.
    """
    exercises, rest = exercises_of(cells_of(path))
    got = {}
    async with Kernel(folder) as kernel:
        for exercise in exercises:
            await must_run(kernel, exercise.before)
            untouched = await graded(kernel, exercise, exercise.asked.source)
            await kernel.run(KEEP, CELL_S, silent=True)
            answers = [case for case in cases if case.exercise == exercise.number]
            for case in sorted(answers, key=lambda case: case.kind == "solution"):
                await kernel.run(BACK, CELL_S, silent=True)
                source = source_of(path, case)
                got[case] = untouched if source is None else await graded(kernel, exercise, source)
            if not any(case.kind == "solution" for case in answers):
                await graded(kernel, exercise, solution(path, exercise.number))
        await must_run(kernel, rest)
    return got


def source_of(path: Path, case: Case) -> str | None:
    """Return the text of the exercise's cell, or None where it is left as it is."""
    if case.kind == "solution":
        return solution(path, case.exercise)
    return None if case.source is None else textwrap.dedent(case.source).strip()


def solution(path: Path, number: int) -> str:
    return split_solution(solutions(path)[f"exercise_{number}"])[1]


async def graded(kernel: Kernel, exercise: Exercise, source: str) -> Got:
    """Run the cell of an exercise with a text, and the cells below it up to the grade."""
    runs = [await kernel.run(cell, CELL_S) for cell in [source, *(cell.source for cell in exercise.after)]]
    assert {"late", "died"}.isdisjoint(run.end for run in runs), f"the kernel is lost after this answer:\n{source}"
    found = json.loads((await kernel.run(ASK, CELL_S, silent=True)).shown)
    return Got(found.get(str(exercise.number), ""), "".join(run.shown for run in runs))


async def must_run(kernel: Kernel, cells: Sequence[Cell]) -> None:
    for cell in cells:
        run = await kernel.run(cell.source, CELL_S)
        assert run.end == "ok", f"this cell ended with {run.error or run.end}:\n{cell.source}"
