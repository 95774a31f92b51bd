"""When branches around others only waited."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from kaygraph_viz.plot.gantt.awaiting import awaiting
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.testing import bar, make_trace


def run_of(*bars):
    return Chart.of(make_trace(*bars, check=False), has_own_time=True).runs[0]


def waits_of(run):
    found = awaiting(run)
    return [
        (int(run.row_of[place]), start / 1e9, end / 1e9)
        for place, start, end in zip(*(each.tolist() for each in found), strict=True)
    ]


def test_a_branch_waits_between_what_it_does_by_itself():
    jobs = [bar("job", "t-2", 2, 4), bar("job", "t-2", 5, 8)]
    assert waits_of(run_of((bar("task", "t-1", 0, 9), jobs))) == [(0, 2, 4), (0, 5, 8)]


def test_one_that_is_drawn_only_because_others_of_its_name_are_waits_all_the_time():
    tasks = [(bar("task", f"t-{lane}", 0, 9), [bar("job", f"u-{lane}", lane, 9)]) for lane in (0, 4)]
    assert waits_of(run_of(*tasks)) == [(0, 0, 9), (1, 4, 9)]


def test_bars_in_its_row_are_no_waiting():
    step = bar("step", "t-1", 3, 4)
    assert waits_of(run_of((bar("task", "t-1", 0, 9), [step, bar("job", "t-2", 2, 6)]))) == [(0, 2, 3), (0, 4, 6)]


def test_without_branches_around_others_nobody_waits():
    assert waits_of(run_of(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2))) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 4), st.booleans()), min_size=1))
def test_bars_and_waits_fill_the_row_and_never_overlap(tasks):
    bars, at = [], 0
    for before, job, after, is_inline in tasks:
        start, end = at + before, at + before + job
        bars.append((bar("task", "t-1", at, end + after), [bar("job", "t-1" if is_inline else "t-2", start, end)]))
        at = end + after
    run = run_of(*bars, (bar("task", "t-3", 0, at + 1), [bar("job", "t-4", 0, 1)]))  # so that tasks are drawn
    rows = {run.nesting.columns.span(unit).lane: row for unit, row in zip(run.units, run.row_of, strict=True)}
    found = [(start, end) for row, start, end in waits_of(run) if row == rows["t-1"]]
    found += [
        (span.started_ns / 1e9, span.ended_ns / 1e9)
        for span in map(run.nesting.columns.span, run.units.tolist())
        if span.lane == "t-1"
    ]
    edges = [each for each in sorted(found) if each[0] < each[1]]
    assert (edges[0][0], edges[-1][1]) == (0, at)
    assert all(one[1] == other[0] for one, other in pairwise(edges))
