"""The layers of a graph."""

from __future__ import annotations

from hypothesis import given

from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.layering import layered_graph
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
