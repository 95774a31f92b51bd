"""The layers of a graph."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given

from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.layering import graph_scene, layered_graph
from kaygraph_viz.plot.diagram.scene import lines_size
from kaygraph_viz.plot.style import Size
from kaygraph_viz.plot.text import width_pt
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView
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


# -- the positions of nodes and arrows -----


@given(graphs())
def test_any_scene_is_tidy(view):
    """No two boxes overlap, nor two labels; everything is inside, and every text inside its box."""
    scene = graph_scene(view, None, 6)
    boxes = [(box.x, box.y, box.right, box.bottom) for box in scene.boxes]
    labels = [
        (text.x - text.width / 2, text.y - text.height / 2, text.x + text.width / 2, text.y + text.height / 2)
        for text in scene.labels
    ]
    for same in (boxes, labels):
        for a, b in combinations(same, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for x0, y0, x1, y1 in [*boxes, *labels]:
        assert -1e-6 <= x0 <= x1 <= scene.width + 1e-6
        assert -1e-6 <= y0 <= y1 <= scene.height + 1e-6
    for box in scene.boxes:
        width, height = lines_size(box.lines)
        assert width <= box.width
        assert height <= box.height
    assert all(width_pt(label.text, Size.small_font) <= label.width for label in scene.labels)


def test_an_edge_that_closes_a_loop_runs_below_the_nodes():
    loop = GraphView("g", chain("a", "b").nodes, (EdgeView("a", "b"), EdgeView("b", "a", "again")))
    scene = graph_scene(loop, None, 6)
    (back,) = (arrow for arrow in scene.arrows if not arrow.is_curve)
    assert max(y for _, y in back.points) > max(box.bottom for box in scene.boxes)
    assert back.points[0][0] > back.points[-1][0]


def test_an_edge_that_skips_a_column_runs_above_the_nodes():
    nodes = chain("a", "b", "c").nodes
    scene = graph_scene(GraphView("g", nodes, (*chain("a", "b", "c").edges, EdgeView("a", "c"))), None, 6)
    (over,) = (arrow for arrow in scene.arrows if not arrow.is_curve)
    assert min(y for _, y in over.points) < min(box.y for box in scene.boxes)
