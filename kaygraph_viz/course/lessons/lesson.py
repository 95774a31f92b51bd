"""One lesson: its predictions, grades, hints, puzzles and solutions, and which variables of its notebook are old.

Belongs here: the object that a notebook uses, and what it hands on as plain data: goals, points and fingerprints of
runs, and nothing of the person or the machine. Does not belong here: grading (``grade``, ``goals``), predictions
(``predict``).

A cell that ends with an error, that is interrupted or that is no Python makes the variables old that it sets. What
other cells make of an old variable is old, too. A cell that sets them without an error makes them new again.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from symtable import SymbolTable, symtable
from typing import Any
from zlib import crc32

from kaygraph_viz.base.checks import checked_whole
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.texts import one_line, visible
from kaygraph_viz.course.lessons.goals import Goal
from kaygraph_viz.course.lessons.grade import Grade, grade
from kaygraph_viz.course.lessons.in_browser import holds, prepare_a_browser_tab
from kaygraph_viz.course.lessons.predict import Guess, Prediction, checked_guess
from kaygraph_viz.trace.files import written
from kaygraph_viz.trace.row import describe_error
from kaygraph_viz.trace.trace import Trace

__all__ = ["Cells", "Lesson", "Parsons", "cells_here", "digest", "names_in", "split_solution"]

# What a cell sets that is no Python: functions and classes, what a line begins with, and the names of `with` blocks.
_SET = re.compile(r"^(?:async )?(?:def|class) (\w+)|^(\w+)\s*=(?!=)|^ +(\w+) = |\bas (\w+)\s*[:,]", re.MULTILINE)
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

_watched: list[tuple[Any, Cells]] = []  # the IPython of this process, once a lesson has begun in it


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
        try:
            text = import_module(f"kaygraph_viz.course.lessons.l{self.name[:2]}").SOLUTIONS[f"{what}_{number}"]
        except (ModuleNotFoundError, KeyError):
            kind = "an exercise" if what == "exercise" else f"a {what}"
            raise OptionError(option, number, f"{kind} of {self.name}", example) from None
        return split_solution(text)

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
        exercises = [
            {
                "exercise": number,
                "met": sum(found.is_met for found in grade.findings),
                "of": len(grade.findings),
                "goals": [  # without reasons: they may quote paths
                    {"goal": goal.text, "is_met": found.is_met}
                    for goal, found in zip(grade.goals, grade.findings, strict=True)
                ],
                "trace": None if grade.trace is None else digest(grade.trace),
            }
            for number, grade in sorted(self.grades.items())
        ]
        predictions: list[dict[str, Any]] = []
        for made in self.predictions:
            if made.guess is not None:
                found = made.comparison
                result, score = (None, None) if found is None else (found.measured, found.score)
                predictions.append({"question": made.question, "guess": made.guess, "result": result, "score": score})
        scores = [each["score"] for each in predictions if each["score"] is not None]
        try:
            ours = version("kaygraph-viz")
        except PackageNotFoundError:
            ours = "a checkout"
        return {
            "lesson": self.name,
            "kaygraph_viz": ours,
            "exercises": exercises,
            "predictions": predictions,
            "points": {"got": sum(scores), "of": 2 * len(scores)},
        }

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


class Parsons:
    """A program whose lines a reader puts in order."""

    def __init__(
        self, lines: Sequence[str], check: Callable[[Mapping[str, Any]], bool], given: Mapping[str, Any] | None = None
    ) -> None:
        self._check = check
        self._given = dict(given or {})
        self._shuffled = list(lines)
        chance = random.Random(crc32("\n".join(lines).encode("utf-8", "replace")))  # the same for every reader
        while len(lines) > 1 and self._shuffled == list(lines):
            chance.shuffle(self._shuffled)

    def try_order(self, order: Sequence[int]) -> str:
        """Run the lines in an order and return in words whether the program passes the check.

        Parameters
        ----------
        order
            The numbers of the lines, each once.
        """
        if sorted(order) != list(range(len(self._shuffled))):
            expected = f"each of 0 to {len(self._shuffled) - 1} once"
            raise OptionError("order", list(order), expected, f"order={list(range(len(self._shuffled)))}")
        program = "\n".join(self._shuffled[number] for number in order)
        left = dict(self._given)
        try:
            exec(compile(program, "<your order>", "exec"), left)  # noqa: S102  (lines of the lesson itself)
            works = self._check(left)
        except Exception as error:
            return f"It does not run: {describe_error(error)}"
        return "It works." if works else "It runs, but does not do what it should."

    def __str__(self) -> str:
        return visible("\n".join(f"{number}  {line}" for number, line in enumerate(self._shuffled)))

    __repr__ = __str__


def split_solution(text: str) -> tuple[list[str], str]:
    """Return the hints, which are the list items of the docstring, and the code of a solution."""
    tree = ast.parse(text)
    points = (ast.get_docstring(tree) or "").split("\n- ")[1:]
    hints = [" ".join(point.split()) for point in points]
    first = tree.body[1].lineno if len(tree.body) > 1 else len(text.splitlines()) + 1
    return hints, "\n".join(text.splitlines()[first - 1 :]).strip("\n")


def digest(trace: Trace) -> str:
    """Return a fingerprint of a run: of what ran when, with which end. Of two equal runs, it is the same."""
    zero = min((span.submitted_ns for span in trace), default=0)
    made = hashlib.sha256()
    for span in trace:
        times = (span.submitted_ns - zero, span.started_ns - zero, span.ended_ns - zero)
        made.update(repr((span.kind, span.name, span.lane, *times, span.status)).encode("utf-8", "surrogatepass"))
    return made.hexdigest()


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Return the variables that a cell sets and those that it reads."""
    try:
        tree = ast.parse(source)
        return set(_set_by(tree)), set(_read_by(symtable(ast.unparse(_Plain().visit(tree)), "a cell", "exec")))
    except (SyntaxError, ValueError, RecursionError):
        return {name for found in _SET.findall(source) for name in found if name}, set()


