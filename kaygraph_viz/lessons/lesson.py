"""One lesson: its predictions, grades, hints, puzzles and solutions.

Belongs here: the object that a notebook uses. Does not belong here: grading (``grade``, ``goals``), predictions
(``predict``).
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from kaygraph_viz.checks import checked_whole
from kaygraph_viz.errors import OptionError
from kaygraph_viz.lessons.cells import cells_here
from kaygraph_viz.lessons.goals.goal import Goal
from kaygraph_viz.lessons.grade import Grade, grade
from kaygraph_viz.lessons.in_browser import holds, prepare_a_browser_tab
from kaygraph_viz.lessons.parsons import Parsons
from kaygraph_viz.lessons.predict import Guess, Prediction, checked_guess
from kaygraph_viz.lessons.results import results
from kaygraph_viz.trace.disk import written
from kaygraph_viz.trace.trace import Trace

__all__ = ["Lesson", "split_solution"]


class Lesson:
    """The lesson of one notebook.

    Parameters
    ----------
    name
        The name of the notebook, without its ending.

    Examples
    --------
    >>> lesson = Lesson("01_parallel_validation")
    >>> lesson.predict("Which check takes longest?", "format", options=["format", "external"])
    Your prediction: format
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.predictions: list[Prediction] = []
        self.grades: dict[int, Grade] = {}  # the last of each exercise, by its number
        self._cells = cells_here()
        prepare_a_browser_tab()

    def predict(self, question: str, guess: Guess | None, options: Sequence[str] | None = None) -> Prediction:
        """Keep a reader's `Prediction`, or None for none yet; a second one for a question replaces the first."""
        made = Prediction(question, None if guess is None else checked_guess("guess", guess, options), options)
        self.predictions = [*(old for old in self.predictions if old.question != question), made]
        return made

    def grade(self, trace: Trace, goals: Sequence[Goal], *, exercise: int | None = 1) -> Grade:
        """Grade a run of an exercise; never raises for what a reader's code did.

        A run is not graded where the cell that was to make it anew ended with an error.

        Parameters
        ----------
        trace
            The recorded run.
        goals
            What is expected of it.
        exercise
            The number of the exercise in the lesson, from 1; None for a run of your own, whose grade is not kept.
        """
        refusal = ""
        old = self._cells.old_one(trace) if self._cells is not None else None
        if old is not None:
            name, happened = old
            refusal = f"the last cell that sets {name} {happened}: correct it, run it, and then run this cell again"
        found = grade(trace, goals, refusal)
        if exercise is not None:
            self.grades[exercise] = found
        return found

    def hint(self, number: int, exercise: int = 1) -> None:
        """Print one hint for an exercise; the first one tells least.

        Parameters
        ----------
        number
            The number of the hint, from 1.
        exercise
            The number of the exercise in the lesson, from 1.
        """
        hints = self._solution("exercise", exercise)[0]
        print(hints[checked_whole("number", number, 1, len(hints), "lesson.hint(1)") - 1])

    def show_solution(self, exercise: int = 1) -> None:
        """Print the solution of an exercise."""
        print(self._solution("exercise", exercise)[1])

    def puzzle(
        self, check: Callable[[Mapping[str, Any]], bool], given: Mapping[str, Any] | None = None, *, number: int = 1
    ) -> Parsons:
        """Return the shuffled lines of a program that is not in the notebook.

        Parameters
        ----------
        check, given
            As for `Parsons`.
        number
            The number of the puzzle in the lesson, from 1.

        Raises
        ------
        OptionError
            If the lesson has no such puzzle.
        """
        program = self._solution("puzzle", number, "number", "lesson.puzzle(check, number=1)")[1]
        return Parsons([line for line in program.splitlines() if line.strip()], check, given)

    def _solution(
        self, what: str, number: int, option: str = "exercise", example: str = "lesson.show_solution(1)"
    ) -> tuple[list[str], str]:
        """Return the hints and the code of a solution."""
        source = files("kaygraph_viz.lessons.solutions").joinpath(f"l{self.name[:2]}_{what}_{number}.py")
        if not source.is_file():
            kind = "an exercise" if what == "exercise" else f"a {what}"
            raise OptionError(option, number, f"{kind} of {self.name}", example)
        return split_solution(source.read_text(encoding="utf-8"))

    def check(self, *checks: Callable[[], object]) -> None:
        """Print how many checks of the cells above hold; those whose cells a browser tab has skipped are counted.

        Parameters
        ----------
        *checks
            Functions without parameters, which return whether something holds.

        Examples
        --------
        >>> Lesson("00_start_here").check(lambda: 1 + 1 == 2, lambda: 1 + 1 == 3)
        checks: 1/2
        """
        found = [holds(check) for check in checks]
        skipped = found.count(None)
        print(f"checks: {found.count(True)}/{len(found)}" + (f", {skipped} skipped" if skipped else ""))

    def calibration(self) -> str:
        """Return how near the predictions of this lesson were, two lines each; one without a guess has no score."""
        compared = [prediction.comparison for prediction in self.predictions if prediction.comparison is not None]
        made = [each for each in compared if each.score is not None]
        if not made:
            return "no guesses yet: write one before you run a cell, and you remember more, right or wrong"
        points = sum(each.score or 0 for each in made)
        lines = [f"{each.question}\n    {each!r}" for each in made]
        return "\n".join([*lines, f"{points} of {2 * len(made)} points; you learn most where a prediction was wrong"])

    def results(self) -> dict[str, Any]:
        """Return the goals that are met and the scores of predictions as plain data, without personal data."""
        return results(self.name, self.grades, self.predictions)

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the goals that are met and the scores of predictions to a JSON file; a file that is there is replaced.

        It has the lesson, its goals, points, fingerprints of the graded runs, and the version of the package. Neither
        the person nor the machine is named in it.

        Parameters
        ----------
        path
            The file, such as ``"results.json"``.

        Returns
        -------
        Path
            The file.
        """
        with written(Path(path)) as stream:
            stream.write(json.dumps(self.results(), indent=1).encode())
        return Path(path)

    def __repr__(self) -> str:
        return f"<Lesson {self.name}>"


def split_solution(text: str) -> tuple[list[str], str]:
    """Return the hints, which are the list items of the docstring, and the code of a solution."""
    tree = ast.parse(text)
    points = (ast.get_docstring(tree) or "").split("\n- ")[1:]
    hints = [" ".join(point.split()) for point in points]
    first = tree.body[1].lineno if len(tree.body) > 1 else len(text.splitlines()) + 1
    return hints, "\n".join(text.splitlines()[first - 1 :]).strip("\n")
