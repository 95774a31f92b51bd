"""Bars of a chart by their artists."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.bars import add_marks, bar_fills
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.layout import make_layout
from kaygraph_viz.plot.rows import Row
from kaygraph_viz.plot.style import (
    FILLS,
    NAME_COLOURS,
    STATUS_FILLS,
)
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn, polygons


def test_there_is_one_artist_for_each_part_and_not_one_for_each_bar(batch):
    ax = gantt(batch(items=200), labels=False)
    assert sorted(c.get_gid() for c in ax.collections) == ["outline", "part-cpu", "part-queued", "part-unknown"]
    assert len(polygons(ax, "outline")[0]) == 200
    assert not ax.patches


def test_bars_stand_where_their_times_are():
    parts = [("cpu", 0.5), ("wait", 1.5)]
    ax = gantt(make_trace(bar("a", "main", 1, 3, queued_s=1, parts=parts), bar("b", "t-1", 2, 4)))
    boxes = sorted(tuple(path.get_extents().extents.round(6)) for path in polygons(ax, "outline")[0])
    assert [(x0, x1) for x0, _, x1, _ in boxes] == [(1, 3), (2, 4)]
    assert [round((y0 + y1) / 2) for _, y0, _, y1 in boxes] == [0, 1]
    (cpu,) = (path.get_extents() for path in polygons(ax, "part-cpu")[0])
    assert (cpu.x0, cpu.x1) == (1, 1.5)


def test_the_share_of_cpu_is_filled_from_the_bottom_of_the_bar():
    ax = gantt(make_trace(bar("a", "main", 0, 4, cpu_s=1)))
    gids = ("part-cpu", "part-unknown", "outline")
    ((cpu,), (rest,), (outline,)) = ([path.get_extents() for path in polygons(ax, gid)[0]] for gid in gids)
    assert (cpu.xmin, cpu.xmax) == (outline.xmin, outline.xmax)
    assert [cpu.ymax, cpu.height] == pytest.approx([outline.ymax, outline.height / 4])  # rows are counted downwards
    assert [rest.ymax, rest.ymin] == pytest.approx([cpu.ymin, outline.ymin])


def test_the_hatch_of_many_bars_is_one_path():
    ax = gantt(
        make_trace(*(bar("a", "t", number, number + 1, parts=[("gil", 0.5), ("core", 0.5)]) for number in range(9)))
    )
    hatched = {c.get_hatch(): c.get_paths() for c in ax.collections if c.get_hatch()}
    assert set(hatched) == {FILLS["gil"].hatch, FILLS["core"].hatch}
    for (path,) in hatched.values():
        assert len(path.to_polygons()) == 9


def test_names_of_nodes_are_not_cut_off_where_rows_are_low():
    first = bar("one", "main", 0, 4, kind="node"), [bar("a", f"t-{number}", 0, 4) for number in range(8)]
    second = bar("two", "main", 4, 8, kind="node"), [bar("b", "t-1", 4, 8)]
    ax = gantt(make_trace(first, second), ax=plt.figure(figsize=(6, 1.6)).add_subplot())
    names = [text for text in ax.texts if text.get_text() in ("one", "two")]
    assert len(names) == 2
    for name in names:
        assert name.get_tightbbox().height == name.get_window_extent().height


def test_labels_lie_within_their_bars(batch):
    ax = gantt(batch())
    renderer = drawn(ax)
    bars = [path.get_extents().transformed(ax.transData) for path in polygons(ax, "outline")[0]]
    assert len(ax.texts) == 12
    for text in ax.texts:
        box = text.get_window_extent(renderer)
        assert any(bar.xmin <= box.xmin and box.xmax <= bar.xmax and bar.containsy(box.ymin) and bar.containsy(box.ymax)
                   for bar in bars)  # fmt: skip


@pytest.mark.parametrize("dpi", [72, 80, 96, 100, 150])
def test_labels_lie_within_their_bars_at_every_resolution(dpi):
    name = "look up all addresses of new customers"
    ax = gantt(make_trace(*(bar(name, f"t-{length}", 0, length) for length in range(1, 9))))
    ax.figure.set_dpi(dpi)
    renderer = drawn(ax)
    bars = [path.get_extents().transformed(ax.transData) for path in polygons(ax, "outline")[0]]
    texts = [text.get_window_extent(renderer) for text in ax.texts]
    assert len(texts) == len(bars)
    assert all(any(bar.xmin <= text.xmin and text.xmax <= bar.xmax and bar.containsy(text.y0) for bar in bars)
               for text in texts)  # fmt: skip


def test_failures_are_seen_without_colour(validation):
    ax = gantt(validation)
    hatches = [c.get_hatch() for c in ax.collections if str(c.get_gid()).startswith("status-")]
    assert len(set(filter(None, hatches))) == 2  # an error and a timeout
    assert {"external: error", "format: 2 tries"} <= {text.get_text() for text in ax.texts}
    (marks,) = (c for c in ax.collections if c.get_gid() == "marks-timeout")
    assert np.asarray(marks.get_offsets()).round(6).tolist() == [[1.01, 4]]


def test_nodes_are_named_above_the_rows(validation):
    ax = gantt(validation)
    assert {"Validate", "Report"} <= {text.get_text() for text in ax.texts}
    (lines,) = (c for c in ax.collections if c.get_gid() == "nodes")
    assert all(line[0][1] < -0.5 for line in lines.get_segments())


def test_each_way_to_end_badly_has_a_hatch_and_a_mark_of_its_own():
    assert len({fill.hatch for fill in STATUS_FILLS.values()}) == len(STATUS_FILLS)
    assert len({fill.marker for fill in STATUS_FILLS.values()}) == len(STATUS_FILLS)
    made = [bar("b", f"t-{row}", 0, 1, status=status) for row, status in enumerate(STATUS_FILLS)]
    ax = gantt(make_trace(*made))
    drawn = {c.get_gid(): c.get_hatch() for c in ax.collections if str(c.get_gid()).startswith("status-")}
    assert drawn == {f"status-{status}": fill.hatch for status, fill in STATUS_FILLS.items()}


def test_names_of_what_took_no_time_are_not_in_the_legend():
    ax = gantt(make_trace(bar("a", "t", 0, 1), bar("nothing", "u", 0, 0)), color_by="name")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a"]


def test_a_name_has_one_colour_in_the_charts_of_several_runs():
    runs = [make_trace(bar("profile", "t", 0, long), bar("social", "u", 0, 2)) for long in (1, 3)]
    keys = [gantt(trace, color_by="name").get_legend() for trace in runs]
    colours = [
        {text.get_text(): patch.get_facecolor() for text, patch in zip(key.get_texts(), key.get_patches(), strict=True)}
        for key in keys
    ]
    assert colours[0] == colours[1]
    assert len(set(colours[0].values())) == 2


def test_names_do_not_lie_on_blocked_time_where_there_is_other_room():
    ax = gantt(make_trace(bar("price", "t", 0, 10, cpu_s=1, blocked_s=6)))
    (text,) = ax.texts
    right = text.get_window_extent(drawn(ax)).transformed(ax.transData.inverted()).x1
    assert right <= 4


def test_a_name_on_a_hatch_has_a_backing():
    (text,) = gantt(make_trace(bar("price", "t", 0, 10, blocked_s=10))).texts
    assert text.get_bbox_patch() is not None


def test_a_bar_that_takes_no_time_can_still_be_seen():
    ax = gantt(make_trace(bar("prep", "main", 0, 0, kind="phase"), bar("a", "t", 0, 5)))
    (outlines,) = (c for c in ax.collections if c.get_gid() == "outline")
    assert min(outlines.get_linewidth()) >= 0.3


def test_marks_stand_where_the_failures_ended_and_name_their_statuses():
    canvas = Canvas(Figure().add_subplot())
    canvas.set_rows([Row("t-1", "t-1"), Row("t-2", "t-2")])
    assert add_marks(canvas, [("lost", 2.0, 1), ("error", 1.0, 0), ("error", 3.0, 1)]) == {"error", "lost"}
    places = {c.get_gid(): np.asarray(c.get_offsets()).tolist() for c in canvas.ax.collections}
    assert places == {"marks-error": [[1, 0], [3, 1]], "marks-lost": [[2, 1]]}


def test_names_beyond_the_colours_share_one():
    trace = make_trace(*(bar(f"name {number:02}", "t", number, number + 1) for number in range(9)))
    fills = bar_fills(make_layout(Chart.of(trace), color_by="name"), "name")
    assert [fill.label for fill in fills.values()].count("others") == 9 - len(NAME_COLOURS)


def test_very_many_names_are_few_artists_and_entries():
    ax = gantt(make_trace(*(bar(f"name {number}", "t", number, number + 1) for number in range(500))), color_by="name")
    gids = [str(c.get_gid()) for c in ax.collections if str(c.get_gid()).startswith("part-")]
    assert len(gids) == len(NAME_COLOURS) + 1
    assert sum(len(c.get_paths()) for c in ax.collections if c.get_gid() in gids) == 500
    assert len(ax.get_legend().get_texts()) == len(NAME_COLOURS) + 1


def test_where_rows_are_too_low_nothing_is_written(batch):
    ax = gantt(batch(), ax=Figure(figsize=(9, 0.6)).add_subplot())
    assert not ax.texts
