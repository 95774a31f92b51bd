"""Statistics of nodes and edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.patches import FancyArrowPatch

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.description import checked_view
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.markup import diagram_text
from kaygraph_viz.plot.diagram.other_graphs import other_view
from kaygraph_viz.plot.diagram.stats import graph_stats, with_node_ids
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView
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


def test_runs_of_a_node_are_added_up():
    first = bar("n", "main", 0, 2, kind="node"), [bar("b", "t-1", 0, 1), bar("b", "t-2", 0, 2, attempt=3)]
    again = bar("n", "main", 2, 3, kind="node", status="error"), [bar("b", "t-1", 2, 3, status="error")]
    node = graph_stats(make_trace(first, again)).nodes["n"]
    assert (node.runs, node.total_s, node.not_ok) == (2, 3.0, 1)
    branch = node.branches["b"]
    assert (branch.count, branch.mean_s, branch.not_ok, branch.retries) == (3, pytest.approx(4 / 3), 1, 2)


# -- the spans of nodes that are recorded by their names -----


def named(*names, edges=()):
    """Return a view of nodes with such ids, of which ``A #2`` is recorded as ``A``."""
    nodes = tuple(NodeView(name, name[0], span_name=name[0]) for name in names)
    return GraphView("Flow", nodes, tuple(EdgeView(*edge) for edge in edges))


def names_in(columns):
    return [columns.names[name] for name in columns.rows["name"]]


def run(*names, kind="node"):
    return make_trace(*(bar(name, "main", at, at + 1, kind=kind) for at, name in enumerate(names))).columns


def test_branches_of_recorded_nodes_stay_branches():
    tree = (bar("A", "main", 0, 2, kind="node"), [bar("A", "main", 0, 1), bar("A", "main", 1, 2)])
    assert with_node_ids(make_trace(tree).columns, named("A")).is_kind("node").tolist() == [True, False, False]


# -- graphs of other libraries are read off their attributes; the classes here have those of the libraries -----


class Node:
    """A node of PocketFlow or KayGraph."""

    def __init__(self) -> None:
        self.successors: dict[str, Any] = {}

    def then(self, node, action="default"):
        self.successors[action] = node
        return node


class Flow(Node):
    def __init__(self, start=None) -> None:
        super().__init__()
        self.start_node = start


class Load(Node):
    pass


class Ask(Node):
    pass


class AsyncParallelBatchNode(Node):
    pass


class Pages(AsyncParallelBatchNode):
    pass


class BatchFlow(Flow):
    pass


@dataclass
class Drawable:
    """What `get_graph` of a compiled graph of LangGraph returns."""

    nodes: dict[str, Any]
    edges: list[Any] = field(default_factory=list)


def compiled(*edges):
    """Return a compiled graph of LangGraph with edges: two names and perhaps a condition."""
    names = dict.fromkeys(name for edge in edges for name in edge[:2])
    made = [SimpleNamespace(source=a, target=b, data=data[0] if data else None) for a, b, *data in edges]
    return SimpleNamespace(name="LangGraph", get_graph=lambda: Drawable(dict.fromkeys(names), made))


def edges_of(view):
    return [(edge.source, edge.target, edge.action) for edge in view.edges]


def test_a_flow_has_its_nodes_breadth_first_by_class_and_its_actions():
    load, ask, save = Load(), Ask(), Load()
    load.then(ask)
    ask.then(ask, "again")
    ask.then(save, "done")
    view = other_view(Flow(load))
    assert (view.name, [(node.node_id, node.label) for node in view.nodes]) == (
        "Flow", [("Load", "Load"), ("Ask", "Ask"), ("Load #2", "Load")],
    )  # fmt: skip
    assert edges_of(view) == [("Load", "Ask", "default"), ("Ask", "Ask", "again"), ("Ask", "Load #2", "done")]


def test_a_node_by_itself_is_drawn_with_what_follows_it():
    load = Load()
    load.then(Ask())
    assert [node.node_id for node in other_view(load).nodes] == ["Load", "Ask"]


def test_a_flow_within_a_flow_is_a_graph_in_it():
    inner = BatchFlow(Load())
    view = other_view(Flow(inner))
    assert view.nodes[0].graph.name == "BatchFlow"
    assert [node.node_id for node in view.nodes[0].graph.nodes] == ["Load"]


