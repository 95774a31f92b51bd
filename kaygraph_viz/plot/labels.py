"""Texts in pictures: made harmless, and told apart where they are cut.

Belongs here: what is kept of a text from a file or a program of others. Does not belong here: where
a text goes (``gantt.layout``, ``diagram.scene``).
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, islice, takewhile

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


# -- harmless --------------------------------------------------------------------------------------------------------

LABEL_LIMIT, TITLE_LIMIT = 60, 200
APART = 4  # times the limit of a text: so far it is compared with others
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, direction overrides and joiners, lone surrogates, unassigned
_MARKS = {"Mn", "Me"}


def clean(text: object, limit: int = LABEL_LIMIT) -> str:
    r"""Return a text as one line of visible characters, cut to `limit` characters."""
    if not isinstance(text, str):
        return clean(f"<{type(text).__name__}>", limit)
    head = unicodedata.normalize("NFC", text[: 4 * limit])
    kept: list[str] = []
    for char in head:
        kind = unicodedata.category(char)
        is_stacked = kind in _MARKS and (not kept or unicodedata.category(kept[-1]) in _MARKS)
        if char.isspace():
            kept.append(" ")
        elif kind not in _DROPPED and not is_stacked:
            kept.append(char)
    line = " ".join("".join(kept).split()) or "(no name)"
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"


def clean_apart(texts: Sequence[object], limit: int = LABEL_LIMIT) -> list[str]:
    """Return texts that stand beside each other as `clean` does."""
    cleaned = [clean(text, APART * limit) for text in texts]
    if all(len(text) <= limit for text in cleaned):
        return cleaned
    together = Shortener(cleaned)
    return [together.cut(text, limit) for text in cleaned]


def heading(title: str | None, default: str) -> str:
    """Return the title that was asked for, made harmless, or the default."""
    return default if title is None else clean(title, TITLE_LIMIT)
