"""The geometry of the Gantt chart, without any drawing."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

import kaygraph_viz as kv
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.layout import make_layout, place_labels
from kaygraph_viz.plot.style import Size
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import busy_lanes, is_slim_pause, layout_of, recorded, shortest


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


@pytest.mark.processes
def test_the_geometry_needs_no_plotting_library():
    code = "import sys\nfrom kaygraph_viz.plot.gantt import bins, layout\nsys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def rects_of(trace, fill, **options):
    return [rect for rect in make_layout(Chart.of(trace), **options).rects if rect.fill == fill]


def test_of_threads_that_compute_only_one_is_drawn_to_compute_at_a_time():
    computing = rects_of(recorded("thread", lambda _: kv.compute(0.02), range(4)), "cpu")
    assert {rect.row for rect in computing} == {0, 1, 2, 3}
    ordered = sorted(computing, key=lambda rect: rect.x0_s)
    assert all(one.x1_s <= other.x0_s + 1e-12 for one, other in pairwise(ordered))


def test_of_threads_whose_turns_are_too_short_each_is_filled_to_its_share():
    trace = recorded("thread", lambda _: kv.compute(3), range(4))
    computing = rects_of(trace, "cpu", shortest_s=0.02)
    for time in np.linspace(0.5, 11.5, 12):
        shares = [rect.high - rect.low for rect in computing if rect.x0_s <= time < rect.x1_s]
        assert sum(shares) == pytest.approx(0.74, rel=0.1)


def test_a_branch_that_waits_first_is_drawn_to_compute_last():
    def branch(_):
        kv.sleep(0.2)
        kv.compute(0.05)

    for rect in rects_of(recorded("thread", branch, range(1)), "cpu"):
        assert rect.x0_s >= 0.2


def test_a_branch_around_others_has_bars_for_what_it_did_itself_and_a_slim_one_for_the_rest():
    trace = make_trace((bar("main", "task-1", 0, 9), [bar("job", "task-2", 2, 5), bar("job", "task-2", 5, 6)]))
    chart = Chart.of(trace, has_own_time=True)
    found = make_layout(chart)
    assert [row.text for row in chart.rows] == ["task-1", "task-2"]
    assert [(one.labels[0], one.x0_s, one.x1_s) for one in found.bars if one.row == 0] == [
        ("main", 0, 2),
        ("main", 6, 9),
    ]
    assert [(one.row, one.x0_s, one.x1_s) for one in found.rects if one.fill == "around"] == [(0, 2, 6)]
    assert [(one.labels[0], one.x0_s, one.x1_s) for one in found.around] == [("main", 2, 6)]
    assert chart.runs[0].ids.tolist().count(1) == 2


def test_a_branch_that_did_nothing_itself_has_no_bar():
    trace = make_trace((bar("main", "task-1", 0, 3), [bar("job", "task-2", 0, 3)]))
    assert [row.text for row in Chart.of(trace, has_own_time=True).rows] == ["task-2"]
