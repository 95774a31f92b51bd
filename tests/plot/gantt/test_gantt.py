"""The Gantt chart by its artists."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.gantt.gantt import describe_gantt, gantt
from kaygraph_viz.plot.style import (
    BRANCH_FILL,
    FILLS,
    MORE_FILL,
    NAME_COLOURS,
    PARALLEL_FILL,
    STATUS_COLOURS,
    STATUS_FILLS,
    TEXT,
)
from kaygraph_viz.testing import bar, make_trace

HOSTILE = [
    "$x^2$",
    "<script>alert(1)</script>",
    "a\x00b\u202ec",
    "名前",
    "",
    "long " * 200_000,
    r"\frac{1}{$",
    "%s {} `'\"",
]


def polygons(ax, gid):
    return [c.get_paths() for c in ax.collections if isinstance(c, PolyCollection) and c.get_gid() == gid]


def drawn(ax):
    ax.figure.canvas.draw()
    return ax.figure.canvas.get_renderer()


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


def test_the_hatch_of_many_bars_is_one_path():
    ax = gantt(
        make_trace(*(bar("a", "t", number, number + 1, parts=[("gil", 0.5), ("core", 0.5)]) for number in range(9)))
    )
    hatched = {c.get_hatch(): c.get_paths() for c in ax.collections if c.get_hatch()}
    assert set(hatched) == {FILLS["gil"].hatch, FILLS["core"].hatch}
    for (path,) in hatched.values():
        assert len(path.to_polygons()) == 9


def test_the_legend_shows_what_is_not_known_when_in_two_colours(neat):
    ax = gantt(make_trace(bar("a", "main", 0, 4, cpu_s=1)))
    assert "not known when (height: CPU share)" in neat(ax)
    colours = {to_rgb(patch.get_facecolor()) for patch in ax.get_legend().findobj(Patch)}
    assert {to_rgb(FILLS["unknown"].colour), to_rgb(FILLS["unknown"].base)} <= colours


def test_rows_are_named_from_top_to_bottom(validation):
    ax = gantt(validation)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["main", "t-1", "t-2", "t-3", "t-4"]
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_names_of_nodes_are_not_cut_off_where_rows_are_low():
    first = bar("one", "main", 0, 4, kind="node"), [bar("a", f"t-{number}", 0, 4) for number in range(8)]
    second = bar("two", "main", 4, 8, kind="node"), [bar("b", "t-1", 4, 8)]
    ax = gantt(make_trace(first, second), ax=plt.figure(figsize=(6, 1.6)).add_subplot())
    names = [text for text in ax.texts if text.get_text() in ("one", "two")]
    assert len(names) == 2
    for name in names:
        assert name.get_tightbbox().height == name.get_window_extent().height


@pytest.mark.parametrize("color_by", ["part", "name", "status"])
@pytest.mark.parametrize("group_by", ["worker", "node"])
def test_texts_stay_in_the_figure_and_do_not_collide(batch, validation, pipeline, color_by, group_by, neat):
    for trace in (batch(), validation, pipeline):
        neat(gantt(trace, color_by=color_by, group_by=group_by, critical_path=True))


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


def test_the_legend_covers_no_bar(validation):
    ax = gantt(validation)
    renderer = drawn(ax)
    legend = ax.get_legend().get_window_extent(renderer)
    assert legend.y0 >= ax.get_window_extent(renderer).y1 - 1
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    share = "not known when (height: CPU share)"
    assert set(texts) == {"CPU", "blocked", share, "running", "pause before a retry", "error", "timed out"}


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


def test_the_default_title_has_the_main_numbers(batch):
    assert gantt(batch()).get_title(loc="left") == "4 workers, 12 branches, 2.9 s, 3.7 at once"
    assert gantt(batch(), title="Mine").get_title(loc="left") == "Mine"


@pytest.mark.parametrize(
    ("scale", "unit", "number"), [(1, "s", "2"), (1e-2, "ms", "20"), (1e-5, "µs", "20"), (1e-8, "ns", "20")]
)
def test_the_time_axis_is_in_seconds_and_written_in_a_fitting_unit(scale, unit, number):
    ax = gantt(make_trace(bar("a", "t", 0, 2 * scale)))
    assert ax.get_xlabel() == f"time [{unit}]"
    assert ax.get_xlim()[1] == pytest.approx(2 * scale, rel=0.05)
    assert ax.xaxis.get_major_formatter()(2 * scale, 0) == number


def test_dropped_spans_are_mentioned(batch):
    assert "1,234 spans dropped" in gantt(batch(dropped=1234)).get_xlabel()


def test_many_bars_become_an_image(batch):
    ax = gantt(batch(items=40), max_bars=39)
    assert len(ax.images) == 1
    assert not [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert "40 bars" in ax.get_xlabel()
    pixels = np.asarray(ax.images[0].get_array())
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_an_image_marks_what_failed():
    made = [bar("b", "t", number, number + 1, status="error" if number == 7 else "ok") for number in range(20)]
    ax = gantt(make_trace(*made), max_bars=10)
    (marks,) = (c for c in ax.collections if c.get_gid() == "marks-error")
    assert marks.get_offsets()[0][0] == pytest.approx(8, abs=0.1)


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


def test_row_names_thin_out_before_they_collide(batch):
    ax = gantt(batch(300, 300))
    renderer = drawn(ax)
    boxes = [label.get_window_extent(renderer) for label in ax.get_yticklabels()]
    assert 20 < len(boxes) < 300
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def test_several_runs_share_one_axis_each_from_its_own_beginning():
    before = make_trace(bar("a", "main", 5, 6), bar("b", "main", 6, 8))
    after = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2))
    ax = gantt({"one by one": before, "at once": after})
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["one by one", "main", "at once", "t-1", "t-2"]
    boxes = sorted(tuple(path.get_extents().extents.round(6)[[0, 2]]) for path in polygons(ax, "outline")[0])
    assert boxes == [(0, 1), (0, 1), (0, 2), (1, 3)]
    assert ax.get_title(loc="left") == "2 runs, 2.0 s to 3.0 s"


def test_several_runs_become_images_below_each_other(batch):
    ax = gantt({"a": batch(), "b": batch(workers=2)}, max_bars=5)
    extents = [image.get_extent() for image in ax.images]
    assert [round(bottom - top) for _, _, bottom, top in extents] == [4, 2]
    assert extents[0][2] < extents[1][3]  # the heading of the second one lies between


def test_rows_can_be_grouped_by_node(validation, neat):
    names = [label.get_text() for label in gantt(validation, group_by="node").get_yticklabels()]
    assert names == ["Validate", "main", "t-1", "t-2", "t-3", "t-4", "Report · main"]


def test_the_critical_path_is_drawn_beneath_its_bars():
    branches = [bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 3), bar("c", "t-2", 3, 5), bar("d", "t-1", 5.5, 6)]
    ax = gantt(make_trace((bar("exec", "main", 0, 6, kind="phase"), branches)), critical_path=True)
    lines = {c.get_gid(): [np.round(line, 6).tolist() for line in c.get_segments()] for c in ax.collections
             if isinstance(c, LineCollection)}  # fmt: skip
    low, high = 0.37, 1.37  # the lower ends of the bars in the rows of t-1 and t-2
    assert lines["critical"] == [[[0, high], [5, high]], [[5.5, low], [6, low]]]
    assert lines["critical-wait"] == [[[5, high], [5, low], [5.5, low]]]
    assert "critical path" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "The critical path leads through b, then c, then d." in ax.get_label()


def test_without_being_asked_for_no_critical_path_is_drawn(validation):
    assert not [c for c in gantt(validation).collections if str(c.get_gid()).startswith("critical")]


def test_each_way_to_end_badly_has_a_hatch_and_a_mark_of_its_own():
    assert len({fill.hatch for fill in STATUS_FILLS.values()}) == len(STATUS_FILLS)
    assert len({fill.marker for fill in STATUS_FILLS.values()}) == len(STATUS_FILLS)
    made = [bar("b", f"t-{row}", 0, 1, status=status) for row, status in enumerate(STATUS_FILLS)]
    ax = gantt(make_trace(*made))
    drawn = {c.get_gid(): c.get_hatch() for c in ax.collections if str(c.get_gid()).startswith("status-")}
    assert drawn == {f"status-{status}": fill.hatch for status, fill in STATUS_FILLS.items()}


def test_filled_by_how_it_ended_each_end_is_in_the_legend_once():
    made = [bar("b", f"t-{row}", 0, 1, status=status) for row, status in enumerate(["ok", "error", "timeout"])]
    keys = gantt(make_trace(*made), color_by="status").get_legend()
    assert [text.get_text() for text in keys.get_texts()] == ["ok", "error", "timed out"]
    colours = [to_rgb(patch.get_facecolor()) for patch in keys.get_patches()]
    assert colours == [to_rgb(STATUS_COLOURS[status]) for status in ("ok", "error", "timeout")]


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


def test_an_empty_trace_says_so():
    ax = gantt(make_trace())
    assert [text.get_text() for text in ax.texts] == ["nothing was recorded"]
    assert not ax.axison


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_as_plain_text(name):
    ax = gantt(make_trace(bar(name, name or "t", 0, 1), bar(name, "u", 0, 1, status="error")), title=name)
    drawn(ax)
    texts = [*ax.texts, *ax.get_yticklabels(), ax._left_title]
    assert all(len(text.get_text()) < 250 for text in texts)
    assert not any(char in text.get_text() for text in texts for char in "\x00\n\u202e")
    assert not any(text._preprocess_math(text.get_text())[1] for text in texts)


def test_the_axes_that_is_given_is_used_and_returned(batch):
    figure, ax = plt.subplots()
    assert gantt(batch(), ax=ax) is ax
    assert plt.get_fignums() == [figure.number]


def test_no_global_setting_is_changed(validation):
    before, backend = dict(mpl.rcParams), mpl.get_backend()
    drawn(gantt(validation))
    assert dict(mpl.rcParams) == before
    assert mpl.get_backend() == backend


def test_the_chart_has_a_text_of_its_own(validation):
    ax = gantt(validation)
    assert ax.get_label() == describe_gantt(validation)
    assert "4 branches on 4 workers (5 rows)" in ax.get_label()
    assert "1 error, 1 timed out and 1 retry" in ax.get_label()
    assert describe_gantt(make_trace()) == "Gantt chart without bars: nothing was recorded."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color_by": "mood"}, "color_by must be one of 'part', 'name', 'status'"),
        ({"group_by": "mood"}, "group_by must be 'worker' or 'node'"),
        ({"end_s": -1}, "end_s"),
        ({"max_bars": 0}, "max_bars"),
        ({"ax": 3}, "ax"),
    ],
)
def test_wrong_options_are_refused(options, message, batch):
    with pytest.raises(OptionError, match=message):
        gantt(batch(), **options)


def test_what_is_not_a_trace_is_refused():
    for wrong in ([1, 2], {}, {"a": 1}):
        with pytest.raises(OptionError, match="trace must be a Trace"):
            gantt(wrong)


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
