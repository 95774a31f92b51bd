"""Answers to the exercises of the lessons, and the grade that each must get: a table for each lesson.

A table is a module of the lesson's number, such as ``l01.py``, with a list ``CASES``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

__all__ = ["AT_LEAST", "CASES", "PATHS", "Case", "table_of"]

AT_LEAST = {"solution": 1, "untouched": 1, "right": 2, "wrong": 3, "cheat": 2}  # of each kind, for each exercise


@dataclass(frozen=True)
class Case:
    """An answer to an exercise.

    Parameters
    ----------
    kind
        ``"solution"``: the shipped one. ``"untouched"``: the cell as it is in the notebook. ``"right"``: another right
        answer that a reader would write. ``"wrong"``: one that a reader would write, with a mistake. ``"cheat"``: one
        that only looks as if it did the work.
    name
        The answer in a few words; each is there once in a table.
    source
        The whole text of the exercise's cell; indentation that all lines have is removed. None for the shipped solution
        and for the untouched cell.
    grade
        The goals that are met, such as "3 of 5", as `Grade.sentence` says it.
    says
        A part of what the reader then reads: of a reason, or of anything else that the cells show.
    exercise
        The number of the exercise in the lesson.
    """

    kind: Literal["solution", "untouched", "right", "wrong", "cheat"]
    name: str
    source: str | None = None
    grade: str = ""
    says: str = ""
    exercise: int = 1


def table_of(path: Path) -> list[Case]:
    """Return the table of a lesson by its notebook; the empty list where there is none."""
    name = f"{__name__}.l{path.stem[:2]}"
    return list(import_module(name).CASES) if find_spec(name) is not None else []


PATHS = sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb"))
CASES = [(path, case) for path in PATHS for case in table_of(path)]
