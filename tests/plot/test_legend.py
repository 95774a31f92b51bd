"""The legend of a picture."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.legend import add_legend, legend_lines
from kaygraph_viz.plot.style import (
    FILLS,
    Fill,
    Stroke,
)
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn


def test_the_legend_covers_no_bar(validation):
    ax = gantt(validation)
    renderer = drawn(ax)
    legend = ax.get_legend().get_window_extent(renderer)
    assert legend.y0 >= ax.get_window_extent(renderer).y1 - 1
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    share = "not known when (height: CPU share)"
    assert set(texts) == {"CPU", "blocked", share, "running", "pause before a retry", "error", "timed out"}


def test_the_legend_shows_what_is_not_known_when_in_two_colours(neat):
    ax = gantt(make_trace(bar("a", "main", 0, 4, cpu_s=1)))
    assert "not known when (height: CPU share)" in neat(ax)
    colours = {to_rgb(patch.get_facecolor()) for patch in ax.get_legend().findobj(Patch)}
    assert {to_rgb(FILLS["unknown"].colour), to_rgb(FILLS["unknown"].base)} <= colours


KEYS = [Fill("#FFFFFF", "a long name"), Fill("#FFFFFF", "b"), Fill("#FFFFFF", "c")]


def test_entries_stand_beside_each_other_as_far_as_there_is_room():
    assert [legend_lines(KEYS, room_pt) for room_pt in (1, 150, 1_000)] == [3, 2, 1]
    assert legend_lines([], 100) == 0


def test_entries_are_read_line_by_line():
    ax = Figure(figsize=(8, 3)).add_subplot()
    assert add_legend(ax, KEYS, 150) == 2
    ax.figure.draw_without_rendering()
    places = {text.get_text(): text.get_window_extent() for text in ax.get_legend().get_texts()}
    assert places["a long name"].y0 == pytest.approx(places["b"].y0, abs=2)
    assert places["c"].y1 < places["b"].y0
    assert places["a long name"].x0 == pytest.approx(places["c"].x0, abs=2)


def test_a_picture_without_entries_has_no_legend():
    ax = Figure().add_subplot()
    assert add_legend(ax, [], 100) == 0
    assert ax.get_legend() is None


def test_a_key_is_shown_as_it_is_drawn():
    marks = [Fill("#FFFFFF", "a mark", marker="X"), Fill("#FFFFFF", "hatch and mark", "//", "D")]
    ax = Figure().add_subplot()
    add_legend(ax, [Stroke("#123456", "line", 2.0, "--"), *marks], 1_000)
    lines, patches = (ax.get_legend().findobj(kind) for kind in (Line2D, Patch))
    assert ("--", "#123456") in [(line.get_linestyle(), line.get_color()) for line in lines]
    assert {"X", "D"} <= {line.get_marker() for line in lines}
    assert "//" in [patch.get_hatch() for patch in patches]
