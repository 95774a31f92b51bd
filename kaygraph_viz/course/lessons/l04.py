"""Lesson 04: the addresses, a map-reduce node that knows what its work costs, and goals of a run over all of them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.course.lessons.goals import Finding, Goal, named
from kaygraph_viz.course.patterns.map_reduce import words_of
from kaygraph_viz.course.services.datasets import Speech, load_speeches

__all__ = [
    "TextMapReduce",
    "average_years",
    "count_words",
    "cut",
    "every_letter_read",
    "in_some_order",
    "load_speeches",
    "right_elsewhere",
    "with_one_long_text",
    "words_of",
]

SECONDS_PER_LETTER = 60e-9  # to find the words
SECONDS_PER_VALUE = 1e-6  # to send it to a reducer
FEW = (
    ("early", 1801, "to be or not to be"),
    ("later", 1900, "to be"),
    ("last", 2001, "that is not the question"),
)


class TextMapReduce(kv.MapReduceNode):
    """A `MapReduceNode` for addresses that says what its work costs in simulated time.

    Each letter that is mapped costs 60 ns of CPU, and each value that a reducer gets 1 us, as over a network.
    """

    def __init__(self, mapper: Any, reducer: Any, combiner: Any = None, **options: Any) -> None:
        super().__init__(_Reading(mapper), _Receiving(reducer), combiner, **options)


@dataclass(frozen=True)
class _Reading:
    mapper: Callable[[Speech], Any]

    def __call__(self, speech: Speech) -> Any:
        kv.cost(SECONDS_PER_LETTER * len(speech.text))
        return self.mapper(speech)


@dataclass(frozen=True)
class _Receiving:
    reducer: Callable[[Any, list[Any]], Any]

    def __call__(self, key: Any, values: list[Any]) -> Any:
        kv.cost(SECONDS_PER_VALUE * len(values))
        return self.reducer(key, values)


def count_words(speech: Speech) -> Counter[str]:
    """Return how often each word occurs in one address; other processes can import it from here."""
    return Counter(words_of(speech.text))


def with_one_long_text(speeches: Sequence[Speech]) -> tuple[list[Speech], Speech]:
    """Return the addresses without thirty of them, and these thirty as one long text."""
    book = replace(speeches[40], text=" ".join(speech.text for speech in speeches[40:70]))
    return [*speeches[:40], *speeches[70:]], book


def cut(speech: Speech, letters: int) -> list[Speech]:
    """Return an address in pieces of so many letters."""
    return [replace(speech, text=speech.text[at : at + letters]) for at in range(0, len(speech.text), letters)]


def in_some_order(speeches: Sequence[Speech], seed: int) -> list[Speech]:
    """Return the addresses in another order, the same for the same seed."""
    return random.Random(seed).sample(list(speeches), len(speeches))  # the same for every reader


def every_letter_read(speeches: Sequence[Speech]) -> Goal:
    """Require that the map branches together have used the time that all these addresses cost."""
    letters = sum(len(speech.text) for speech in speeches)

    def evaluate(trace: kv.Trace) -> Finding:
        read = round(sum(span.cpu_ns or 0 for span in named(trace, "map")) / (SECONDS_PER_LETTER * 1e9))
        return Finding(read >= 0.999 * letters, f"about {read / letters:.0%} of all letters were read")

    return Goal("every letter of every address is read, by a TextMapReduce", evaluate)


def right_elsewhere(node: Any, expected: Callable[[Sequence[Speech]], Mapping[str, Any]]) -> Goal:
    """Require that a node gives what a plain function `expected` gives for three short texts that it has not seen."""

    def evaluate(trace: kv.Trace) -> Finding:
        texts = [Speech(name, year, name, True, text) for name, year, text in FEW]
        with kv.record(clock="virtual"):
            shared: dict[str, Any] = {"items": texts}
            node.run(shared)
        found: Mapping[str, Any] = shared["result"]
        right = expected(texts)
        for word in dict.fromkeys([*right, *found]):
            if found.get(word) != right.get(word):
                return Finding(False, f"for {word!r} it gives {found.get(word)!r}, expected {right.get(word)!r}")
        return Finding(True, f"all {len(right)} words are right")

    return Goal("also right for three short texts that it has not seen", evaluate)


def average_years(speeches: Sequence[Speech]) -> dict[str, float]:
    """Return the average year of each word in a plain loop, which tells what answers to the exercise must give."""
    years: dict[str, list[int]] = defaultdict(list)
    for speech in speeches:
        for word in words_of(speech.text):
            years[word].append(speech.year)
    return {word: round(sum(found) / len(found), 1) for word, found in years.items()}


SOLUTIONS = {
    "exercise_1": '''
"""A combiner that sends a sum and a number for each word, and a reducer that divides only at the end.

- Look at the two charts: reduce is the long step, since it gets a value for every single word. What makes one value of
  many, at the end of each map branch?
- The average of averages is not the average. Which two numbers about the years of one text are enough to get the
  average of all of them?
- Let the combiner return `(sum(years), len(years))`. The reducer gets a list of such pairs: add up the sums, add up the
  numbers, and divide.
"""


def years_of(speech):
    for word in words_of(speech.text):
        yield word, speech.year


def sum_and_number(word, years):
    return sum(years), len(years)


def average(word, parts):
    total = sum(years for years, number in parts)
    return round(total / sum(number for years, number in parts), 1)


node = TextMapReduce(years_of, average, sum_and_number, max_workers=4, executor="process")
with kv.record(clock="virtual") as mine:
    node.run(found := {"items": speeches})

kv.gantt({"before": before, "my run": mine}, labels=False)
''',
}
