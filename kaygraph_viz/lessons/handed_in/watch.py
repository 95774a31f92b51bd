"""Inside the kernel of a handed-in notebook: what an answer must not change, and what it reached.

Belongs here: the variables of the lesson, the functions of this package. Does not belong here: which cells are run
(``grading``).

This makes it hard to change a grade by accident or with little effort. It is no wall: an answer runs in the same
process, and whoever knows Python well can get around it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from kaygraph_viz.lessons.lesson import Lesson

__all__ = ["Watch"]

PACKAGE = "kaygraph_viz"


class Watch:
    """What the cells of a lesson have left before an answer runs.

    Parameters
    ----------
    variables
        The variables of the notebook.
    """

    def __init__(self, variables: dict[str, Any]) -> None:
        self._variables = variables
        self._kept: dict[str, Any] = {}
        self._functions: dict[str, object] = {}

    def keep(self) -> None:
        """Remember the variables and the functions as they are before an answer."""
        self._kept = dict(self._variables)
        self._functions = dict(_functions())

    def restore(self, answers: set[str]) -> None:
        """Put back the variables that an answer has changed, but not those that it is asked to set; forget grades."""
        for name, value in self._kept.items():
            if name not in answers and not name.startswith("_") and self._variables.get(name) is not value:
                self._variables[name] = value
        lesson = self._variables.get("lesson")
        if isinstance(lesson, Lesson):
            lesson.grades.clear()

    def report(self, exercise: int) -> str:
        """Return as JSON the grade of an exercise, or null, and the functions of the package that were changed."""
        now = dict(_functions())
        changed = sorted(name for name, code in self._functions.items() if now.get(name) is not code)
        lesson = self._variables.get("lesson")
        grades = lesson.results()["exercises"] if isinstance(lesson, Lesson) else []
        found = next((each for each in grades if each["exercise"] == exercise), None)
        return json.dumps({"grade": found, "changed": changed})


def _functions() -> Iterator[tuple[str, object]]:
    """Yield the code of each function of the package that is loaded, by its full name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] == PACKAGE:
            for name, value in list(vars(module).items()):
                yield from _code(f"{module_name}.{name}", value)
                if isinstance(value, type) and value.__module__.partition(".")[0] == PACKAGE:
                    for inner, member in list(vars(value).items()):
                        yield from _code(f"{module_name}.{name}.{inner}", member)


def _code(name: str, value: object) -> Iterator[tuple[str, object]]:
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    if isinstance(inner, FunctionType):
        yield name, inner.__code__
    elif isinstance(value, type):
        yield name, value
