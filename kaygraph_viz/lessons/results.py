"""What a reader has reached in a lesson, as plain data.

Belongs here: which facts are handed on: goals, points and fingerprints of runs, and nothing of the person or the
machine. Does not belong here: grading (``grade``), writing files (``lesson``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kaygraph_viz.lessons.grade import Grade
from kaygraph_viz.lessons.predict import Prediction
from kaygraph_viz.trace.trace import Trace

__all__ = ["digest", "results"]


def results(name: str, grades: Mapping[int, Grade], predictions: Iterable[Prediction]) -> dict[str, Any]:
    """Return the goals that are met and the points for predictions; reasons are left out: they may quote paths.

    Parameters
    ----------
    name
        The name of the lesson.
    grades
        The last grade of each exercise, by its number.
    predictions
        The predictions; those that were not compared, or had no guess, have no score.
    """
    made = [each for each in predictions if each.guess is not None]
    scores = [
        each.comparison.score for each in made if each.comparison is not None and each.comparison.score is not None
    ]
    exercises = [
        {
            "exercise": number,
            "met": sum(found.is_met for found in grade.findings),
            "of": len(grade.findings),
            "goals": [
                {"goal": goal.text, "is_met": found.is_met}
                for goal, found in zip(grade.goals, grade.findings, strict=True)
            ],
            "trace": None if grade.trace is None else digest(grade.trace),
        }
        for number, grade in sorted(grades.items())
    ]
    return {
        "lesson": name,
        "kaygraph_viz": _version(),
        "exercises": exercises,
        "predictions": [_prediction(each) for each in made],
        "points": {"got": sum(scores), "of": 2 * len(scores)},
    }


def _prediction(made: Prediction) -> dict[str, Any]:
    found = made.comparison
    result, score = (None, None) if found is None else (found.measured, found.score)
    return {"question": made.question, "guess": made.guess, "result": result, "score": score}


def digest(trace: Trace) -> str:
    """Return a fingerprint of a run: of what ran when, with which end. Of two equal runs, it is the same.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> digest(make_trace(bar("a", "t-1", 0, 1))) == digest(make_trace(bar("a", "t-1", 0, 1)))
    True
    >>> digest(make_trace(bar("a", "t-1", 0, 1))) == digest(make_trace(bar("a", "t-1", 0, 2)))
    False
    """
    zero = min((span.submitted_ns for span in trace), default=0)
    made = hashlib.sha256()
    for span in trace:
        times = (span.submitted_ns - zero, span.started_ns - zero, span.ended_ns - zero)
        made.update(repr((span.kind, span.name, span.lane, *times, span.status)).encode("utf-8", "surrogatepass"))
    return made.hexdigest()


def _version() -> str:
    try:
        return version("kaygraph-viz")
    except PackageNotFoundError:
        return "a checkout"
