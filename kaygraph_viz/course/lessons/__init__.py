"""Lessons: the predictions, grades, hints and solutions of a notebook.

Belongs here: what a notebook uses beside the library itself. Does not belong here: the notebooks (``notebooks/``),
panels (``widgets``).

``l07`` is what only lesson 7 uses, so that its set-up is one line, and its ``SOLUTIONS``: the text that replaces the
cell of ``exercise_1``, and the program whose lines ``puzzle_1`` shuffles. The docstring of a solution says what it
does; its list items are the hints, of which the first tells least. Tests run the solutions in the notebooks.

A notebook needs three names, and each is loaded when it is first used (PEP 562):

>>> from kaygraph_viz.course.lessons import Lesson, goals, playground
>>> lesson = Lesson("00_start_here")
>>> guess = lesson.predict("How many times as fast are two workers?", 2)
>>> guess.compare(1.9)
You predicted 2; the result was 1.9: very close.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kaygraph_viz.course.lessons import goals as goals
    from kaygraph_viz.course.lessons.lesson import Lesson as Lesson
    from kaygraph_viz.course.lessons.playgrounds import playground as playground

_MODULE_OF = {"Lesson": "lesson", "playground": "playgrounds"}

__all__ = ["Lesson", "goals", "playground"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "goals":
        return import_module(f"{__name__}.goals")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value  # the next look-up finds it directly
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
