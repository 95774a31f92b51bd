"""Parsons problems: how lines are shown, and what is said about an order of them."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.lessons.parsons import Parsons

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
