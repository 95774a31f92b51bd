"""Tables: straight columns, and nothing but text in HTML."""

from __future__ import annotations

from kaygraph_viz.analysis.wording import aligned, html_table


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
