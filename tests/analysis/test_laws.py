"""The formulas, at points where the answer is known, and how they bound each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis import laws
from kaygraph_viz.base.errors import OptionError
from tests.list_schedule import list_schedule

shares = st.floats(0, 1)
workers = st.integers(1, 4096)
times = st.floats(0, 1e6)
durations = st.lists(st.integers(0, 1000), max_size=40)


@given(shares, workers)
def test_amdahl_stays_between_one_and_its_limits(share, count):
    speedup = laws.amdahl_speedup(share, count)
    assert 1 - 1e-9 <= speedup <= min(count, laws.amdahl_limit(share)) * (1 + 1e-9)


@given(shares, workers)
def test_gustafson_is_between_amdahl_and_the_number_of_workers(share, count):
    speedup = laws.gustafson_speedup(share, count)
    assert laws.amdahl_speedup(share, count) * (1 - 1e-9) <= speedup <= count * (1 + 1e-9)


def test_gustafson_and_amdahl_are_the_same_run_seen_from_either_end():
    serial_s, parallel_s, count = 1.0, 9.0, 8
    alone_s = serial_s + parallel_s * count
    scaled = laws.gustafson_speedup(serial_s / (serial_s + parallel_s), count)
    assert scaled == pytest.approx(laws.amdahl_speedup(serial_s / alone_s, count))


@given(times, times, workers)
def test_no_greedy_schedule_is_worse_than_grahams_ratio(work, path, count):
    path = min(work, path)
    least, most = laws.least_makespan_s(work, path, count), laws.greedy_makespan_s(work, path, count)
    assert least <= most * (1 + 1e-9)
    assert most <= laws.graham_ratio(count) * least * (1 + 1e-9)


def test_littles_law_sizes_a_pool():
    assert laws.mean_concurrency(throughput_per_s=200, time_s=0.05) == 10


@given(shares, workers)
def test_the_scalability_law_without_crosstalk_is_amdahls(share, count):
    assert laws.usl_speedup(count, share) == pytest.approx(laws.amdahl_speedup(share, count))


@given(st.floats(0, 0.9), st.floats(1e-6, 0.1))
def test_the_scalability_law_peaks_where_it_says(contention, crosstalk):
    best = laws.usl_best_workers(contention, crosstalk)
    peak = laws.usl_speedup(best, contention, crosstalk)
    assert peak * (1 + 1e-9) >= laws.usl_speedup(best * 1.1, contention, crosstalk)
    assert peak * (1 + 1e-9) >= laws.usl_speedup(max(1.0, best / 1.1), contention, crosstalk)


@given(durations, st.integers(1, 9))
def test_a_list_schedule_lies_between_the_bounds(items, count):
    makespan, longest = list_schedule(items, count).makespan_ns, max(items, default=0)
    assert laws.least_makespan_s(sum(items), longest, count) <= makespan + 1e-6
    assert makespan <= laws.greedy_makespan_s(sum(items), longest, count) + 1e-6


@pytest.mark.parametrize(("count", "ratio"), [(1, 1), (2, 7 / 6), (3, 11 / 9), (10**6, 4 / 3)])
def test_the_bound_of_longest_first(count, ratio):
    assert laws.longest_first_ratio(count) == pytest.approx(ratio, abs=1e-6)
    assert laws.longest_first_ratio(count) <= laws.graham_ratio(count)


def test_the_bound_of_longest_first_is_reached():
    assert list_schedule([3, 3, 2, 2, 2], 2).makespan_ns == round(6 * laws.longest_first_ratio(2)) == 7


@pytest.mark.parametrize(
    ("law", "arguments", "name"),
    [
        (laws.amdahl_speedup, (1.1, 4), "serial_share"),
        (laws.amdahl_speedup, (math.nan, 4), "serial_share"),
        (laws.amdahl_speedup, (0.1, True), "workers"),
        (laws.greedy_makespan_s, (1, math.inf, 1), "critical_path_s"),
        (laws.graham_ratio, (10**400,), "workers"),
        (laws.longest_first_ratio, (0,), "workers"),
        (laws.mean_concurrency, (-1, 1), "throughput_per_s"),
        (laws.usl_best_workers, (0.1, -1), "crosstalk"),
    ],
)
def test_an_argument_out_of_its_range_is_named(law, arguments, name):
    with pytest.raises(OptionError, match=f"^{name} must be"):
        law(*arguments)
