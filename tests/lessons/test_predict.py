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


@pytest.mark.parametrize(("guess", "options"), [("many", None), (True, None), (float("nan"), None), ("c", ["a", "b"])])
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
    assert "no guesses yet" in lesson.calibration()


def test_the_guess_is_drawn_within_the_chart(lesson):
    axes = gantt(make_trace(bar("a", "t", 0, 1)), ax=Figure().add_subplot())
    lesson.predict("when does it end?", 4).draw(axes)
    assert axes.get_xlim()[1] > 4
    assert "your prediction" in [text.get_text() for text in axes.texts]


def test_a_run_without_a_guess_has_a_result_and_no_score(lesson):
    empty = lesson.predict("how many?", None)
    assert str(empty.compare(4)) == "The result was 4 (no guess: shown without a score)."
    assert lesson.predict("which?", None, options=["a", "b"]).compare("b").score is None
    assert lesson.calibration().startswith("no guesses yet")
    lesson.predict("how fast?", 2).compare(2)
    assert "how many?" not in lesson.calibration()
    assert "2 of 2 points" in lesson.calibration()


def test_a_question_without_a_guess_says_how_to_answer_it(lesson):
    assert "write a number instead of None" in repr(lesson.predict("how many?", None))
    assert "write 'a' or 'b' instead of None" in repr(lesson.predict("which?", None, options=["a", "b"]))


@pytest.mark.parametrize("options", [{}, {"times_s": 3}, {"faster_than": make_trace(bar("a", "t", 0, 1))}])
def test_nothing_is_drawn_without_a_guess(lesson, options):
    axes = gantt(make_trace(bar("a", "t", 0, 1)), ax=Figure().add_subplot())
    before = len(axes.lines), len(axes.texts), axes.get_xlim()
    lesson.predict("when?", None).draw(axes, **options)
    assert (len(axes.lines), len(axes.texts), axes.get_xlim()) == before


@pytest.mark.parametrize(
    ("options", "at_s"), [({}, 4), ({"times_s": 0.5}, 2), ({"faster_than": make_trace(bar("a", "t", 0, 2))}, 0.5)]
)
def test_the_line_is_where_the_run_ends_by_the_guess(lesson, options, at_s):
    axes = gantt(make_trace(bar("a", "t", 0, 1)), ax=Figure().add_subplot())
    lesson.predict("how many?", 4).draw(axes, **options)
    assert axes.lines[-1].get_xdata()[0] == at_s
