"""The critical path on a graph."""

from __future__ import annotations

from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.structure import GraphView, NodeView
from tests.plot.diagram.examples import (
    REVIEW,
    VALIDATION,
    WIDE,
    checked,
    critical,
)


def test_the_critical_path_is_highlighted():
    inside, arrows = critical(diagram(VALIDATION, trace=checked(1, 4, 2, 3)))
    assert set(inside) >= {"Input", "ParallelValidationNode", "format", "AggregationNode"}
    assert not {"security", "business", "external", "Output"} & set(inside)
    assert arrows == 4  # two edges, and those to and from the longest branch


def test_the_critical_path_can_be_left_out():
    ax = diagram(VALIDATION, trace=checked(1, 2), critical_path=False)
    assert critical(ax) == ([], 0)
    assert ax.get_legend() is None


def test_a_path_through_many_branches_leads_through_the_box_that_stands_for_them():
    branches = [bar(f"b{n}", f"t-{n % 2}", n // 2, n // 2 + 1) for n in range(40)]
    trace = make_trace((bar("p", "main", 0, 20, kind="node"), [(bar("exec", "main", 0, 20, kind="phase"), branches)]))
    inside, arrows = critical(diagram(GraphView("g", (NodeView("p", "Fan", True),)), trace=trace))
    assert {"Fan", "… and 35 more"} <= set(inside)
    assert arrows == 2


def test_the_path_through_a_nested_graph_takes_the_edges_at_each_level():
    inner = [
        (bar(name, "main", at, at + 1, kind="node"), [bar("exec", "main", at, at + 1, kind="phase")])
        for at, name in enumerate(["input", "validate"], 1)
    ]
    trace = make_trace(
        (bar("fetch", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")]),
        (bar("inner", "main", 1, 3, kind="graph"), inner),
        (bar("done", "main", 3, 4, kind="node"), [bar("exec", "main", 3, 4, kind="phase")]),
    )
    assert graph_stats(trace).critical == {("fetch", "inner"), ("input", "validate"), ("inner", "done")}


def test_a_branch_that_is_a_node_is_on_the_critical_path_too():
    def branch(name, lane, length):
        within = (bar("Check", lane, 0, length, kind="node"), [bar("exec", lane, 0, length, kind="phase")])
        return bar(name, lane, 0, length), [within]

    branches = [branch(f"branch {n}", f"t-{n}", 9 if n == 15 else 1) for n in range(18)]
    trace = make_trace((bar("p", "main", 0, 9, kind="node"), [(bar("exec", "main", 0, 9, kind="phase"), branches)]))
    inside, _ = critical(diagram(WIDE, trace=trace))
    assert {"FanOut", "branch 15"} <= set(inside)
    assert "branch 0" not in inside


def test_the_path_goes_on_through_nodes_that_take_no_time():
    nodes = [("draft", 0, 1), ("review", 1, 1), ("draft", 1, 2), ("review", 2, 2), ("publish", 2, 3)]
    trace = make_trace(*(
        (bar(name, "main", start, end, kind="node"), [bar("exec", "main", start, end, kind="phase")])
        for name, start, end in nodes
    ))  # fmt: skip
    facts = graph_stats(trace, REVIEW)
    assert facts.critical == {("draft", "review"), ("review", "draft"), ("review", "publish")}
    assert [name for name, node in facts.nodes.items() if node.is_critical] == ["draft", "review", "publish"]
