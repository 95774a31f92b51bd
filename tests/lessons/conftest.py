"""The lines of a puzzle, for tests of puzzles and of lessons that have one."""

from __future__ import annotations

import pytest


@pytest.fixture
def numbers_of():
    """A function from lines in the right order to the numbers under which a puzzle shows them."""

    def numbers(puzzle, lines):
        shown = [line.split("  ", 1)[1] for line in str(puzzle).splitlines()]
        return [shown.index(line) for line in lines]

    return numbers
