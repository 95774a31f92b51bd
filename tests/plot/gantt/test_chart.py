"""Runs and rows of a chart."""

from __future__ import annotations

from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.testing import bar, make_trace


def test_inner_nodes_have_no_lines_where_there_is_no_room_for_all():
    stages = [bar(f"stage {number}", "main", 0, 9, kind="node") for number in range(4)]
    trace = make_trace((bar("Pipeline", "main", 0, 9, kind="node"), stages), bar("Report", "main", 9, 10, kind="node"))
    assert [line.label for line in Chart.of(trace).runs[0].nodes] == ["Pipeline", "Report"]


def test_an_outer_node_lies_above_those_in_it():
    inner = [bar("a", "main", 0, 2, kind="node"), bar("b", "main", 2, 5, kind="node")]
    lines = Chart.of(make_trace((bar("outer", "main", 0, 5, kind="node"), inner))).runs[0].nodes
    assert {line.label: line.level for line in lines} == {"outer": 0, "a": 1, "b": 1}


def test_nodes_are_shown_above_the_rows_if_there_are_several():
    one = bar("a", "main", 0, 1, kind="node")
    two = make_trace(one, bar("b", "main", 1, 2, kind="node"))
    assert Chart.of(make_trace(one)).runs[0].nodes == ()
    assert [line.label for line in Chart.of(two).runs[0].nodes] == ["a", "b"]


def test_rows_of_workers_without_a_heading_between_them_are_one_block():
    one, other = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1)), make_trace(bar("a", "main", 0, 1))
    assert Chart.of(one).blocks() == [range(2)]
    assert Chart.of({"one": one, "other": other}).blocks() == [range(1, 3), range(4, 5)]
    assert Chart.of(make_trace()).blocks() == []


def test_each_run_counts_from_its_own_first_submission():
    chart = Chart.of({"one": make_trace(bar("a", "t", 5, 6, queued_s=1)), "other": make_trace(bar("a", "t", 0, 3))})
    assert [run.since_start("started_ns").tolist() for run in chart.runs] == [[10**9], [0]]
    assert (chart.extent_s, chart.bar_count) == (3.0, 2)


def test_spans_that_were_not_kept_are_added_up():
    assert Chart.of({name: make_trace(bar("a", "t", 0, 1), dropped=2) for name in "ab"}).dropped == 4
