"""The Gantt chart by its artists, its legend and its words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import kaygraph_viz as kv
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.critical_path import path_lines, path_steps
from kaygraph_viz.plot.gantt.description import part_times_s, where_time_went
from kaygraph_viz.plot.gantt.drawing import BAND_LINES, MAX_SEPARATE_ROWS, Options, draw_rows
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.legend import IDLE, MEANINGS, WHOLE
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.plot.rows import centres
from kaygraph_viz.plot.style import (
    CRITICAL,
    FILLS,
    LOOP_HELD_UP,
    NAME_COLOURS,
    PREDICTED,
    STATUS_COLOURS,
    STATUS_FILLS,
    Size,
)
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn, polygons, recorded


@pytest.mark.parametrize("color_by", ["part", "name", "status"])
@pytest.mark.parametrize("group_by", ["worker", "node"])
def test_texts_stay_in_the_figure_and_do_not_collide(batch, validation, pipeline, color_by, group_by, neat):
    for trace in (batch(), validation, pipeline):
        assert neat(gantt(trace, color_by=color_by, group_by=group_by, critical_path=True))


def test_the_default_title_has_the_main_numbers(batch):
    assert gantt(batch()).get_title(loc="left") == "4 workers, 12 branches, 2.90 s, 3.7 at once"
    assert gantt(batch(), title="Mine").get_title(loc="left") == "Mine"


def test_several_runs_share_one_axis_each_from_its_own_beginning():
    before = make_trace(bar("a", "main", 5, 6), bar("b", "main", 6, 8))
    after = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2))
    ax = gantt({"one by one": before, "at once": after})
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["one by one", "main", "at once", "t-1", "t-2"]
    boxes = sorted(tuple(path.get_extents().extents.round(6)[[0, 2]]) for path in polygons(ax, "outline")[0])
    assert boxes == [(0, 1), (0, 1), (0, 2), (1, 3)]
    assert ax.get_title(loc="left") == "2 runs, 2.0 s to 3.0 s"


def test_the_axes_that_is_given_is_used_and_returned(batch):
    figure, ax = plt.subplots()
    assert gantt(batch(), ax=ax) is ax
    assert plt.get_fignums() == [figure.number]


def test_the_chart_has_a_text_of_its_own(validation):
    ax = gantt(validation)
    assert ax.get_label() == describe(ax).sentence
    assert "4 branches on 4 workers (5 rows)" in ax.get_label()
    assert "1 error, 1 timed out and 1 retry" in ax.get_label()
    assert gantt(make_trace()).get_label() == "Gantt chart without bars: nothing was recorded."


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


def test_names_of_nodes_are_not_cut_off_where_rows_are_low():
    first = bar("one", "main", 0, 4, kind="node"), [bar("a", f"t-{number}", 0, 4) for number in range(8)]
    second = bar("two", "main", 4, 8, kind="node"), [bar("b", "t-1", 4, 8)]
    ax = gantt(make_trace(first, second), ax=plt.figure(figsize=(6, 1.6)).add_subplot())
    names = [text for text in ax.texts if text.get_text() in ("one", "two")]
    assert len(names) == 2
    for name in names:
        assert name.get_tightbbox().height == name.get_window_extent().height


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


def test_very_many_names_are_few_artists_and_entries():
    ax = gantt(make_trace(*(bar(f"name {number}", "t", number, number + 1) for number in range(500))), color_by="name")
    gids = [str(c.get_gid()) for c in ax.collections if str(c.get_gid()).startswith("part-")]
    assert len(gids) == len(NAME_COLOURS) + 1
    assert sum(len(c.get_paths()) for c in ax.collections if c.get_gid() in gids) == 500
    assert len(ax.get_legend().get_texts()) == len(NAME_COLOURS) + 1


def test_turns_too_short_to_be_drawn_are_shares_of_the_height():
    turns = [("cpu", 0.005), ("gil", 0.015)] * 500
    ax = gantt(make_trace(bar("a", "main", 0, 10, parts=turns)))
    (cpu,), (gil,) = ([path.get_extents() for path in polygons(ax, gid)[0]] for gid in ("part-cpu", "part-gil"))
    assert cpu.height / gil.height == pytest.approx(1 / 3)
    assert "the height of a colour is its share of the time" in ax.get_xlabel()


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


def test_a_failure_without_a_label_has_a_mark_and_an_entry_with_it():
    trace = make_trace(bar("a", "main", 0, 4, status="error"))
    keys = [draw_rows(Chart.of(trace), None, Options(labels=labels))[1][-1] for labels in (True, False)]
    assert [(key.label, key.marker) for key in keys] == [("error", ""), ("error", "X")]


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


def test_the_more_of_a_moment_was_used_the_deeper_is_its_colour():
    made = [bar("b", "t", 0, 4, parts=[("cpu", 4)]), bar("b", "t", 8, 10, parts=[("cpu", 2)])]
    (image,) = gantt(make_trace(*made), max_bars=1).images
    pixels = np.asarray(image.get_array())[3]  # a line within the row, which has gaps above and below
    busy, idle = pixels[len(pixels) // 5], pixels[len(pixels) * 3 // 5]
    assert busy.tolist() == pytest.approx([*to_rgb(FILLS["cpu"].colour), 1])
    assert idle[3] == 0


def test_rows_have_gaps_between_them_unless_they_are_many():
    def clear_lines(rows):
        (image,) = gantt(make_trace(*(bar("b", f"t-{row}", 0, 1) for row in range(rows))), max_bars=1).images
        return (np.asarray(image.get_array())[:, :, 3] == 0).all(axis=1).sum()

    assert clear_lines(3) == 6
    assert clear_lines(MAX_SEPARATE_ROWS + 1) == 0


def test_the_height_of_a_colour_in_a_band_is_its_share_of_the_rows():
    made = [bar("b", f"t-{row}", 0, 4 if row % 2 else 2, parts=[("cpu", 1), ("wait", 3 if row % 2 else 1)])
            for row in range(300)]  # fmt: skip
    (image,) = gantt(make_trace(*made)).images
    pixels = np.asarray(image.get_array())
    lines, wide = BAND_LINES, pixels.shape[1]
    column = {time: pixels[:lines, int(wide * time / 4)] for time in (0.5, 1.5, 3.5)}
    cpu, wait, idle = (to_rgb(fill.colour) for fill in (FILLS["cpu"], FILLS["wait"], IDLE))

    def lines_of(time, colour):
        return np.isclose(column[time][:, :3], colour, atol=1e-3).all(axis=1).sum()

    full = round(lines * Size.full)
    assert (pixels[:lines, :, 3] == 0).all(axis=1).sum() == lines - full  # gaps between bands
    assert lines_of(0.5, cpu) == full - 1  # without the edge
    assert lines_of(1.5, wait) == full - 1
    assert (lines_of(3.5, wait), lines_of(3.5, idle)) == (full // 2 - 1, full // 2)


def test_marks_of_failures_come_in_a_fixed_order():
    made = [bar("b", f"t-{row}", 0, 1, status=status) for row, status in enumerate(reversed(STATUS_FILLS))]
    gids = [str(c.get_gid()) for c in gantt(make_trace(*made), max_bars=1).collections]
    assert [gid for gid in gids if gid.startswith("marks")] == [f"marks-{status}" for status in STATUS_FILLS]


def test_bars_that_took_no_time_are_an_empty_image():
    for options in ({"max_bars": 1}, {}):
        ax = gantt(make_trace(*(bar("b", f"t-{row}", 0, 0, status="error") for row in range(300))), **options)
        assert [str(c.get_gid()) for c in ax.collections] == ["marks-error"]
    assert len(gantt(make_trace(*(bar("b", "t", 0, 0) for _ in range(3)), check=False), max_bars=1).images) == 0


def test_a_nanosecond_in_a_day_is_drawn():
    made = [bar("b", f"t-{row}", 86_400 * row / 300, 86_400 * row / 300 + 1e-9) for row in range(300)]
    assert len(gantt(make_trace(*made)).images) == 1


def test_the_path_leads_from_row_to_row():
    branches = [bar("a", "t-1", 0, 2), bar("b", "t-2", 2, 5, span_id=9, links=(8,)), bar("c", "t-1", 2, 3)]
    branches[0] = bar("a", "t-1", 0, 2, span_id=8)
    chart = Chart.of(make_trace((bar("exec", "main", 0, 5, kind="phase"), branches)))
    lines = path_lines(chart.runs[0], path_steps(chart.runs[0].nesting), centres(chart.rows))
    assert [[x for x, _ in line] for line in lines.along] == [[0, 2], [2, 5]]
    assert lines.between == [[(2, 0.37), (2, 1.37), (2, 1.37)]]
    assert lines.waits == []


def test_many_steps_of_one_row_are_one_line():
    made = [bar("b", "t", number, number + 0.9999) for number in range(3_000)]
    chart = Chart.of(make_trace((bar("exec", "main", 0, 3_000, kind="phase"), made)))
    assert len(path_lines(chart.runs[0], path_steps(chart.runs[0].nesting), centres(chart.rows)).along) == 1


def test_the_critical_path_is_drawn_beneath_its_bars():
    branches = [bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 3), bar("c", "t-2", 3, 5), bar("d", "t-1", 5.5, 6)]
    ax = gantt(make_trace((bar("exec", "main", 0, 6, kind="phase"), branches)), critical_path=True)
    lines = {c.get_gid(): [np.round(line, 6).tolist() for line in c.get_segments()] for c in ax.collections
             if isinstance(c, LineCollection)}  # fmt: skip
    low, high = 0.37, 1.37  # the lower ends of the bars in the rows of t-1 and t-2
    assert lines["critical"] == [[[0, high], [5, high]], [[5.5, low], [6, low]]]
    assert lines["critical-wait"] == [[[5, high], [5, low], [5.5, low]]]
    assert "critical path" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "The critical path is b, then c, then d." in ax.get_label()


def waiting(*lanes: str):
    """Return a trace in which each lane waits for its turn."""
    return make_trace(*(bar("a", lane, 0, 2, parts=[("gil", 1), ("cpu", 1)]) for lane in lanes))


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("lanes", "words"),
    [
        (("task-1", "async-2"), "the loop"),
        (("thread-1", "process-1"), "the interpreter"),
        (("task-1", "thread-1"), "the interpreter or the loop"),
    ],
)
def test_the_legend_and_the_description_say_what_bars_waited_for(lanes, words):
    ax = gantt(waiting(*lanes))
    assert f"waiting for {words}" in legend(ax)
    found = describe(ax)
    assert f"50% waiting for {words}" in found.sentence
    assert words.replace("the ", "") in found.tables[0].headings


BLOCKED = (bar("fetch", "task-1", 0, 4), [bar("loop blocked", "task-1", 1, 3, kind="wait")])


def test_what_held_up_the_loop_has_a_line_and_is_named():
    ax = gantt(make_trace(BLOCKED, bar("parse", "task-2", 0, 4)))
    (lines,) = [
        each for each in ax.collections if isinstance(each, LineCollection) and each.get_gid() == "loop-held-up"
    ]
    assert [line[:, 0].tolist() for line in lines.get_segments()] == [[1.0, 3.0]]
    assert legend(ax)[-1] == "held up the loop"
    assert "in fetch for 2.00 s" in describe(ax).sentence


def test_one_that_did_nothing_beside_its_branches_has_a_row_for_its_line():
    inner = bar("parse", "task-2", 0, 4)
    ax = gantt(make_trace((BLOCKED[0], [*BLOCKED[1], inner])))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["task-1", "task-2"]
    assert legend(ax)[-1] == "held up the loop"
    assert "in fetch for 2.00 s" in describe(ax).sentence


def entries(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_key_explains_what_is_in_the_chart_and_nothing_else(validation, neat):
    found = entries(gantt(validation, legend=True, critical_path=True))
    assert found[0] == "bar: one branch, with its name or its item's number"
    assert {
        "grey line: a node, from its begin to its end",
        "blocked: held up by a lock, a queue or a limit",
        "error: it ended with an error",
        "critical path: the bars that made the run so long",
    } <= set(found)
    assert not any(entry.startswith(("queued", "waiting for", "predicted")) for entry in found)
    assert neat(gantt(validation, legend=True, critical_path=True))


def test_each_entry_that_a_legend_can_have_is_explained():
    labels = {key.label for key in (*FILLS.values(), *STATUS_FILLS.values(), CRITICAL, LOOP_HELD_UP, PREDICTED)}
    assert labels <= MEANINGS.keys() | WHOLE.keys()


@pytest.mark.parametrize(("lane", "other"), [("task-1", "another coroutine"), ("t-1", "another thread")])
def test_what_bars_wait_for_depends_on_their_workers(lane, other):
    ax = gantt(make_trace(bar("a", lane, 0, 2, parts=[("gil", 1), ("cpu", 1)])), legend=True)
    assert any(entry.endswith(f": {other} computes") for entry in entries(ax))


def test_bands_are_explained_in_place_of_bars():
    ax = gantt(make_trace(*(bar("a", f"t-{number}", 0, 1, cpu_s=1) for number in range(300))), legend=True)
    assert any(entry.startswith("band:") for entry in entries(ax))
    assert not any(entry.startswith("bar:") for entry in entries(ax))


def test_a_key_that_is_neither_wanted_nor_unwanted_is_an_error(batch):
    with pytest.raises(OptionError, match="legend"):
        gantt(batch(), legend="yes")


def test_a_chart_of_few_bars_has_a_line_for_each(validation):
    table = describe(gantt(validation)).tables[0]
    rows = {row[2]: row for row in table.rows}
    numbers = ("", "0.100 s", "2.90 s", "", "", "2.00 s", "0 s")
    assert rows["external"] == ("", "t-3", "external", "1.00 s", "6.00 s", *numbers, "error", "")
    assert rows["format"][-2] == "ok, 2 tries"
    assert "Validate: prep" in rows


def test_a_chart_of_many_bars_has_a_line_for_each_row(batch):
    table = describe(gantt(batch(items=80))).tables[0]
    assert len(table.rows) == 4
    assert table.rows[0] == ("", "thread-1", "20", "0 s", "19.9 s", "18.0 s", "9.50 s", "6.00 s", "12.0 s", *[""] * 4,
                             "0")  # fmt: skip


def test_a_chart_of_very_many_workers_has_a_bounded_table(batch):
    rows = describe(gantt(batch(150, 150))).tables[0].rows
    assert len(rows) == 40
    assert rows[-1][1] == "111 more rows"


def test_several_runs_are_told_apart(batch):
    description = describe(gantt({"before": batch(), "after": batch(workers=2)}, critical_path=True))
    assert description.sentence.count("Gantt chart") == 2
    assert "The critical path of after is" in description.sentence
    table = description.tables[0]
    assert {row[0] for row in table.rows} == {"before", "after"}
    assert {row[-1] for row in table.rows} == {"yes", ""}


def test_the_picture_and_its_words_name_the_same_parts():
    ax = gantt(recorded("process", lambda _: kv.compute(3), range(4), cores=2))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CPU", "waiting for a core"]
    assert "50% computing and 50% waiting for a core; at most 2 bars compute at once." in kv.describe(ax).sentence
    heading = str(kv.describe(ax)).splitlines()[2].split()
    assert heading == ["worker", "bar", "from", "to", "CPU", "core", "ended"]


def run_of(*spans):
    return Chart.of(make_trace(*spans)).runs[0]


def said(run):
    return where_time_went(run, part_times_s(run))


def test_it_is_said_how_many_compute_at_once():
    parts = [("cpu", 1), ("core", 2)], [("cpu", 1), ("core", 2)], [("core", 1), ("cpu", 2)]
    run = run_of(*(bar("a", f"t-{number}", 0, 3, parts=each) for number, each in enumerate(parts)))
    assert said(run) == (
        "The time in the bars is 44% computing and 56% waiting for a core; at most 2 bars compute at once."
    )


def test_how_many_compute_at_once_is_not_said_where_it_is_not_known():
    run = run_of(bar("a", "t", 0, 4, parts=[("gil", 2), ("unknown", 2, 0.5)]))
    assert said(run) == ("The time in the bars is 25% computing, 25% waiting and 50% waiting for the interpreter.")


def test_with_several_runs_it_is_said_of_which():
    runs = Chart.of({"one": make_trace(bar("a", "t", 0, 4, blocked_s=1)), "other": make_trace()}).runs
    assert [where_time_went(run, part_times_s(run)) for run in runs] == [
        "The time in the bars of one is 25% blocked and 75% running, not measured.", ""
    ]  # fmt: skip


def run_and_prediction():
    branches = [bar("get", "thread-1", at, at + 1, queued_s=at, cpu_s=0, index=at) for at in range(4)]
    measured = make_trace((bar("exec", "main", 0, 4, kind="phase", executor="thread", workers=1), branches))
    return measured, what_if(measured).trace(2)


def hatched(ax):
    return [c for c in ax.collections if c.get_hatch() == PREDICTED.hatch]


def predicted_legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_all_bars_of_a_predicted_run_are_hatched_and_the_chart_says_where_it_comes_from(neat):
    _, predicted = run_and_prediction()
    ax = gantt(predicted)
    assert [collection.get_gid() for collection in hatched(ax)] == ["predicted"]
    assert PREDICTED.label in predicted_legend(ax)
    assert "predicted from the run with 1 worker" in ax.get_xlabel()
    assert "predicted from the run with 1 worker, not measured" in describe(ax).sentence
    assert neat(ax)


def test_a_measured_run_beside_it_is_not_hatched():
    measured, predicted = run_and_prediction()
    ax = gantt({"measured": measured, "predicted": predicted})
    (collection,) = hatched(ax)
    (path,) = collection.get_paths()
    corners = 5
    assert len(path.vertices) == corners * sum(span.kind == "branch" for span in predicted)
    assert "predicted" not in predicted_legend(gantt(measured))
    assert "predicted" not in describe(gantt(measured)).sentence


def test_labels_on_the_hatch_have_a_backing():
    _, predicted = run_and_prediction()
    texts = [text for text in gantt(predicted).texts if text.get_text().strip()]
    assert all(text.get_bbox_patch() is not None for text in texts)
    assert texts
