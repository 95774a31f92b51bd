"""Hints, solutions and puzzles."""

from __future__ import annotations

import itertools
from importlib.resources import files

import pytest

import kaygraph_viz
from kaygraph_viz.errors import OptionError
from kaygraph_viz.lessons.lesson import Lesson, split_solution
from kaygraph_viz.lessons.parsons import Parsons

SOLUTION = """\"\"\"Use four workers.

- What do the workers wait for?
- Look at max_workers.
\"\"\"

workers = 4
print(workers)
"""


def test_a_hint_may_take_several_lines():
    text = '"""What it is.\n\n- First\n  and more.\n- Second.\n"""\nx = 1'
    assert split_solution(text) == (["First and more.", "Second."], "x = 1")


def test_hints_and_code_are_told_apart():
    assert split_solution(SOLUTION) == (
        ["What do the workers wait for?", "Look at max_workers."],
        "workers = 4\nprint(workers)",
    )


def test_an_exercise_that_is_not_there_is_a_clear_error():
    with pytest.raises(OptionError, match="exercise must be an exercise of 99_nothing"):
        Lesson("99_nothing").show_solution(7)


LINES = ["total = 0", "for number in numbers:", "    total += number"]


@pytest.fixture
def puzzle():
    return Parsons(LINES, lambda left: left["total"] == 6, {"numbers": [1, 2, 3]})


def numbers_of(puzzle, lines):
    shown = [line.split("  ", 1)[1] for line in str(puzzle).splitlines()]
    return [shown.index(line) for line in lines]


def test_lines_are_shown_in_another_order(puzzle):
    assert numbers_of(puzzle, LINES) != [0, 1, 2]


def test_the_right_order_works(puzzle):
    assert puzzle.try_order(numbers_of(puzzle, LINES)) == "It works."


def test_a_wrong_order_is_run_and_told(puzzle):
    wrong = numbers_of(puzzle, [LINES[1], LINES[2], LINES[0]])
    assert puzzle.try_order(wrong).startswith("It does not run: NameError")


def test_a_program_that_does_something_else_is_told():
    other = Parsons(["a = 1", "a = 2"], lambda left: left["a"] == 2)
    assert other.try_order(numbers_of(other, ["a = 2", "a = 1"])) == "It runs, but does not do what it should."


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [1, 2, 3]])
def test_every_line_is_used_once(puzzle, order):
    with pytest.raises(OptionError, match="each of 0 to 2 once"):
        puzzle.try_order(order)


def test_the_lines_of_a_puzzle_are_shipped_with_the_lesson():
    shipped = Lesson("05_pipeline").puzzle(
        lambda left: left["shared"]["squares"] == [1, 4, 9, 16, 25],
        {"kv": kaygraph_viz, "itertools": itertools, "__name__": "puzzle"},
    )
    source = files("kaygraph_viz.lessons.solutions").joinpath("l05_puzzle_1.py").read_text(encoding="utf-8")
    lines = [line for line in split_solution(source)[1].splitlines() if line]
    assert shipped.try_order(numbers_of(shipped, lines)) == "It works."


def test_a_lesson_without_a_puzzle_says_so():
    with pytest.raises(OptionError, match="number must be a puzzle of 05_pipeline, got 7"):
        Lesson("05_pipeline").puzzle(lambda left: True, number=7)
