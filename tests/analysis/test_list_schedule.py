"""List scheduling against its definition and Graham's bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaygraph_viz.analysis.laws import graham_ratio, greedy_makespan_s, least_makespan_s
from kaygraph_viz.analysis.list_schedule import fewest_workers, list_schedule, longest_first, longest_first_ratio
from kaygraph_viz.errors import OptionError

DURATIONS = st.lists(st.integers(0, 1000), max_size=40)
WORKERS = st.integers(1, 9)


def makespan(durations, workers):
    return list_schedule(durations, workers).makespan_ns


def test_whoever_is_free_first_takes_the_next():
    schedule = list_schedule([4, 2, 1, 1, 3], workers=2)
    assert schedule.worker.tolist() == [0, 1, 1, 1, 0]
    assert schedule.started_ns.tolist() == [0, 0, 2, 3, 4]
    assert schedule.ended_ns.tolist() == [4, 2, 3, 4, 7]


def test_nothing_to_do_takes_no_time():
    schedule = list_schedule([], workers=3)
    assert (schedule.makespan_ns, schedule.worker.tolist(), schedule.started_ns.tolist()) == (0, [], [])


@given(DURATIONS, WORKERS)
def test_no_worker_does_two_things_at_once_and_none_is_idle_while_something_waits(durations, workers):
    schedule = list_schedule(durations, workers)
    rows = list(zip(schedule.worker.tolist(), schedule.started_ns.tolist(), schedule.ended_ns.tolist(), strict=True))
    free = [0] * workers
    for (worker, started, ended), duration in zip(rows, durations, strict=True):
        assert started == free[worker] == min(free)
        assert ended == started + duration
        free[worker] = ended


@given(DURATIONS, WORKERS)
def test_the_makespan_lies_between_the_laws(durations, workers):
    work, longest = sum(durations), max(durations, default=0)
    assert least_makespan_s(work, longest, workers) <= makespan(durations, workers) + 1e-6
    assert makespan(durations, workers) <= greedy_makespan_s(work, longest, workers) + 1e-6


@given(DURATIONS, WORKERS)
def test_one_worker_takes_all_the_work_and_more_are_never_slower(durations, workers):
    assert makespan(durations, 1) == sum(durations)
    assert makespan(durations, workers + 1) <= makespan(durations, workers)


@given(DURATIONS)
def test_longest_first_sorts_and_keeps_equals_in_order(durations):
    order = longest_first(durations).tolist()
    assert order == sorted(range(len(durations)), key=lambda place: (-durations[place], place))


@pytest.mark.parametrize(("workers", "ratio"), [(1, 1), (2, 7 / 6), (3, 11 / 9), (10**6, 4 / 3)])
def test_the_bound_of_longest_first(workers, ratio):
    assert longest_first_ratio(workers) == pytest.approx(ratio, abs=1e-6)
    assert longest_first_ratio(workers) <= graham_ratio(workers)


@given(DURATIONS, st.integers(1, 50), st.floats(0, 1))
def test_the_fewest_workers_are_good_enough_and_one_less_is_not(durations, most, tolerance):
    enough = fewest_workers(lambda workers: makespan(durations, workers), most, tolerance=tolerance)
    good = makespan(durations, most) * (1 + tolerance)
    assert makespan(durations, enough) <= good
    assert enough == 1 or makespan(durations, enough - 1) > good


@pytest.mark.parametrize("workers", [0, -1, True, 1.5])
def test_impossible_numbers_of_workers(workers):
    for call in (lambda: list_schedule([1], workers), lambda: longest_first_ratio(workers)):
        with pytest.raises(OptionError, match="workers"):
            call()
    with pytest.raises(OptionError, match="most"):
        fewest_workers(float, workers)


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_impossible_tolerances(tolerance):
    with pytest.raises(OptionError, match="tolerance"):
        fewest_workers(float, 4, tolerance=tolerance)