def _set_by(tree: ast.AST) -> Iterator[str]:
    """Yield the names that are set outside of functions and classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            variable: ast.expr = node
            while isinstance(variable, (ast.Attribute, ast.Subscript)):  # ``variable.a[0].b``
                variable = variable.value
            if isinstance(variable, ast.Name):
                yield variable.id
        if not isinstance(node, _INNER):
            yield from _set_by(node)


class _Plain(ast.NodeTransformer):
    """Makes code with the same names of which a table of names tells the same with every Python."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return ast.copy_location(ast.For(**dict(ast.iter_fields(self.generic_visit(node)))), node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        return ast.copy_location(ast.With(**dict(ast.iter_fields(self.generic_visit(node)))), node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.is_async = 0
        return self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    visit_SetComp = visit_ListComp  # noqa: N815  (as `ast` calls it)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return self.generic_visit(ast.GeneratorExp(pair, node.generators))


def _read_by(table: SymbolTable) -> Iterator[str]:
    """Yield the variables of the notebook that are read, also inside of functions; their own variables are others."""
    is_outermost = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_outermost or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _read_by(inner)


class Cells:
    """The old variables of a notebook, each with what happened to the cell that was to make it anew."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self.old: dict[str, str] = {}
        self._sets: set[str] = set()  # by the present cell
        self._reads: set[str] = set()

    def begins(self, source: str) -> None:
        """Note that a cell begins."""
        self._sets, self._reads = names_in(source)

    def ended(self, source: str, error: BaseException | None) -> None:
        """Note that a cell has ended, and with which error."""
        sets, reads = names_in(source)
        why = next((self.old[name] for name in sorted(reads - sets) if name in self.old), None)
        if error is not None:
            why = _told(error)
        for name in sets:
            if why is None:
                self.old.pop(name, None)
            else:
                self.old[name] = why

    def old_one(self, value: object) -> tuple[str, str] | None:
        """Return an old variable that holds a value or that the present cell reads, and what happened to its cell."""
        holds = [name for name, held in list(self._variables.items()) if held is value]
        asked = [name for name in [*holds, *sorted(self._reads)] if name not in self._sets]
        return next(((name, self.old[name]) for name in asked if name in self.old), None)


def _told(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return "was interrupted"
    return f"ended with an error ({one_line(type(error).__name__)})"


def cells_here() -> Cells | None:
    """Return what is known of the cells of this notebook, or None outside of IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return None
    if not _watched or _watched[0][0] is not shell:
        _watched[:] = [(shell, _watch(shell))]
    return _watched[0][1]


def _watch(shell: Any) -> Cells:
    cells = Cells(shell.user_ns)

    def ended(result: Any) -> None:
        if result.info is not None:
            cells.ended(_as_python(shell, result.info.raw_cell), result.error_before_exec or result.error_in_exec)

    shell.events.register("pre_run_cell", lambda info: cells.begins(_as_python(shell, info.raw_cell)))
    shell.events.register("post_run_cell", ended)
    return cells


def _as_python(shell: Any, cell: str) -> str:
    """Return a cell without IPython's additions to Python, or as it is where they cannot be told."""
    try:
        return str(shell.transform_cell(cell))
    except SyntaxError:
        return cell
