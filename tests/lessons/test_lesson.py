"""Lessons: predictions, grades, hints, puzzles, results, and where the notebooks are."""

from __future__ import annotations

import getpass
import itertools
import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import kaygraph_viz
from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.course import lessons
from kaygraph_viz.course.lessons import l11, notebooks
from kaygraph_viz.course.lessons.goals import (
    Finding,
    Goal,
    all_ok,
    at_least_at_once,
    at_most_at_once,
    faster_than,
    no_idle_worker,
)
from kaygraph_viz.course.lessons.grade import grade
from kaygraph_viz.course.lessons.lesson import Lesson, Parsons, digest, split_solution
from kaygraph_viz.course.lessons.notebooks import notebooks_folder
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import load

ONE_AFTER_THE_OTHER = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 2))

AT_ONCE = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1))

SOLUTION = """\"\"\"Use four workers.

- What do the workers wait for?
- Look at max_workers.
\"\"\"

workers = 4
print(workers)
"""


def test_hints_and_code_are_told_apart():
    assert split_solution(SOLUTION) == (
        ["What do the workers wait for?", "Look at max_workers."],
        "workers = 4\nprint(workers)",
    )


def test_an_exercise_that_is_not_there_is_a_clear_error():
    with pytest.raises(OptionError, match="exercise must be an exercise of 99_nothing"):
        Lesson("99_nothing").show_solution(7)


def test_the_lines_of_a_puzzle_are_shipped_with_the_lesson(numbers_of):
    shipped = Lesson("11_streams_and_recovery").puzzle(
        lambda left: left["shared"]["squares"] == [1, 4, 9, 16, 25],
        {"kv": kaygraph_viz, "itertools": itertools, "__name__": "puzzle"},
    )
    lines = [line for line in split_solution(l11.SOLUTIONS["puzzle_1"])[1].splitlines() if line]
    assert shipped.try_order(numbers_of(shipped, lines)) == "It works."


def test_a_lesson_without_a_puzzle_says_so():
    with pytest.raises(OptionError, match="number must be a puzzle of 11_streams_and_recovery, got 7"):
        Lesson("11_streams_and_recovery").puzzle(lambda left: True, number=7)


def test_the_last_grade_of_each_exercise_is_kept():
    lesson = Lesson("02_data_enrichment")
    assert not lesson.grade(ONE_AFTER_THE_OTHER, [at_least_at_once(2)]).passed
    assert lesson.grade(AT_ONCE, [at_least_at_once(2)]).passed
    assert not lesson.grade(ONE_AFTER_THE_OTHER, [at_least_at_once(2)], exercise=2).passed
    assert lesson.grade(AT_ONCE, [at_least_at_once(2)], exercise=None).passed  # not kept
    assert {key: made.sentence for key, made in lesson.grades.items()} == {
        1: "1 of 1 goals met",
        2: "0 of 1 goals met",
    }


def test_a_notebook_finds_what_it_needs_in_one_place():
    assert [getattr(lessons, name).__name__ for name in ("Lesson", "playground")] == ["Lesson", "playground"]
    assert lessons.goals.all_ok().text == "every branch succeeds"
    assert dir(lessons) == sorted(lessons.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'grades'"):
        _ = lessons.grades


def test_results_are_exported_without_personal_data(tmp_path):
    lesson = Lesson("02_data_enrichment")
    lesson.predict("how many?", 4).compare(4)
    lesson.predict("how fast?", None).compare(2)
    private = Goal("private", lambda trace: Finding(False, f"{Path.home()} of {getpass.getuser()}"))
    lesson.grade(AT_ONCE, [at_least_at_once(2), private])
    found = json.loads(lesson.export(tmp_path / "mine.json").read_text())
    assert found["lesson"] == "02_data_enrichment"
    (exercise,) = found["exercises"]
    assert (exercise["exercise"], exercise["met"], exercise["of"]) == (1, 1, 2)
    assert exercise["goals"][0] == {"goal": "at least 2 branches at once", "is_met": True}
    assert re.fullmatch("[0-9a-f]{64}", exercise["trace"])
    assert found["predictions"] == [{"question": "how many?", "guess": 4, "result": 4, "score": 2}]
    assert found["points"] == {"got": 2, "of": 2}
    assert str(Path.home()) not in json.dumps(found)


def test_a_run_that_is_not_graded_has_no_fingerprint():
    lesson = Lesson("02_data_enrichment")
    lesson.grade(None, [at_least_at_once(2)])
    assert lesson.results()["exercises"][0]["trace"] is None


def shaded_s(ax):
    """Return how wide the shades in a chart are; what they are made of differs from one matplotlib to the next."""
    shades = [patch for patch in ax.patches if patch.get_alpha() == 0.25]
    places = [patch.get_patch_transform().transform_path(patch.get_path()).vertices[:, 0] for patch in shades]
    return [place.max() - place.min() for place in places]


def test_the_offending_place_is_shaded_in_the_readers_own_chart():
    made = grade(AT_ONCE, [at_most_at_once(1)])
    assert shaded_s(made.draw()) == [1]
    assert "data:image/png" in made._repr_html_()


def test_places_that_overlap_are_shaded_once():
    trace = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1), bar("c", "t-1", 1, 6))
    made = grade(trace, [at_least_at_once(3), faster_than(AT_ONCE, 2)])
    assert shaded_s(made.draw()) == [6]


