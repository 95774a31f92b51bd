"""Statistics of nodes and edges."""

from __future__ import annotations

import pytest
from matplotlib.patches import FancyArrowPatch

from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.markup import diagram_text
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.structure import EdgeView, GraphView, NodeView
from tests.plot.diagram.examples import (
    REVIEW,
    assert_tidy,
    texts,
)


def test_a_trace_counts_how_often_an_edge_was_taken():
    order = ["draft", "review", "draft", "review", "draft", "review", "publish", "log"]
    ax = diagram(REVIEW, trace=make_trace(*(bar(name, "main", n, n + 1, kind="node") for n, name in enumerate(order))))
    assert {"x 3", "revise x 2", "approve"} <= set(texts(ax))
    dotted = [p for p in ax.patches if isinstance(p, FancyArrowPatch) and p.get_linestyle() not in ("-", "solid")]
    assert len(dotted) == 4  # decline and what follows it, think, give up
    assert_tidy(ax)


def test_stages_that_work_at_the_same_time_are_joined_by_their_number_of_items(pipeline):
    nodes = (NodeView("Load parse", "parse", True), NodeView("Load store", "store"))
    ax = diagram(GraphView("Load", nodes, (EdgeView("Load parse", "Load store"),)), trace=pipeline)
    assert "x 4" in texts(ax)
    assert all(p.get_linestyle() in ("-", "solid") for p in ax.patches if isinstance(p, FancyArrowPatch))


def same_names():
    """Return a graph and a run of it, in which graph and node have the names of those around them."""
    inner = GraphView("Graph", (NodeView("Load", "Load"), NodeView("Save", "Save")), (EdgeView("Load", "Save"),))
    nodes = NodeView("Load", "Load"), NodeView("Graph", "Graph", graph=inner), NodeView("Save", "Save")
    view = GraphView("Graph", nodes, (EdgeView("Load", "Graph"), EdgeView("Graph", "Save")))
    inside = [bar("Load", "main", 1, 3, kind="node"), bar("Save", "main", 3, 4, kind="node")]
    outside = [bar("Load", "main", 0, 1, kind="node"), (bar("Graph", "main", 1, 4, kind="graph"), inside),
               bar("Save", "main", 4, 8, kind="node")]  # fmt: skip
    return view, make_trace((bar("Graph", "main", 0, 8, kind="graph"), outside))


def test_nodes_of_one_name_are_told_apart_by_the_graph_in_which_they_lie():
    view, trace = same_names()
    found = texts(diagram(view, trace=trace))
    assert {"1.00 s, 12%", "3.00 s, 38%", "4.00 s, 50%", "2.00 s, 25%"} < set(found)
    assert not [text for text in found if text.startswith("x ")]
    nodes, edges = describe(diagram(view, trace=trace)).tables
    assert [row[3] for row in nodes.rows] == ["1"] * 5
    assert [row[3] for row in edges.rows] == ["1"] * 3
    assert "2.00 s, 25#37;" in diagram_text(view, trace=trace)
    inner = view.nodes[1].graph
    alone = make_trace((bar("other", "main", 0, 8, kind="graph"), [bar("Load", "main", 0, 1, kind="node")]))
    assert "1.00 s, 12%" in texts(diagram(inner, trace=alone))


def test_without_a_trace_there_are_none():
    assert graph_stats(None) is None


def test_runs_of_a_node_are_added_up():
    first = bar("n", "main", 0, 2, kind="node"), [bar("b", "t-1", 0, 1), bar("b", "t-2", 0, 2, attempt=3)]
    again = bar("n", "main", 2, 3, kind="node", status="error"), [bar("b", "t-1", 2, 3, status="error")]
    node = graph_stats(make_trace(first, again)).nodes["n"]
    assert (node.runs, node.total_s, node.not_ok) == (2, 3.0, 1)
    branch = node.branches["b"]
    assert (branch.count, branch.mean_s, branch.not_ok, branch.retries) == (3, pytest.approx(4 / 3), 1, 2)


def test_nodes_that_overlap_do_not_follow_each_other():
    trace = make_trace(bar("a", "main", 0, 2, kind="node"), bar("b", "t-1", 1, 3, kind="node"))
    assert graph_stats(trace).taken == {}


def test_a_graph_that_did_not_run_has_empty_statistics():
    view, trace = same_names()
    inner = graph_stats(trace, view).within("unknown")
    assert (dict(inner.nodes), inner.makespan_s) == ({}, 8.0)
