"""The positions of nodes and arrows."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given

from kaygraph_viz.plot.diagram.blocks import lines_size
from kaygraph_viz.plot.diagram.placement import graph_scene
from kaygraph_viz.plot.style import Size
from kaygraph_viz.plot.text import width_pt
from tests.plot.diagram.examples import (
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
