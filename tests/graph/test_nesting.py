"""Nodes inside nodes: what contains itself is refused before anything runs, and nothing else is."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import GraphError
from kaygraph_viz.graph.async_graph import AsyncGraph, AsyncParallelBatchGraph
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import BatchGraph, Graph, ParallelBatchGraph
from kaygraph_viz.graph.nesting import refuse_to_contain_itself
from kaygraph_viz.graph.node import Node
from kaygraph_viz.recording import record
from tests.graph.hooks import with_hooks

GRAPHS = [Graph, BatchGraph, ParallelBatchGraph, AsyncGraph, AsyncParallelBatchGraph]


def params(_):
    return [{"n": 1}]


def itself(kind):
    graph = with_hooks(kind(), prep=params)
    graph.start(graph)
    return graph


def later(kind):
    graph = with_hooks(kind(first := Node()), prep=params)
    first >> Node() >> graph
    return graph


def through_another(kind):
    graph, inner = with_hooks(kind(first := Node()), prep=params), with_hooks(kind(other := Node()), prep=params)
    first >> inner
    other - "again" >> graph
    return graph


def through_a_branch(kind):
    graph = with_hooks(kind(first := Node()), prep=params)
    first >> FanOutNode({"branch": Graph(Node()), "graph": graph})
    return graph


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("make", [itself, later, through_another, through_a_branch])
@pytest.mark.parametrize("clock", [None, "virtual"])
def test_a_graph_that_contains_itself_is_refused_before_a_node_runs(kind, make, clock):
    with record(clock=clock) as trace, pytest.raises(GraphError, match=r"contains itself.*again"):
        make(kind).run({})
    assert [s.name for s in trace.where(kind="node")] == []


@pytest.mark.parametrize("make", [itself, later, through_another])
def test_its_diagram_is_refused_as_well(make):
    with pytest.raises(GraphError, match="contains itself"):
        make(Graph).structure()


def test_a_branch_that_is_its_own_node_is_refused():
    fan = FanOutNode({"text": str})
    fan.branches["fan"] = fan
    with pytest.raises(GraphError, match="contains itself"):
        fan.run({})


def test_a_graph_may_be_part_of_others_several_times():
    shared = {"ran": 0}

    def count(store):
        store["ran"] += 1

    inner = Graph(with_hooks(Node(), prep=count), "inner")
    middle, outer = Graph(inner, "middle"), Graph(first := Node(), "outer")
    first >> middle >> with_hooks(Graph(inner), node_id="again") >> FanOutNode({"a": inner, "b": inner})
    outer.run(shared)
    assert shared["ran"] == 4
    assert len(outer.structure().nodes) == 4


def test_a_loop_of_nodes_is_none_of_that():
    node = Node()
    node >> Graph(Node()) >> node
    refuse_to_contain_itself(Graph(node))


def test_graphs_may_be_nested_deeply():
    graph = Graph(Node())
    for _ in range(5_000):
        graph = Graph(graph)
    refuse_to_contain_itself(graph)