@pytest.mark.parametrize("nothing", [None, "a trace", make_trace()])
def test_nothing_recorded_is_no_error_for_a_reader(nothing):
    made = grade(nothing, [at_least_at_once(2), all_ok()])
    assert not made.passed
    assert "nothing was recorded" in str(made)


def test_a_goal_that_fails_is_not_met():
    assert "could not be checked" in str(grade(AT_ONCE, [Goal("broken", lambda trace: 1 / 0)]))


def test_hostile_texts_are_inert():
    name = "<script>alert(1)</script>"
    page = grade(make_trace(bar(name, "t-1", 0, 1, status="error", error=name)), [all_ok()])._repr_html_()
    assert "<script>" not in page


def test_a_real_run_is_graded():
    with record(clock="virtual") as trace, get_executor("thread", 3) as executor:
        list(executor.imap(str, range(6), name="text"))
    assert grade(trace, [all_ok(6), no_idle_worker(), at_most_at_once(3)]).passed


def test_a_reader_who_met_all_goals_is_told_so():
    assert str(grade(AT_ONCE, [at_least_at_once(2)])).splitlines()[0] == "1 of 1 goals met: well done"
    assert "well done" not in str(grade(AT_ONCE, []))


def test_the_sentence_counts_the_goals_that_are_met():
    made = grade(AT_ONCE, [at_least_at_once(2), at_most_at_once(1)])
    assert made.sentence == "1 of 2 goals met" == str(made).splitlines()[0]
    assert made._repr_html_().startswith("<p><strong>1 of 2 goals met</strong></p>")


def simulated():
    with record(clock="virtual") as trace, span("work"):
        pass
    return trace


def test_equal_runs_have_one_fingerprint(tmp_path):
    assert digest(simulated()) == digest(simulated())
    assert digest(load(simulated().save(tmp_path / "a.jsonl"))) == digest(simulated())


def test_other_runs_have_another():
    runs = [
        make_trace(bar("a", "t-1", 0, 1)),
        make_trace(bar("b", "t-1", 0, 1)),
        make_trace(bar("a", "t-2", 0, 1)),
        make_trace(bar("a", "t-1", 0, 2)),
        make_trace(bar("a", "t-1", 1, 2, queued_s=1)),
        make_trace(bar("a", "t-1", 0, 1, status="error", error="no")),
        make_trace(bar("\ud800", "t-1", 0, 1)),
        make_trace(),
    ]
    assert len({digest(run) for run in runs}) == len(runs)


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


LINES = ["total = 0", "for number in numbers:", "    total += number"]


@pytest.fixture
def puzzle():
    return Parsons(LINES, lambda left: left["total"] == 6, {"numbers": [1, 2, 3]})


def test_lines_are_shown_in_another_order(puzzle, numbers_of):
    assert numbers_of(puzzle, LINES) != [0, 1, 2]


def test_the_right_order_works(puzzle, numbers_of):
    assert puzzle.try_order(numbers_of(puzzle, LINES)) == "It works."


def test_a_wrong_order_is_run_and_told(puzzle, numbers_of):
    wrong = numbers_of(puzzle, [LINES[1], LINES[2], LINES[0]])
    assert puzzle.try_order(wrong).startswith("It does not run: NameError")


def test_a_program_that_does_something_else_is_told(numbers_of):
    other = Parsons(["a = 1", "a = 2"], lambda left: left["a"] == 2)
    assert other.try_order(numbers_of(other, ["a = 2", "a = 1"])) == "It runs, but does not do what it should."


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [1, 2, 3]])
def test_every_line_is_used_once(puzzle, order):
    with pytest.raises(OptionError, match="each of 0 to 2 once"):
        puzzle.try_order(order)


def test_a_syntax_error_is_told_and_not_raised(numbers_of):
    loop = Parsons(["for number in [1]:", "    total = number"], lambda left: left["total"] == 1)
    wrong = numbers_of(loop, ["    total = number", "for number in [1]:"])
    assert loop.try_order(wrong).startswith("It does not run: IndentationError")


def test_every_reader_gets_the_same_order(puzzle):
    assert str(Parsons(LINES, lambda left: True)) == str(puzzle)


def test_a_run_leaves_no_variables_for_the_next_one(puzzle, numbers_of):
    assert puzzle.try_order(numbers_of(puzzle, LINES)) == "It works."
    assert puzzle.try_order(numbers_of(puzzle, [LINES[1], LINES[2], LINES[0]])).startswith("It does not run: NameError")


def test_those_of_the_package_come_first(tmp_path, monkeypatch):
    package, checkout = tmp_path / "_notebooks", tmp_path / "notebooks"
    checkout.mkdir()
    monkeypatch.setattr(notebooks, "FOLDERS", (package, checkout))
    assert notebooks_folder() == checkout
    package.mkdir()
    assert notebooks_folder() == package


def test_an_installation_without_lessons_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "FOLDERS", (tmp_path / "_notebooks",))
    with pytest.raises(DataError, match="this installation has no notebooks"):
        notebooks_folder()
