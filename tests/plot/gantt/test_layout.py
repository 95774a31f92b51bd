"""The geometry of the Gantt chart, without any drawing."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.plot.gantt.bins import busy_share, make_bins
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.layout import make_layout, place_labels
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.rows import lane_order, stack
from kaygraph_viz.plot.style import FILLS, Size
from kaygraph_viz.testing import bar, make_trace

seconds = st.integers(0, 40).map(lambda value: value / 8)
shortest = st.sampled_from([0.0, 0.3, 2.0])


def layout_of(trace, **options):
    return make_layout(Chart.of(trace), **options)


@st.composite
def busy_lanes(draw):
    """Branches on lanes, some of which overlap as coroutines of one thread do, and some of which know their parts."""
    made = []
    for lane in range(draw(st.integers(1, 4))):
        at = 0.0
        for number in range(draw(st.integers(0, 6))):
            start, length = at + draw(seconds), draw(seconds)
            cpu, blocked = draw(st.none() | st.floats(0, 1)), draw(st.floats(0, 1))
            parts = draw(st.none() | st.lists(st.tuples(st.sampled_from(PART_KINDS), st.just(length / 4)),
                                              min_size=4, max_size=4)) if length else None  # fmt: skip
            made.append(
                bar("b", f"lane-{lane}", start, start + length, queued_s=draw(seconds),
                    cpu_s=None if cpu is None else cpu * length, blocked_s=blocked * length, index=number,
                    status=draw(st.sampled_from(["ok", "error", "skipped"])), parts=parts)
            )  # fmt: skip
            at = draw(st.sampled_from([start, start + length]))
    return make_trace(*made, check=False)


@given(busy_lanes(), st.sampled_from(["part", "name", "status"]), shortest)
def test_rectangles_of_a_row_never_overlap(trace, color_by, shortest_s):
    rects = layout_of(trace, color_by=color_by, shortest_s=shortest_s).rects
    for one, other in combinations(sorted(rects, key=lambda rect: (rect.row, rect.x0_s, rect.x1_s)), 2):
        if one.row == other.row and one.x1_s > other.x0_s + 1e-9:
            assert (one.x0_s, one.x1_s) == (other.x0_s, other.x1_s)
            assert one.high <= other.low + 1e-9 or other.high <= one.low + 1e-9


@given(busy_lanes(), shortest)
def test_parts_of_a_bar_fill_it_from_start_to_end(trace, shortest_s):
    layout = layout_of(trace, shortest_s=shortest_s)
    for made in layout.bars:
        parts = [rect for rect in layout.rects if rect.span_id == made.span_id and rect.fill != "queued"]
        assert all(made.low - 1e-9 <= rect.low < rect.high <= made.high + 1e-9 for rect in parts)
        tall = [made.height if is_slim_pause(rect) else rect.high - rect.low for rect in parts]
        area = sum(height * (rect.x1_s - rect.x0_s) for height, rect in zip(tall, parts, strict=True))
        assert area == pytest.approx(made.height * (made.x1_s - made.x0_s), abs=1e-5)


def is_slim_pause(rect):
    return rect.fill == "pause" and (rect.low, rect.high) == (-Size.slim / 2, Size.slim / 2)


def test_parts_stand_where_they_happened():
    parts = [("wait", 1), ("blocked", 0.5), ("cpu", 1), ("gil", 0.25), ("core", 0.25), ("wait", 1)]
    rects = layout_of(make_trace(bar("a", "t", 2, 6, parts=parts))).rects
    found = [(rect.fill, rect.x0_s, rect.x1_s) for rect in rects]
    assert found == [("wait", 0, 1), ("blocked", 1, 1.5), ("cpu", 1.5, 2.5), ("gil", 2.5, 2.75), ("core", 2.75, 3),
                     ("wait", 3, 4)]  # fmt: skip
    assert {(rect.low, rect.high) for rect in rects} == {(-Size.full / 2, Size.full / 2)}


def test_what_is_not_known_when_is_filled_up_to_its_share_of_cpu():
    cpu, rest, wait = layout_of(make_trace(bar("a", "t", 0, 3, parts=[("unknown", 2, 0.25), ("wait", 1)]))).rects
    assert (cpu.fill, rest.fill, wait.fill) == ("cpu", "unknown", "wait")
    assert (cpu.x0_s, cpu.x1_s) == (rest.x0_s, rest.x1_s) == (0, 2)
    assert cpu.high == rest.low
    assert (cpu.low, rest.high) == (-Size.full / 2, Size.full / 2)
    assert cpu.high - cpu.low == pytest.approx(0.25 * Size.full)


def test_where_cpu_was_not_measured_a_bar_is_running():
    assert [rect.fill for rect in layout_of(make_trace(bar("a", "t", 0, 3))).rects] == ["busy"]


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
    assert [(rect.fill, rect.x0_s, rect.x1_s) for rect in layout.rects] == [
        ("busy", 0, 1),
        ("pause", 1, 3),
        ("busy", 3, 5),
    ]
    assert [is_slim_pause(rect) for rect in layout.rects] == [False, True, False]
    assert [(rect.fill, rect.x0_s, rect.x1_s) for rect in layout.failed] == [("error", 0, 1)]
    assert layout.bars[0].labels == ("a: 2 tries", "2 tries")


def test_a_retried_branch_with_parts_of_its_own_shows_them():
    attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 3, 5, kind="attempt", attempt=2)]
    parts = [("cpu", 1), ("pause", 1.5), ("gil", 0.5), ("wait", 2)]
    layout = layout_of(make_trace((bar("a", "t", 0, 5, attempt=2, parts=parts), attempts)))
    found = [(rect.fill, rect.x0_s, rect.x1_s) for rect in layout.rects]
    assert found == [("cpu", 0, 1), ("pause", 1, 2.5), ("gil", 2.5, 3), ("wait", 3, 5)]
    assert [(rect.fill, rect.x0_s, rect.x1_s) for rect in layout.failed] == [("error", 0, 1)]


def test_attempts_share_the_cpu_time_of_their_branch_by_length():
    attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 2, 5, kind="attempt", attempt=2)]
    layout = layout_of(make_trace((bar("a", "t", 0, 5, cpu_s=2, attempt=2), attempts)))
    cpu = [rect for rect in layout.rects if rect.fill == "cpu"]
    assert [(rect.x0_s, rect.x1_s) for rect in cpu] == [(0, 1), (2, 5)]
    assert [(rect.high - rect.low) / Size.full for rect in cpu] == pytest.approx([0.5, 0.5])


def test_the_label_of_a_retried_branch_stands_in_its_longest_attempt():
    attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 2, 5, kind="attempt", attempt=2)]
    (made,) = layout_of(make_trace((bar("a", "t", 0, 5, attempt=2), attempts))).bars
    (label,) = place_labels((made,), 100, lambda text, _: text)
    assert (made.rooms[0], label.x_s, label.covers) == ((2, 5), 3.5, False)


def test_a_label_stands_on_plain_colour_where_there_is_room():
    parts = [("wait", 1), ("blocked", 2), ("wait", 2), ("cpu", 2), ("gil", 2)]
    (made,) = layout_of(make_trace(bar("a", "t", 0, 9, parts=parts))).bars
    (label,) = place_labels((made,), 100, lambda text, _: text)
    assert (label.x_s, label.covers) == (5, False)


def test_a_label_without_room_on_plain_colour_covers_a_hatch():
    (made,) = layout_of(make_trace(bar("a", "t", 0, 4, parts=[("wait", 0.5), ("blocked", 3.5)]))).bars
    (label,) = place_labels((made,), 100, lambda text, room: text if room > 60 else "")
    assert (label.x_s, label.covers) == (2, True)


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


@given(busy_lanes(), st.integers(1, 30), shortest)
def test_an_image_has_the_same_shares_as_the_bars(trace, bins, shortest_s):
    if not trace.makespan_s:
        return
    (made,) = make_bins(Chart.of(trace), bins)
    found = {fill: share.sum() * trace.makespan_s / bins for fill, share in made.shares.items()}
    drawn = dict.fromkeys(FILLS, 0.0)
    for rect in layout_of(trace, shortest_s=shortest_s).rects:
        height = 1 if is_slim_pause(rect) else (rect.high - rect.low) / Size.full
        drawn["wait" if rect.fill == "unknown" else rect.fill] += height * (rect.x1_s - rect.x0_s)
    for fill in set(FILLS) - {"queued"}:
        assert found.get(fill, 0) == pytest.approx(drawn[fill], abs=1e-5)


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


def test_intervals_count_by_their_weights():
    zeros = np.zeros(2, np.int64)
    share = busy_share(zeros, np.array([0, 10]), np.array([10, 30]), np.array([0, 5, 20]), 1, np.array([0.5, 0.25]))
    assert share.tolist() == [[0.5, pytest.approx((2.5 + 2.5) / 15)]]


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
    code = "import sys\nfrom kaygraph_viz.plot.gantt import bins, layout\nsys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
