"""The geometry of the Gantt chart, without any drawing: bars, their fills, and the shares of an image."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

import kaygraph_viz as kv
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.plot.gantt.layout import (
    MIN_STACK_PARTS,
    MIN_STACK_WIDTH,
    STACK,
    Coverage,
    make_bins,
    make_layout,
    make_stripes,
    place_labels,
    share_of,
)
from kaygraph_viz.plot.gantt.scene import Chart, folded
from kaygraph_viz.plot.style import FILLS, Size
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import stretches
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
    code = "import sys\nfrom kaygraph_viz.plot.gantt import layout\nsys.exit('matplotlib' in sys.modules)"
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


# -- parts of bars as filled stretches -----


kinds = st.tuples(st.sampled_from(PART_KINDS), st.sampled_from([0.001, 0.01, 0.5, 1.0, 1.9, 2.0, 5.0]))


unknown = st.tuples(st.just("unknown"), st.sampled_from([0.01, 1.0, 3.0]), st.sampled_from([0.0, 0.3, 1.0]))


def parts_of(*parts):
    length = sum(lasts_s for _, lasts_s, *_ in parts)
    return stretches(make_trace(bar("a", "t", 0, round(length, 9), parts=parts)).columns)


def drawn(found):
    """Return fill, start and end [s] and height of each stripe."""
    columns = (found.started_ns / 1e9, found.ended_ns / 1e9, found.high - found.low)
    rows = zip(found.fill.tolist(), *(column.round(6).tolist() for column in columns), strict=True)
    return [(STACK[fill], *row) for fill, *row in rows]


@given(st.lists(st.one_of(kinds, unknown), min_size=1, max_size=60), st.sampled_from([0.0, 0.6, 1.5, 10.0]))
def test_each_kind_has_the_area_of_its_time(parts, shortest_s):
    told = parts_of(*parts)
    found = make_stripes(told, shortest_s * 1e9)
    area = (found.high - found.low) * (found.ended_ns - found.started_ns)
    for place, fill in enumerate(STACK):
        wanted = (share_of(told, fill) * (told.ended_ns - told.started_ns)).sum()
        assert area[found.fill == place].sum() == pytest.approx(wanted, abs=10)


@given(st.lists(st.one_of(kinds, unknown), min_size=1, max_size=60), st.sampled_from([0.6, 1.5, 10.0]))
def test_nothing_that_is_drawn_is_shorter_than_can_be_seen(parts, shortest_s):
    told = parts_of(*parts)
    found = make_stripes(told, shortest_s * 1e9)
    widths = found.ended_ns - found.started_ns
    whole = told.ended_ns.max()
    third_ns = MIN_STACK_WIDTH * shortest_s * 1e9 / 3  # what a short part takes at least of a long one beside it
    assert widths.min() >= min(whole, third_ns) - 10


def test_short_parts_stand_on_each_other_by_their_shares():
    turns = [("cpu", 0.01), ("gil", 0.03)] * 200
    found = make_stripes(parts_of(("wait", 2), *turns), 0.1e9)
    assert drawn(found) == [("wait", 0, 2, 1), ("cpu", 2, 10, 0.25), ("gil", 2, 10, 0.75)]
    assert found.is_stacked


def test_shares_that_change_are_seen_to_change():
    early, late = [("cpu", 0.01), ("gil", 0.03)] * 200, [("cpu", 0.03), ("gil", 0.01)] * 200
    cpu = [(start, end, height) for fill, start, end, height in drawn(make_stripes(parts_of(*early, *late), 0.1e9))
           if fill == "cpu"]  # fmt: skip
    assert cpu == [(0, 8, 0.25), (8, 16, 0.75)]


def test_a_short_part_between_long_ones_takes_some_of_them_to_be_seen():
    found = drawn(make_stripes(parts_of(("wait", 10), ("cpu", 0.5), ("wait", 10)), 1e9))
    assert found == [("wait", 0, 9.25, 1), ("cpu", 9.25, 11.25, 0.25), ("wait", 9.25, 11.25, 0.75),
                     ("wait", 11.25, 20.5, 1)]  # fmt: skip


def test_stretches_of_several_parts_have_enough_of_them_to_be_no_chance():
    chance = np.random.default_rng(1)
    parts = [(kind, lasts) for lasts in chance.uniform(0.02, 0.06, 400) for kind in ("cpu", "wait")]
    found = make_stripes(parts_of(*parts), 0.08e9)
    starts = np.unique(found.started_ns)
    assert len(starts) <= len(parts) / MIN_STACK_PARTS


# -- the shares of an image of many bars -----


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


def shares(rows, starts, ends, edges, weights=None):
    columns = (np.array(column) for column in (rows, starts, ends, edges))
    return Coverage(*columns, max(rows, default=0) + 1).shares(weights).tolist()


def test_an_interval_without_duration_hides_no_other_that_starts_with_it():
    assert shares([0, 0], [0, 0], [8, 0], [0, 8]) == [[1]]


def test_nothing_is_left_behind_the_end_of_the_last_interval_by_rounding():
    weights = np.full(1_000, 0.1)
    starts = np.arange(1_000)
    found = Coverage(np.zeros(1_000, np.int64), starts, starts + 1, np.array([0, 500, 1_000, 2_000]), 1).shares(weights)
    assert found.tolist() == [[pytest.approx(0.1), pytest.approx(0.1), 0]]


def test_a_band_is_the_mean_of_its_rows():
    trace = make_trace(*(bar("b", f"t-{number}", 0, 4 if number % 2 else 2) for number in range(1_000)))
    (made,) = make_bins(folded(Chart.of(trace)), 10)
    assert made.shares["busy"].shape == (20, 10)
    assert made.shares["busy"] == pytest.approx(np.tile([1.0] * 5 + [0.5] * 5, (20, 1)))
