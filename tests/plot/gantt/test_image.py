"""More bars than pixels, as an image."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

import kaygraph_viz as kv
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.image import BAND_LINES, IDLE, MAX_SEPARATE_ROWS, image_keys
from kaygraph_viz.plot.style import FILLS, STATUS_FILLS, Size
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import recorded


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


def test_several_runs_become_images_below_each_other(batch):
    ax = gantt({"a": batch(), "b": batch(workers=2)}, max_bars=5)
    extents = [image.get_extent() for image in ax.images]
    assert [round(bottom - top) for _, _, bottom, top in extents] == [4, 2]
    assert extents[0][2] < extents[1][3]  # the heading of the second one lies between


def test_an_image_names_the_same_parts():
    ax = gantt(recorded("thread", lambda _: kv.compute(0.02), range(4)), max_bars=1)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CPU", "waiting for the interpreter"]


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


def test_the_legend_of_an_image_has_only_what_may_be_in_it():
    chart = Chart.of(
        make_trace(bar("b", "t", 0, 2, parts=[("cpu", 1), ("gil", 1)]), bar("b", "t", 2, 3, status="lost"))
    )
    labels = [key.label for key in image_keys(chart)]
    assert {"CPU", "waiting for the interpreter", "worker lost"} < set(labels)
    assert not {"waiting for a core", "pause before a retry", "error"} & set(labels)


def test_bars_that_took_no_time_are_an_empty_image():
    for options in ({"max_bars": 1}, {}):
        ax = gantt(make_trace(*(bar("b", f"t-{row}", 0, 0, status="error") for row in range(300))), **options)
        assert [str(c.get_gid()) for c in ax.collections] == ["marks-error"]
    assert len(gantt(make_trace(*(bar("b", "t", 0, 0) for _ in range(3)), check=False), max_bars=1).images) == 0


def test_a_nanosecond_in_a_day_is_drawn():
    made = [bar("b", f"t-{row}", 86_400 * row / 300, 86_400 * row / 300 + 1e-9) for row in range(300)]
    assert len(gantt(make_trace(*made)).images) == 1
