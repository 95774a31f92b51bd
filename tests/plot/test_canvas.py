"""The canvas of a picture: time axis, rows, texts, title."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.description import Description, describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.rows import Row
from kaygraph_viz.plot.style import FILLS
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


def test_a_canvas_knows_the_size_of_its_axes_at_any_resolution():
    ax = Figure(figsize=(6, 3), dpi=50).add_axes((0.25, 0, 0.5, 1))
    assert (Canvas(ax).width_pt, Canvas(ax).height_pt) == pytest.approx((216, 216))


def test_a_new_figure_has_the_margins_that_were_asked_for():
    canvas = Canvas.of(None, 5, 4, (30, 20, 40, 10))
    assert (canvas.width_pt, canvas.height_pt) == pytest.approx((5 * 72 - 50, 4 * 72 - 50))
    assert canvas.ax.get_position().x0 * 5 * 72 == pytest.approx(30)
    assert canvas.ax.get_position().y0 * 4 * 72 == pytest.approx(40)


def test_the_scale_is_that_of_the_time_axis():
    canvas = canvas_of()
    canvas.set_time(20)
    low, high = canvas.ax.transData.transform([(0, 0), (5, 0)])[:, 0]
    assert canvas.points_per_s == pytest.approx((high - low) / 5 / canvas.ax.figure.dpi * 72)


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


def test_finishing_attaches_the_description():
    ax = canvas_of().finish("title", [], Description("In words."))
    assert (describe(ax).sentence, ax.get_label()) == ("In words.", "In words.")


def test_an_empty_canvas_says_so_on_the_axes_that_was_given():
    ax = Figure().add_subplot()
    assert Canvas.empty(ax).ax is ax
    assert [text.get_text() for text in ax.texts] == ["nothing was recorded"]
