"""Predictions: valid guesses, and how near they were."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from kaygraph_viz.errors import OptionError
from kaygraph_viz.lessons.lesson import Lesson
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace


@pytest.fixture
def lesson():
    return Lesson("01_parallel_validation")


@pytest.mark.parametrize(
    ("guess", "measured", "verdict", "score"),
    [
        (4, 4, "exactly", 2),
        (4, 3.8, "very close", 2),
        (4, 3, "too high by a factor of 1.3", 1),
        (1, 4, "too low by a factor of 4.0", 0),
        (0, 4, "too low", 0),
        (-1, -2, "too high", 0),
    ],
)
def test_numbers_are_compared_by_their_ratio(lesson, guess, measured, verdict, score):
    found = lesson.predict("how many?", guess).compare(measured)
    assert (found.verdict, found.score) == (verdict, score)


def test_options_are_right_or_not(lesson):
    assert lesson.predict("which?", "a", options=["a", "b"]).compare("a").score == 2
    assert lesson.predict("which?", "a", options=["a", "b"]).compare("b").score == 0


@pytest.mark.parametrize(
    ("guess", "options"), [("many", None), (True, None), (float("nan"), None), ("c", ["a", "b"]), (None, ["a"])]
)
def test_other_guesses_are_refused(lesson, guess, options):
    with pytest.raises(OptionError, match="guess"):
        lesson.predict("how many?", guess, options)


@pytest.mark.parametrize("at_s", [0.0, 1.0, 1.9, 2.0, 2.1, 3.0, 4.0])
def test_the_guess_is_not_written_over_other_texts(lesson, at_s):
    first = bar("TheNameOfANode", "main", 0, 4, kind="node"), [bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 4)]
    second = bar("c", "main", 4, 4.5, kind="node"), [bar("c", "t-1", 4, 4.5)]
    axes = gantt(make_trace(first, second))
    lesson.predict("when does it end?", at_s).draw(axes)
    *others, note = (text for text in axes.texts if text.get_text())
    assert "TheNameOfANode" in [text.get_text() for text in others]
    box, legend = note.get_window_extent(), axes.get_legend().get_window_extent()
    assert not box.count_overlaps([legend, *(text.get_window_extent() for text in others)])
    assert axes.bbox.x0 <= box.x0
    assert box.x1 <= axes.figure.bbox.x1


def test_a_second_guess_takes_the_place_of_the_first(lesson):
    lesson.predict("how many?", 1)
    lesson.predict("how many?", 2).compare(2)
    assert len(lesson.predictions) == 1
    assert "2 of 2 points" in lesson.calibration()


def test_without_a_comparison_there_is_nothing_to_calibrate(lesson):
    lesson.predict("how many?", 1)
    assert "no prediction" in lesson.calibration()


def test_the_guess_is_drawn_within_the_chart(lesson):
    axes = gantt(make_trace(bar("a", "t", 0, 1)), ax=Figure().add_subplot())
    lesson.predict("when does it end?", 4).draw(axes)
    assert axes.get_xlim()[1] > 4
    assert "your prediction" in [text.get_text() for text in axes.texts]
