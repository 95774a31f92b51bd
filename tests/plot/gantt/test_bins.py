"""The shares of an image of many bars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.plot.gantt.bins import busy_share, make_bins
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
