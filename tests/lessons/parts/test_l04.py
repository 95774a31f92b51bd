"""Lesson 04: what its node costs in simulated time, its data, and its goals."""

from __future__ import annotations

from collections import Counter

import pytest

from kaygraph_viz.lessons.goals import all_ok
from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.lessons.parts.l04 import (
    TextMapReduce,
    count_words,
    cut,
    every_letter_read,
    in_some_order,
    load_speeches,
    right_elsewhere,
    with_one_long_text,
    words_of,
)
from kaygraph_viz.recording import record
from kaygraph_viz.services.speeches import Speech

TEXTS = [Speech(str(number), 1800 + number, "A", True, text) for number, text in enumerate(["to be " * 500, "or not"])]


def pairs(speech):
    return [(word, 1) for word in words_of(speech.text)]


def add(word, values):
    return sum(values)


def counted(speeches):
    return sum(map(count_words, speeches), Counter())


def run(node, items=TEXTS):
    with record(clock="virtual") as trace:
        node.run(shared := {"items": items})
    return shared["result"], trace


def test_a_letter_costs_60_ns_and_a_value_that_is_sent_1_us():
    found, trace = run(TextMapReduce(pairs, add, max_workers=1))
    assert found == {"to": 500, "be": 500, "or": 1, "not": 1}
    assert trace.makespan_s == pytest.approx((3006 * 60e-9) + (1002 * 1e-6), abs=2e-8)


@pytest.mark.parametrize(("mapper", "combiner"), [(pairs, add), (count_words, Counter)])
def test_a_combiner_sends_one_value_for_each_word_of_a_text(mapper, combiner):
    _, trace = run(TextMapReduce(mapper, add, combiner, max_workers=1))
    assert trace.makespan_s == pytest.approx((3006 * 60e-9) + (4 * 1e-6), abs=2e-8)


def test_the_long_text_has_the_letters_of_those_that_it_replaces():
    speeches = load_speeches()
    others, book = with_one_long_text(speeches)
    assert counted([*others, book]) == counted(speeches)
    assert "".join(piece.text for piece in cut(book, 20_000)) == book.text


def test_an_order_is_the_same_for_the_same_seed():
    assert in_some_order(TEXTS * 5, 1) == in_some_order(TEXTS * 5, 1) != in_some_order(TEXTS * 5, 2)


@pytest.mark.parametrize(("items", "is_met"), [(TEXTS, True), (TEXTS[1:], False)])
def test_a_run_that_leaves_out_texts_is_found(items, is_met):
    _, trace = run(TextMapReduce(pairs, add), items)
    assert grade(trace, [every_letter_read(TEXTS)]).passed == is_met


def test_answers_that_were_made_before_are_found():
    known = counted(TEXTS)
    cheat = TextMapReduce(lambda speech: known.items() if speech is TEXTS[0] else (), lambda word, values: values[0])
    found, trace = run(cheat)
    assert found == known
    assert grade(trace, [all_ok(), every_letter_read(TEXTS)]).passed
    assert "for 'to' it gives None, expected 3" in str(grade(trace, [right_elsewhere(cheat, counted)]))
    assert grade(trace, [right_elsewhere(TextMapReduce(pairs, add), counted)]).passed
