"""Parsons problems: the lines of a program in the wrong order.

Belongs here: shuffling them, and running them in a reader's order. Does not belong here: the lines (``solutions``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zlib import crc32

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.texts import visible
from kaygraph_viz.trace.row import describe_error

__all__ = ["Parsons"]


class Parsons:
    """A program whose lines a reader puts in order.

    Parameters
    ----------
    lines
        The lines in the right order, with their indentation.
    check
        A function of the variables after the program that returns whether they are right. Orders other than that of
        `lines` may pass, too.
    given
        Variables that the program may use.

    Examples
    --------
    >>> puzzle = Parsons(["a = 1", "b = a + 1"], lambda left: left["b"] == 2)
    >>> print(puzzle)
    0  b = a + 1
    1  a = 1
    >>> puzzle.try_order([1, 0])
    'It works.'
    """

    def __init__(
        self, lines: Sequence[str], check: Callable[[Mapping[str, Any]], bool], given: Mapping[str, Any] | None = None
    ) -> None:
        self._check = check
        self._given = dict(given or {})
        self._shuffled = list(lines)
        chance = random.Random(crc32("\n".join(lines).encode("utf-8", "replace")))  # noqa: S311  (the same for every reader)
        while len(lines) > 1 and self._shuffled == list(lines):
            chance.shuffle(self._shuffled)

    def try_order(self, order: Sequence[int]) -> str:
        """Run the lines in an order and return in words whether the program passes the check.

        Parameters
        ----------
        order
            The numbers of the lines, each once.
        """
        if sorted(order) != list(range(len(self._shuffled))):
            expected = f"each of 0 to {len(self._shuffled) - 1} once"
            raise OptionError("order", list(order), expected, f"order={list(range(len(self._shuffled)))}")
        program = "\n".join(self._shuffled[number] for number in order)
        left = dict(self._given)
        try:
            exec(compile(program, "<your order>", "exec"), left)  # noqa: S102  (lines of the lesson itself)
            works = self._check(left)
        except Exception as error:
            return f"It does not run: {describe_error(error)}"
        return "It works." if works else "It runs, but does not do what it should."

    def __str__(self) -> str:
        return visible("\n".join(f"{number}  {line}" for number, line in enumerate(self._shuffled)))

    __repr__ = __str__
