"""The small picture of how many times as fast runs were: where its dots and lines are."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.plot.curves.speedup_sketch import speedup_sketch
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace


def run(workers):
    return make_trace(*(bar("check", f"t-{at % workers}", at // workers, at // workers + 1) for at in range(8)))


def points(ax, gid):
    return [(x, y) for line in ax.lines if line.get_gid() == gid for x, y in line.get_xydata().tolist()]


@pytest.fixture
def ax():
    return Figure().add_subplot()


def test_each_run_is_a_dot_at_its_workers_and_how_many_times_as_fast_it_was(ax):
    speedup_sketch({1: run(1), 2: run(2), 8: run(8)}, ax=ax)
    assert points(ax, "tried") == [(1, 1.0), (2, 2.0), (8, 8.0)]
    assert points(ax, "shown") == points(ax, "others") == points(ax, "predicted") == []


def test_run_that_is_looked_at_has_a_ring(ax):
    speedup_sketch({1: run(1), 4: run(4)}, ax=ax, shown=4)
    assert points(ax, "shown") == [(4, 4.0)]


def test_runs_in_other_ways_are_hollow_and_named(ax):
    speedup_sketch({1: run(1)}, ax=ax, others=[(4, run(2))])
    assert points(ax, "others") == [(4, 2.0)]
    assert "with other settings" in ax.get_title(loc="left")


def test_what_counts_as_one_can_be_given(ax):
    speedup_sketch({4: run(4)}, ax=ax, one_worker_s=16.0)
    assert points(ax, "tried") == [(4, 8.0)]


def test_prediction_is_a_line_up_to_the_last_number_of_workers(ax):
    trace = make_trace(*(bar("check", f"thread-{at % 2 + 1}", at // 2, at // 2 + 1) for at in range(8)))
    speedup_sketch({2: trace}, ax=ax, what_if=what_if(trace, workers=range(1, 17)), last=4)
    assert [x for x, _ in points(ax, "predicted")] == [1, 2, 3, 4]
    assert "predicted" in ax.get_title(loc="left")
    assert "a line shows what is predicted" in describe(ax).sentence


def test_the_label_says_what_runs_are_compared_with(ax):
    assert speedup_sketch({1: run(1)}, ax=ax).get_ylabel() == "times as fast as one worker"
    assert speedup_sketch({4: run(4)}, ax=ax, one_worker_s=16.0).get_ylabel() == "times as fast as one worker"
    assert speedup_sketch({4: run(4)}, ax=ax).get_ylabel() == "times as fast as serial execution, estimated"