def test_a_flow_that_contains_itself_comes_to_an_end():
    flow = Flow()
    flow.start_node = flow
    assert other_view(flow).nodes[0].graph is None


def test_nodes_that_run_their_items_at_once_are_parallel():
    assert [node.is_parallel for node in other_view(Flow(Pages())).nodes] == [True]
    assert [node.is_parallel for node in other_view(Flow(Ask())).nodes] == [False]


def test_a_compiled_graph_has_its_nodes_without_both_ends():
    view = other_view(compiled(("merge", "__end__", "enough"), ("__start__", "plan"), ("merge", "plan", "more")))
    assert (view.name, [node.node_id for node in view.nodes]) == ("LangGraph", ["plan", "merge"])
    assert edges_of(view) == [("merge", "plan", "more")]


@pytest.mark.parametrize("thing", [object(), 7, Flow, SimpleNamespace(successors=[]), None])
def test_anything_else_is_refused(thing):
    with pytest.raises(OptionError, match="PocketFlow"):
        checked_view(thing)


def flow_and_trace():
    load, ask, save = Load(), Ask(), Load()
    load.then(ask)
    ask.then(ask, "again")
    ask.then(save, "done")
    runs = [("Load", 0, 1), ("Ask", 1, 2), ("Ask", 2, 4), ("Load", 4, 9)]
    nodes = [(bar(name, "main", *times, kind="node"), [bar(name, "main", *times)]) for name, *times in runs]
    return Flow(load), make_trace((bar("Flow", "main", 0, 9, kind="graph"), nodes))


def test_times_are_found_by_class_and_by_the_way_through_the_graph():
    flow, trace = flow_and_trace()
    stats = graph_stats(trace, checked_view(flow))
    assert {name: (node.runs, node.total_s) for name, node in stats.nodes.items()} == {
        "Load": (1, 1.0), "Ask": (2, 3.0), "Load #2": (1, 5.0),
    }  # fmt: skip
    assert dict(stats.taken) == {("Load", "Ask"): 1, ("Ask", "Ask"): 1, ("Ask", "Load #2"): 1}
    assert stats.nodes["Ask"].branches["Ask"].count == 2


def test_a_flow_is_drawn_with_them():
    flow, trace = flow_and_trace()
    texts = " ".join(text.get_text() for text in diagram(flow, trace=trace).texts)
    assert "x 2, mean 1.50 s" in texts


def test_nodes_of_flows_in_it_are_told_from_its_own():
    inner = BatchFlow(Load())
    outer = Load()
    outer.then(inner)
    passes = [(bar(f"n={n}", "main", n, n + 1), [bar("Load", "main", n, n + 1, kind="node")]) for n in range(1, 3)]
    trace = make_trace((bar("Flow", "main", 0, 3, kind="graph"), [
        bar("Load", "main", 0, 1, kind="node"), (bar("BatchFlow", "main", 1, 3, kind="graph"), passes),
    ]))  # fmt: skip
    stats = graph_stats(trace, checked_view(Flow(outer)))
    assert (stats.nodes["Load"].runs, stats.nodes["BatchFlow"].total_s) == (1, 2.0)
    assert stats.within("BatchFlow").nodes["Load"].runs == 2


def test_nodes_that_were_recorded_as_branches_are_found_too():
    graph = compiled(("__start__", "plan"), ("plan", "a"), ("plan", "b"), ("a", "merge"), ("b", "merge"))
    trace = make_trace(
        bar("plan", "task-1", 0, 1), bar("a", "task-1", 1, 3), bar("b", "task-2", 1, 2), bar("merge", "task-1", 3, 4)
    )
    stats = graph_stats(trace, checked_view(graph))
    assert {name: node.total_s for name, node in stats.nodes.items()} == {"plan": 1, "a": 2, "b": 1, "merge": 1}
    assert dict(stats.taken) == {("plan", "a"): 1, ("plan", "b"): 1, ("a", "merge"): 1, ("b", "merge"): 1}


def test_a_graph_without_a_run_of_it_in_the_trace_is_drawn_without_times():
    assert graph_stats(make_trace(bar("x", "main", 0, 1)), checked_view(Flow(Load()))).nodes == {}
