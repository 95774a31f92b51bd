"""Graphs of other libraries are read off their attributes; the classes here have those of the libraries."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.diagram.description import checked_view
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.other_graphs import other_view
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.testing import bar, make_trace


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


def test_a_flow_without_a_start_has_no_nodes():
    assert other_view(Flow()).nodes == ()


def test_a_compiled_graph_has_its_nodes_without_both_ends():
    view = other_view(compiled(("merge", "__end__", "enough"), ("__start__", "plan"), ("merge", "plan", "more")))
    assert (view.name, [node.node_id for node in view.nodes]) == ("LangGraph", ["plan", "merge"])
    assert edges_of(view) == [("merge", "plan", "more")]


@pytest.mark.parametrize("thing", [object(), 7, Flow, SimpleNamespace(successors=[]), None])
def test_anything_else_is_refused(thing):
    with pytest.raises(OptionError, match="PocketFlow"):
        checked_view(thing)


# -- with the times of a trace ---------------------------------------------------------------------------------------


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
