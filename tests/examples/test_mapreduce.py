"""Map-reduce as an example."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.examples.mapreduce import count_words, run


def table(found):
    return {fact.label: fact.value for fact in found.facts}


def test_all_addresses_are_counted_as_the_answer_key_says():
    found = run(Setup(clock="virtual"))
    assert table(found) == {"words": "2,013,321", "different words": "25,542"}
    assert found.notes[0].startswith("Most frequent: 'the' (168,284 times), ")
    assert found.measured.items == 249


def test_words_of_a_text_are_counted_a_sentence_at_a_time():
    found = count_words("To be, or not to be. That is the question!\nTo sleep...", Setup(clock="virtual"))
    assert table(found) == {"words": "12", "different words": "9"}
    assert (found.measured.items, found.measured.unit) == (3, "sentences")
    assert found.notes == [
        "Most frequent: 'to' (3 times), 'be' (2 times), 'is' (1 time), 'not' (1 time) and 'or' (1 time)"
    ]


@pytest.mark.parametrize("text", ["", " ", "?!", "東京"])
def test_text_without_words_has_none(text):
    found = count_words(text, Setup(clock="virtual"))
    assert table(found) == {"words": "0", "different words": "0"}
    assert found.notes == []
