"""Tables as lines of a list, and the style sheet."""

from __future__ import annotations

import re

from kaygraph_viz.widgets.playground.style import SPACE, STYLE, lines_of


def test_columns_stand_below_each_other():
    lines = lines_of([("", "workers", "makespan"), ("★", "4", "2.00 s"), ("", "16", "10.00 s")])
    assert [line.replace(SPACE, "_") for line in lines] == [
        "___workers__makespan",
        "★________4____2.00_s",
        "________16___10.00_s",
    ]


def test_no_blank_is_left_that_the_entry_of_a_list_would_lose():
    assert " " not in "".join(lines_of([("", "c d"), ("★", "with the longest branches first")]))


def test_style_sheet_loads_nothing_and_is_whole():
    assert not re.search(r"url\(|@import|https?:", STYLE)
    assert STYLE.count("{") == STYLE.count("}")
