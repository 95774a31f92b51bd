"""Durations and numbers in words, and tables: straight columns, nothing but text in HTML."""

from __future__ import annotations

from kaygraph_viz.analysis.wording import aligned, counted, duration, html_table, join_words, significant


def test_numbers_stand_at_the_right_and_texts_at_the_left():
    lines = aligned([("a", "1", "x"), ("long", "100", "yy")], right={1}).splitlines()
    assert lines == ["a       1   x", "long  100   yy"]


def test_no_line_ends_with_blanks():
    assert aligned([("a", ""), ("b", "c")]).splitlines() == ["a", "b  c"]


def test_every_text_of_the_html_is_escaped():
    made = html_table([("<script>", "&")], headings=("<i>", '"'))
    assert "<script>" not in made
    assert "&lt;script&gt;" in made
    assert "&lt;i&gt;" in made


def test_a_duration_has_a_unit_that_fits_after_rounding():
    assert [duration(seconds) for seconds in (0.0996, 0.09996, 0.000999, 0.0009996)] == [
        "99.6 ms",
        "0.100 s",
        "999 µs",
        "1.00 ms",
    ]


def test_numbers_keep_their_significant_digits():
    assert [significant(value, 2) for value in (0.00123, 9.99, 99.9, 1234.5)] == ["0.0012", "10", "100", "1,234"]


def test_words_are_joined_as_in_a_sentence():
    assert [join_words(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_one_is_singular():
    assert [counted(number, "retry", "retries") for number in (0, 1, 1000)] == ["0 retries", "1 retry", "1,000 retries"]
