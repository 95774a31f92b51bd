"""The positions of nodes and arrows."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given

from kaygraph_viz.plot.diagram.blocks import lines_size
from kaygraph_viz.plot.diagram.placement import graph_scene
from kaygraph_viz.plot.diagram.scene import Scene
from kaygraph_viz.plot.style import Size
from kaygraph_viz.plot.text import width_pt
from kaygraph_viz.trace.structure import EdgeView, GraphView
from tests.plot.diagram.examples import (
    NESTED,
    chain,
    graphs,
)


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


def test_columns_stand_from_left_to_right_on_one_line():
    boxes = graph_scene(chain("load", "check", "store"), None, 6).boxes
    assert [box.lines[0].text for box in boxes] == ["Load", "Check", "Store"]
    assert all(one.right < other.x for one, other in pairwise(boxes))
    assert len({box.y + box.height / 2 for box in boxes}) == 1


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


def test_a_gap_is_as_wide_as_its_widest_label():
    def gap(action):
        one, other = graph_scene(GraphView("g", chain("a", "b").nodes, (EdgeView("a", "b", action),)), None, 6).boxes
        return other.x - one.right

    assert gap("a much longer action name") > gap("default") + 50


def test_a_graph_deeper_than_one_level_is_a_closed_box():
    opened, closed = (graph_scene(NESTED, None, 6, level=level) for level in (0, 1))
    assert (len(opened.frames), len(closed.frames)) == (1, 0)
    assert "a graph of 4" in [line.text for box in closed.boxes for line in box.lines]


def test_a_graph_without_nodes_has_no_size():
    assert graph_scene(GraphView("g", ()), None, 6) == Scene()
