"""The canvas of a picture: time axis, rows, title, legend, colours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.description import Description
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.legend import add_legend, legend_lines
from kaygraph_viz.plot.rows import Row
from kaygraph_viz.plot.style import (
    BRANCH_FILL,
    FILLS,
    MORE_FILL,
    NAME_COLOURS,
    PARALLEL_FILL,
    STATUS_COLOURS,
    TEXT,
    Fill,
)
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn


@pytest.mark.parametrize(
    ("scale", "unit", "number"), [(1, "s", "2"), (1e-2, "ms", "20"), (1e-5, "µs", "20"), (1e-8, "ns", "20")]
)
def test_the_time_axis_is_in_seconds_and_written_in_a_fitting_unit(scale, unit, number):
    ax = gantt(make_trace(bar("a", "t", 0, 2 * scale)))
    assert ax.get_xlabel() == f"time [{unit}]"
    assert ax.get_xlim()[1] == pytest.approx(2 * scale, rel=0.05)
    assert ax.xaxis.get_major_formatter()(2 * scale, 0) == number


def test_rows_are_named_from_top_to_bottom(validation):
    ax = gantt(validation)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["main", "t-1", "t-2", "t-3", "t-4"]
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_row_names_thin_out_before_they_collide(batch):
    ax = gantt(batch(300, 300))
    renderer = drawn(ax)
    boxes = [label.get_window_extent(renderer) for label in ax.get_yticklabels()]
    assert 20 < len(boxes) < 300
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def canvas_of(width_in=6.0, height_in=3.0):
    return Canvas(Figure(figsize=(width_in, height_in)).add_axes((0, 0, 1, 1)))


def test_row_centres_are_heights_in_the_axes():
    canvas = canvas_of()
    canvas.set_rows([Row("", "Node", is_heading=True, height=0.5), Row("t-1", "t-1"), Row("t-2", "t-2", height=1.5)])
    heights = (
        canvas.ax.transData.transform([(0, centre) for centre in canvas.row_centres])[:, 1] / canvas.ax.bbox.height
    )
    assert heights.tolist() == pytest.approx([11 / 12, 8 / 12, 3 / 12])
    assert canvas.row_pt == pytest.approx(canvas.height_pt / 3)


def test_headings_get_room_before_workers():
    canvas = canvas_of(height_in=0.4)
    canvas.set_rows([Row("t-1", "t-1"), Row("", "Node", is_heading=True), Row("t-2", "t-2"), Row("t-3", "t-3")])
    assert [label.get_text() for label in canvas.ax.get_yticklabels()] == ["Node", "t-3"]


def test_a_title_is_cut_to_the_width_and_stands_above_the_legend():
    canvas = canvas_of(width_in=2)
    ax = canvas.finish("a title that is much too long for this", [FILLS["cpu"]], Description("words"))
    assert ax.get_title(loc="left").endswith("…")
    ax.figure.draw_without_rendering()
    assert ax._left_title.get_window_extent().y0 > ax.get_legend().get_window_extent().y1


# -- the legend of a picture -----


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


# -- colours and hatches: readable, and told apart without colour -----


def luminance(colour):
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize(
    "colour",
    [*(fill.colour for key, fill in FILLS.items() if key != "queued"), *NAME_COLOURS, *STATUS_COLOURS.values(),
     PARALLEL_FILL, BRANCH_FILL, MORE_FILL],
)  # fmt: skip
def test_text_is_readable_on_every_fill(colour):
    assert (luminance(colour) + 0.05) / (luminance(TEXT) + 0.05) >= 4.5


def test_what_a_branch_did_is_told_apart_without_colour():
    bright = {key: luminance(FILLS[key].colour) for key in ("cpu", "gil", "core", "wait")}
    assert bright["cpu"] < min(bright["gil"], bright["core"])
    assert max(bright["gil"], bright["core"]) < bright["wait"]
    assert bright["wait"] - bright["cpu"] > 0.3
    hatches = [FILLS[key].hatch for key in ("gil", "core", "blocked", "wait")]
    assert len(set(hatches)) == len(hatches)
