"""Texts cut so that they can still be told apart: which characters of a name are kept.

Belongs here: where the names of one chart are cut. Does not belong here: how wide a text is drawn (``text``), and
making the texts of others harmless (``labels``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import accumulate, islice, takewhile

__all__ = ["Shortener"]

ELLIPSIS = "…"
SHORTEST = 3  # characters: fewer say nothing
MOST_COMPARED = 500  # texts with one beginning, or one end
LAST = "\U0010ffff"  # the last of all characters


class Shortener:
    """The texts of one chart, which cuts each of them so that it stays another one than the others."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._all = frozenset(texts)

    @cached_property
    def _texts(self) -> list[str]:
        return sorted(self._all)

    @cached_property
    def _backwards(self) -> list[str]:
        return sorted(text[::-1] for text in self._all)

    def cut(self, text: str, room: float, width: Callable[[str], float] = len) -> str:
        """Return a text cut to some room; empty if fewer than three characters fit."""
        widths = [width(char) for char in text]
        if sum(widths) <= room:
            return text
        room -= width(ELLIPSIS)
        count = _count(widths, room)
        if count < SHORTEST:
            return ""
        for head, tail in self._ways(text, widths, room, count):
            if self._is_alone(head, tail):
                return head.rstrip() + ELLIPSIS + tail.lstrip()
        return text[:count].rstrip() + ELLIPSIS

    @staticmethod
    def _ways(text: str, widths: list[float], room: float, count: int) -> Iterator[tuple[str, str]]:
        """Yield what is kept of a text at its begin and at its end, in the order of preference."""
        yield text[:count], ""
        first = _count(widths, room / 2)
        last = _count(widths[::-1], room - sum(widths[:first]))
        if first > 1 and last:  # one character of the begin says nothing
            yield text[:first], text[-last:]
        end = text[-_count(widths[::-1], room) :]
        if words := end.partition(" ")[2]:  # whole words say more than a piece of one before them
            yield "", words
        yield "", end

    def _is_alone(self, head: str, tail: str) -> bool:
        """Return whether a single text that is longer than that has this begin and this end."""
        forwards, backwards = _beginning(self._texts, head), _beginning(self._backwards, tail[::-1])
        if len(forwards) <= len(backwards):
            few = (self._texts[place] for place in forwards)
        else:
            few = (self._backwards[place][::-1] for place in backwards)
        least = len(head) + len(tail)
        same = (
            one
            for one in islice(few, MOST_COMPARED)
            if len(one) > least and one.startswith(head) and one.endswith(tail)
        )
        return len(list(islice(same, 2))) == 1


def _count(widths: list[float], room: float) -> int:
    """Return how many of the first characters have room."""
    return sum(1 for _ in takewhile(lambda reached: reached <= room, accumulate(widths)))


def _beginning(texts: list[str], beginning: str) -> range:
    """Return the places of the texts with a beginning, out of sorted ones."""
    return range(bisect_left(texts, beginning), bisect_left(texts, beginning + LAST))
