"""The geometry of the Gantt chart, without any drawing."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaygraph_viz.plot.bins import busy_share, make_bins
from kaygraph_viz.plot.chart import Chart
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.layout import make_layout, place_labels, split
from kaygraph_viz.plot.rows import lane_order, stack
from kaygraph_viz.plot.style import Size
from kaygraph_viz.testing import bar, make_trace

seconds = st.integers(0, 40).map(lambda value: value / 8)


def layout_of(trace, **options):
    return make_layout(Chart.of(trace), **options)


@st.composite
def busy_lanes(draw):
    """Branches on lanes, some of which overlap as coroutines of one thread do."""
    made = []
    for lane in range(draw(st.integers(1, 4))):
        at = 0.0
        for number in range(draw(st.integers(0, 6))):
            start, length = at + draw(seconds), draw(seconds)
            cpu, blocked = draw(st.none() | st.floats(0, 1)), draw(st.floats(0, 1))
            made.append(
                bar("b", f"lane-{lane}", start, start + length, queued_s=draw(seconds),
                    cpu_s=None if cpu is None else cpu * length, blocked_s=blocked * length, index=number,
                    status=draw(st.sampled_from(["ok", "error", "skipped"])))
            )  # fmt: skip
            at = draw(st.sampled_from([start, start + length]))
    return make_trace(*made, check=False)


@given(busy_lanes(), st.sampled_from(["part", "name", "status"]))
def test_rectangles_of_a_row_never_overlap(trace, colour_by):
    rects = sorted(layout_of(trace, colour_by=colour_by).rects, key=lambda rect: (rect.row, rect.x0_s, rect.x1_s))
    for one, other in pairwise(rects):
        if one.row == other.row:
            assert one.x1_s <= other.x0_s + 1e-9


@given(busy_lanes())
def test_parts_of_a_bar_add_up_to_its_duration(trace):
    layout = layout_of(trace)
    for made in layout.bars:
        parts = [rect for rect in layout.rects if rect.span_id == made.span_id and rect.fill != "queued"]
        assert sum(rect.x1_s - rect.x0_s for rect in parts) == pytest.approx(made.x1_s - made.x0_s, abs=1e-8)


@given(busy_lanes())
def test_every_unit_has_one_bar_within_the_makespan(trace):
    layout = layout_of(trace)
    assert sorted(made.span_id for made in layout.bars) == sorted(s.span_id for s in trace)
    chart = Chart.of(trace)
    assert all(0 <= rect.x0_s <= rect.x1_s <= chart.extent_s + 1e-9 for rect in layout.rects)
    assert all(0 <= rect.row < len(chart.rows) for rect in layout.rects)


@given(busy_lanes(), st.floats(1, 500))
def test_labels_never_leave_their_bars(trace, points_per_s):
    def fit(text, room):
        return text if 6 * len(text) <= room else ""

    for label in place_labels(layout_of(trace).bars, points_per_s, fit):
        assert 6 * len(label.text) <= (label.bar.x1_s - label.bar.x0_s) * points_per_s


def test_main_comes_first_and_numbers_count_as_numbers():
    lanes = ["thread-10", "process-2", "main", "thread-9", "thread-1"]
    trace = make_trace(*(bar("b", lane, number, number + 1) for number, lane in enumerate(lanes)))
    assert [row.lane for row in Chart.of(trace).rows] == ["main", "process-2", "thread-1", "thread-9", "thread-10"]
    assert sorted(["w-²", "w-1"], key=lane_order) == ["w-1", "w-²"]


def test_the_queue_is_drawn_only_while_the_row_was_free():
    trace = make_trace(bar("a", "t", 1, 3, queued_s=1), bar("b", "t", 4, 5, queued_s=4))
    queued = [(rect.x0_s, rect.x1_s) for rect in layout_of(trace).rects if rect.fill == "queued"]
    assert queued == [(0, 1), (3, 4)]


def test_a_retried_branch_shows_its_attempts_and_the_pauses_between():
    attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 3, 5, kind="attempt", attempt=2)]
    layout = layout_of(make_trace((bar("a", "t", 0, 5, attempt=2), attempts)))
    found = [(rect.fill, rect.x0_s, rect.x1_s, rect.is_failed) for rect in layout.rects]
    assert found == [("busy", 0, 1, True), ("pause", 1, 3, False), ("busy", 3, 5, False)]
    assert layout.bars[0].labels == ("a: 2 tries", "2 tries")


def test_attempts_share_the_cpu_time_of_their_branch_by_length():
    attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 2, 5, kind="attempt", attempt=2)]
    layout = layout_of(make_trace((bar("a", "t", 0, 5, cpu_s=2, attempt=2), attempts)))
    assert [(rect.x0_s, rect.x1_s) for rect in layout.rects if rect.fill == "cpu"] == [(0, 0.5), (2, 3.5)]


def test_the_label_of_a_retried_branch_stands_in_its_longest_attempt():
    attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 2, 5, kind="attempt", attempt=2)]
    (made,) = layout_of(make_trace((bar("a", "t", 0, 5, attempt=2), attempts))).bars
    (label,) = place_labels((made,), 100, lambda text, _: text)
    assert (made.room, label.x_s) == ((2, 5), 3.5)


def test_overlapping_bars_of_one_lane_get_rows_of_their_own():
    trace = make_trace(bar("a", "main", 0, 2), bar("b", "main", 1, 3), bar("c", "main", 2, 4), check=False)
    layout = layout_of(trace)
    assert [row.text for row in Chart.of(trace).rows] == ["main", ""]
    assert [made.row for made in sorted(layout.bars, key=lambda made: made.x0_s)] == [0, 1, 0]


def test_steps_around_the_work_are_slim_and_the_work_has_the_name_of_its_node():
    phases = [bar(name, "main", start, start + 1, kind="phase") for start, name in enumerate(["prep", "exec", "post"])]
    layout = layout_of(make_trace((bar("Load", "main", 0, 3, kind="node"), phases)))
    assert [made.height for made in layout.bars] == [Size.slim, Size.full, Size.slim]
    assert layout.bars[1].labels == ("Load",)


def test_items_of_a_batch_are_told_apart_by_their_number():
    trace = make_trace(bar("Check", "t", 0, 1, index=0), bar("Check", "t", 1, 2, index=1, status="timeout"))
    assert [made.labels for made in layout_of(trace).bars] == [
        ("Check 0", "0"), ("Check 1: timed out", "1: timed out", "timed out", "1")
    ]  # fmt: skip


def test_nodes_are_shown_above_the_rows_if_there_are_several():
    one = bar("a", "main", 0, 1, kind="node")
    two = make_trace(one, bar("b", "main", 1, 2, kind="node"))
    assert Chart.of(make_trace(one)).runs[0].nodes == ()
    assert [line.label for line in Chart.of(two).runs[0].nodes] == ["a", "b"]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(-1, 120), st.integers(0, 120))
def test_the_parts_never_exceed_the_bar(start, length, cpu, blocked):
    parts = split(start, start + length, cpu, blocked)
    assert sum(end - begin for _, begin, end in parts) == length
    assert all(begin < end for _, begin, end in parts)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=20))
def test_levels_keep_intervals_apart(pairs):
    starts = np.array([start for start, _ in pairs], np.int64)
    ends = starts + np.array([length for _, length in pairs], np.int64)
    levels = stack(starts, ends)
    for level in set(levels.tolist()):
        mine = sorted(zip(starts[levels == level].tolist(), ends[levels == level].tolist(), strict=True))
        assert all(one[1] <= other[0] for one, other in pairwise(mine))


@given(busy_lanes(), st.integers(1, 30))
def test_an_image_holds_exactly_the_time_of_the_bars(trace, bins):
    if not len(trace) or not trace.makespan_s:
        return
    (made,) = make_bins(Chart.of(trace), bins)
    total = sum(share.sum() for share in made.shares.values()) * trace.makespan_s / bins
    assert total == pytest.approx(sum(s.service_s for s in trace), rel=1e-6, abs=1e-6)
    assert all((share >= 0).all() and (share <= 1 + 1e-12).all() for share in made.shares.values())


@given(busy_lanes(), busy_lanes(), st.integers(1, 30))
def test_an_image_of_several_runs_holds_the_time_of_each(one, other, bins):
    chart = Chart.of({"one": one, "other": other})
    if not chart.extent_s:
        return
    total = sum(share.sum() for made in make_bins(chart, bins) for share in made.shares.values())
    expected = sum(s.service_s for trace in (one, other) for s in trace)
    assert total * chart.extent_s / bins == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_an_interval_without_duration_hides_no_other_that_starts_with_it():
    share = busy_share(np.zeros(2, np.int64), np.array([0, 0]), np.array([8, 0]), np.array([0, 8]), 1)
    assert share.tolist() == [[1]]


def test_shares_of_several_rows_do_not_mix():
    rows, starts, ends = np.array([0, 1, 1]), np.array([0, 5, 20]), np.array([40, 10, 30])
    share = busy_share(rows, starts, ends, np.array([0, 10, 20, 40]), 3)
    assert share.tolist() == [[1, 1, 1], [0.5, 0, 0.5], [0, 0, 0]]


def test_very_many_rows_share_image_rows():
    trace = make_trace(*(bar("b", f"t-{number}", 0, 1) for number in range(1_000)))
    (made,) = make_bins(Chart.of(trace), 10)
    assert made.shares["busy"].shape == (400, 10)
    assert made.shares["busy"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\x00\x1b[31mred", "[31mred"),
        ("abc\u202edef", "abcdef"),
        ("\ud800x", "x"),
        ("", "(no name)"),
        ("e\u0301", "é"),
        ("z" + "\u0336" * 50, "z\u0336"),
        (None, "<NoneType>"),
        ("x" * 1_000_000, "x" * 59 + "…"),
    ],
)
def test_labels_of_others_are_made_harmless(text, shown):
    assert clean(text) == shown


@pytest.mark.processes
def test_the_geometry_needs_no_plotting_library():
    code = "import sys, kaygraph_viz.plot.layout, kaygraph_viz.plot.bins; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
