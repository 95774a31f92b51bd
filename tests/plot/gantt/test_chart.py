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
