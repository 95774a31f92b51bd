"""The shares of an image of many bars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.plot.gantt.bands import folded
from kaygraph_viz.plot.gantt.bins import Coverage, make_bins
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.style import FILLS, Size
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import busy_lanes, is_slim_pause, layout_of, shortest


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


def shares(rows, starts, ends, edges, weights=None):
    columns = (np.array(column) for column in (rows, starts, ends, edges))
    return Coverage(*columns, max(rows, default=0) + 1).shares(weights).tolist()


def test_an_interval_without_duration_hides_no_other_that_starts_with_it():
    assert shares([0, 0], [0, 0], [8, 0], [0, 8]) == [[1]]


def test_shares_of_several_rows_do_not_mix():
    assert shares([0, 1, 1], [0, 5, 20], [40, 10, 30], [0, 10, 20, 40]) == [[1, 1, 1], [0.5, 0, 0.5]]


def test_intervals_of_a_row_that_overlap_add_up():
    assert shares([0, 0, 0], [0, 5, 5], [20, 15, 10], [0, 10, 20]) == [[2, 1.5]]


def test_intervals_count_by_their_weights():
    found = shares([0, 0], [0, 10], [10, 30], [0, 5, 20, 30], np.array([0.5, 0.25]))
    assert found == [[0.5, pytest.approx((2.5 + 2.5) / 15), 0.25]]


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
