"""Predictions of a reader, kept until they can be compared with measurements.

Belongs here: one prediction and how near it was. Does not belong here: collecting those of a lesson (``lesson``).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.texts import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

    from kaygraph_viz.trace.trace import Trace

__all__ = ["Comparison", "Prediction", "checked_guess"]

NEAR, FAIRLY_NEAR = 1.1, 1.5  # factors
NOTE_GAP_PT, NOTE_STEP_PT, NOTE_DEPTH_PT = 3, 12, 96  # from the line; down at a time; down at most
Guess = float | str


@dataclass(frozen=True)
class Comparison:
    """A prediction compared with a measurement."""

    question: str
    guess: Guess | None
    measured: Guess
    verdict: str  # how near they are, in a few words
    score: int | None  # 2 for very close or right, 1 for close, 0 for all else; None without a guess

    def __repr__(self) -> str:
        if self.guess is None:
            return f"The result was {_text(self.measured)} ({self.verdict})."
        return f"You predicted {_text(self.guess)}; the result was {_text(self.measured)}: {self.verdict}."

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


class Prediction:
    """The answer that a reader expects to a question about a run."""

    def __init__(self, question: str, guess: Guess | None, options: Sequence[str] | None = None) -> None:
        self.question = question
        self.guess = guess
        self.options = options
        self.comparison: Comparison | None = None

    def compare(self, measured: Guess) -> Comparison:
        """Compare the prediction with a measurement, keep the comparison for `Lesson.calibration`, and return it."""
        measured = checked_guess("measured", measured, self.options)
        self.comparison = Comparison(self.question, self.guess, measured, *_judged(self.guess, measured))
        return self.comparison

    def draw(self, ax: Axes, *, times_s: float = 1.0, faster_than: Trace | None = None) -> Axes:
        """Draw the prediction on a Gantt chart as a line: where the run ends by it. Draws nothing without a guess.

        Parameters
        ----------
        ax
            The chart.
        times_s
            What the guess is a multiple of [s].
        faster_than
            The run that the predicted one is as many times as fast as the guess says; then `times_s` has no effect.
        """
        if not isinstance(self.guess, (int, float)):
            return ax
        if faster_than is not None and self.guess <= 0:
            return ax
        x = self.guess * times_s if faster_than is None else faster_than.makespan_s / self.guess
        ax.axvline(x, color="#CC79A7", linestyle=(0, (4, 2)), linewidth=2, zorder=5)
        left, right = ax.get_xlim()
        ax.set_xlim(left, max(right, x * 1.15))
        note = ax.annotate(
            "your prediction",
            (x, 1),
            xycoords=("data", "axes fraction"),
            xytext=(NOTE_GAP_PT, 0),
            textcoords="offset points",
            color="#8F3D6E",
            va="top",
            fontsize=8,
            zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        _place(note, ax)
        return ax

    def __repr__(self) -> str:
        if self.guess is None:
            answers = " or ".join(map(repr, self.options)) if self.options else "a number"
            return f"No prediction yet: write {one_line(answers, 500)} instead of None, and run this cell again."
        return f"Your prediction: {_text(self.guess)}"


def _place(note: Annotation, ax: Axes) -> None:
    """Move a note to the first place beside its line, from the top down, that neither legend nor other texts cover."""
    legend = ax.get_legend()
    taken = [text.get_window_extent() for text in ax.texts if text is not note and text.get_text()]
    taken += [legend.get_window_extent()] if legend is not None else []
    sides: tuple[tuple[Literal["left", "right"], int], ...] = (("left", NOTE_GAP_PT), ("right", -NOTE_GAP_PT))
    places = [*product(range(-NOTE_STEP_PT, NOTE_DEPTH_PT, NOTE_STEP_PT), sides)]
    for down_pt, (side, gap_pt) in [*places, places[0]]:  # the first again where none is free
        note.set_horizontalalignment(side)
        note.xyann = (gap_pt, -down_pt)
        box = note.get_window_extent()
        if box.x0 >= ax.bbox.x0 and not box.count_overlaps(taken):
            return


def checked_guess(name: str, guess: Any, options: Sequence[str] | None) -> Guess:
    """Return a guess that is a number, or one of the options."""
    if options is not None:
        if guess not in options:
            raise OptionError(name, guess, f"one of {', '.join(map(repr, options))}", f"{name}={options[0]!r}")
        return str(guess)
    if isinstance(guess, bool) or not isinstance(guess, (int, float)) or guess != guess:
        raise OptionError(name, guess, "a number", f"{name}=4")
    return guess


def _judged(guess: Guess | None, measured: Guess) -> tuple[str, int | None]:
    if guess is None:
        return "no guess: shown without a score", None
    if isinstance(guess, str) or isinstance(measured, str):
        return ("right", 2) if guess == measured else ("wrong", 0)
    if guess == measured:
        return "exactly", 2
    if guess <= 0 or measured <= 0:
        return ("too high" if guess > measured else "too low"), 0
    factor = max(guess / measured, measured / guess)
    if factor <= NEAR:
        return "very close", 2
    where = "too high" if guess > measured else "too low"
    return f"{where} by a factor of {factor:.1f}", 1 if factor <= FAIRLY_NEAR else 0


def _text(guess: Guess) -> str:
    return one_line(guess) if isinstance(guess, str) else f"{guess:.3g}"
