"""Labels from traces and graphs, made harmless."""

from __future__ import annotations

import pytest

from kaygraph_viz.plot.labels import clean, heading


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\x00\x1b[31mred", "[31mred"),
        ("abc\u202edef", "abcdef"),
        ("\ud800x", "x"),
        ("", "(no name)"),
        ("e\u0301", "é"),
        ("z" + "\u0336" * 50, "z\u0336"),
        (None, "<NoneType>"),
        ("x" * 1_000_000, "x" * 59 + "…"),
    ],
)
def test_labels_of_others_are_made_harmless(text, shown):
    assert clean(text) == shown


def test_a_title_that_was_asked_for_is_made_harmless():
    assert heading("a\nb\x00", "default") == "a b"
    assert heading("", "default") == "(no name)"
    assert len(heading("x" * 1_000, "default")) == 200


def test_without_a_title_the_default_stays_as_it_is():
    assert heading(None, "d" * 300) == "d" * 300
