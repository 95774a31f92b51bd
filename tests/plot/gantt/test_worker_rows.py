"""Rows of workers: the size of a new figure, the note below it, the legend."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.worker_rows import Options, draw_rows
from kaygraph_viz.plot.style import (
    CRITICAL,
    STATUS_COLOURS,
    STATUS_FILLS,
)
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn, polygons


def test_turns_too_short_to_be_drawn_are_shares_of_the_height():
    turns = [("cpu", 0.005), ("gil", 0.015)] * 500
    ax = gantt(make_trace(bar("a", "main", 0, 10, parts=turns)))
    (cpu,), (gil,) = ([path.get_extents() for path in polygons(ax, gid)[0]] for gid in ("part-cpu", "part-gil"))
    assert cpu.height / gil.height == pytest.approx(1 / 3)
    assert "the height of a colour is its share of the time" in ax.get_xlabel()


def test_turns_that_are_long_enough_are_drawn_one_by_one():
    ax = gantt(make_trace(bar("a", "main", 0, 0.2, parts=[("cpu", 0.005), ("gil", 0.015)] * 10)))
    assert len(polygons(ax, "part-cpu")[0]) == 10
    assert "height" not in ax.get_xlabel()


def test_dropped_spans_are_mentioned(batch):
    assert "1,234 spans dropped" in gantt(batch(dropped=1234)).get_xlabel()


def test_a_figure_has_room_for_a_legend_of_two_lines_above_an_image():
    ends = [bar("a", f"t-{number}", 0, 1, cpu_s=0.5, blocked_s=0.1, status=end)
            for number, end in enumerate(STATUS_FILLS)]  # fmt: skip
    ax = gantt(make_trace(*ends, bar("b", "t-9", 0, 1)), max_bars=1, critical_path=True)
    title = ax._left_title.get_window_extent(drawn(ax))
    assert title.y1 < ax.figure.bbox.y1 - 8


def test_the_figure_grows_with_the_workers_up_to_a_limit(batch):
    heights = [gantt(batch(workers, workers)).figure.get_size_inches()[1] for workers in (1, 10, 40, 300)]
    assert all(one <= other for one, other in pairwise(heights))
    assert heights[-1] <= 11


def test_filled_by_how_it_ended_each_end_is_in_the_legend_once():
    made = [bar("b", f"t-{row}", 0, 1, status=status) for row, status in enumerate(["ok", "error", "timeout"])]
    keys = gantt(make_trace(*made), color_by="status").get_legend()
    assert [text.get_text() for text in keys.get_texts()] == ["ok", "error", "timed out"]
    colours = [to_rgb(patch.get_facecolor()) for patch in keys.get_patches()]
    assert colours == [to_rgb(STATUS_COLOURS[status]) for status in ("ok", "error", "timeout")]


def test_a_given_axes_sets_how_short_a_part_may_be():
    trace = make_trace(bar("a", "main", 0, 1, parts=[("cpu", 0.005), ("gil", 0.005)] * 100))
    wide, narrow = (Figure(figsize=(width, 2)).add_subplot() for width in (40, 3))
    assert "height of a colour" not in gantt(trace, ax=wide).get_xlabel()
    assert "height of a colour" in gantt(trace, ax=narrow).get_xlabel()


def test_the_axis_reaches_as_far_as_asked_for_or_as_the_run():
    chart = Chart.of(make_trace(bar("a", "main", 0, 4)))
    ends = [draw_rows(chart, None, Options(end_s=end_s))[0].ax.get_xlim()[1] for end_s in (2, 8)]
    assert ends == pytest.approx([4 * 1.008, 8 * 1.008])


def test_entries_of_a_chart_follow_those_of_its_bars():
    _, keys = draw_rows(Chart.of(make_trace(bar("a", "main", 0, 4))), None, Options(), [CRITICAL])
    assert [key.label for key in keys] == ["running", "critical path"]


def test_a_failure_without_a_label_has_a_mark_and_an_entry_with_it():
    trace = make_trace(bar("a", "main", 0, 4, status="error"))
    keys = [draw_rows(Chart.of(trace), None, Options(labels=labels))[1][-1] for labels in (True, False)]
    assert [(key.label, key.marker) for key in keys] == [("error", ""), ("error", "X")]
