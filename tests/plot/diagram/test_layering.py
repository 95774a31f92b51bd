"""The layers of a graph."""

from __future__ import annotations

from hypothesis import given

from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.layering import layered_graph
from kaygraph_viz.plot.diagram.stats import GraphStats
from kaygraph_viz.trace.structure import EdgeView, GraphView, NodeView
from tests.plot.diagram.examples import (
    assert_tidy,
    chain,
    graphs,
    texts,
)


@given(graphs())
def test_columns_grow_along_every_edge_that_closes_no_loop(view):
    flow = layered_graph(view, None)
    forward = {(w.source, w.target) for w in flow.routes if flow.items[w.source].column < flow.items[w.target].column}
    reached, waiting = set(), list(forward)
    while waiting:
        pair = waiting.pop()
        if pair not in reached:
            reached.add(pair)
            waiting += [(pair[0], b) for a, b in forward if a == pair[1]]
    assert all(a != b for a, b in reached)


def test_a_long_chain_collapses_in_the_middle():
    view = chain(*(f"n{number}" for number in range(10_000)))
    ax = diagram(view)
    assert "… 9,990 more nodes" in texts(ax)
    assert {"N0", "N4", "N9995", "N9999"} <= set(texts(ax))
    assert_tidy(ax)


def test_a_wide_fan_collapses_at_its_end():
    nodes = (NodeView("root", "Root"), *(NodeView(f"n{i}", "Leaf") for i in range(10_000)))
    ax = diagram(GraphView("fan", nodes, tuple(EdgeView("root", f"n{i}", f"a{i}") for i in range(10_000))))
    assert "… 9,993 more nodes" in texts(ax)
    assert_tidy(ax)


def test_duplicate_ids_and_unknown_ends_do_no_harm():
    view = GraphView("odd", (NodeView("a", "A"), NodeView("a", "B")), (EdgeView("a", "a"), EdgeView("a", "nowhere")))
    assert_tidy(diagram(view))


def columns_of(view):
    return {item.view.node_id: item.column for item in layered_graph(view, None).items if item.view is not None}


def test_a_node_stands_behind_the_last_of_its_predecessors():
    edges = EdgeView("a", "b"), EdgeView("b", "c"), EdgeView("a", "c")
    assert columns_of(GraphView("g", chain("a", "b", "c").nodes, edges)) == {"a": 0, "b": 1, "c": 2}


def test_a_loop_moves_no_node():
    edges = EdgeView("a", "b"), EdgeView("b", "a", "again"), EdgeView("b", "b", "retry")
    assert columns_of(GraphView("g", chain("a", "b").nodes, edges)) == {"a": 0, "b": 1}


def test_edges_between_two_nodes_are_one_route_with_all_actions():
    edges = EdgeView("a", "b", "ok"), EdgeView("a", "b"), EdgeView("a", "b", "late")
    (route,) = layered_graph(GraphView("g", chain("a", "b").nodes, edges), None).routes
    assert route.text == "ok / late"


def test_a_route_has_the_sum_of_what_its_edges_were_taken():
    edges = EdgeView("a", "b", "ok"), EdgeView("a", "b", "late")
    stats = GraphStats(taken={("a", "b"): 3}, critical=frozenset({("a", "b")}))
    (route,) = layered_graph(GraphView("g", chain("a", "b").nodes, edges), stats).routes
    assert (route.taken, route.is_critical, route.text) == (3, True, "ok / late x 3")


def test_nodes_that_are_left_out_are_counted_in_their_place():
    graph = layered_graph(chain(*(f"n{number}" for number in range(20))), None)
    assert [item.hidden for item in graph.items] == [0] * 5 + [10] + [0] * 5
    assert [(route.source, route.target) for route in graph.routes] == [(n, n + 1) for n in range(10)]
